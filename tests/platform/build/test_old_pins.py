"""Pins from before a Python: which older one is tried; asks the registry which wheels there are."""

import os
from collections.abc import Sequence

import pytest

from createos_mcp.platform.build.old_pins import UnbuiltPackages, find_older_python

RUNTIMES = ("python:3.13", "python:3.10", "python:3.9", "python:3.8")


@pytest.mark.parametrize(
    ("pins", "runtimes", "older"),
    [
        (["pyyaml==5.4.1"], RUNTIMES, "python:3.9"),
        (["pyyaml==5.4.1", "psycopg2-binary==2.8"], RUNTIMES, "python:3.10"),
        (["psycopg2==2.7.3"], RUNTIMES, "python:3.10"),
        (["pyyaml==5.4.1"], ("python:3.13", "python:3.12"), None),
        (["pyyaml==5.4.1"], (), None),
        ([], RUNTIMES, None),
    ],
)
async def test_the_nearest_older_python_with_wheels_of_all_pins_is_tried(
    pins: Sequence[str], runtimes: Sequence[str], older: str | None
) -> None:
    assert await find_older_python(pins, "python 3.11.7", runtimes, os.environ) == older


async def test_packages_that_could_not_be_built_are_known_by_what_uv_says() -> None:
    handed_on: list[str] = []

    async def log(_stage: str, lines: Sequence[str]) -> None:
        handed_on.extend(lines)

    unbuilt = UnbuiltPackages(log)
    lines = [
        "   Building markupsafe==1.1.1",
        "error: Failed to build `pyyaml==5.4.1`",
        "x Failed to build `--index-url=http://x`",
        "the app prints: Failed to build `a b==1`",
    ]
    await unbuilt.log("install", lines)
    assert unbuilt.pins == ["pyyaml==5.4.1"]
    assert handed_on == lines
