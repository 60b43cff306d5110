"""Kinds of services: which programs they use, and what is chosen for an image."""

from dataclasses import replace
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.services.image_kinds import IMAGE_KINDS, ImageKind, choose_kind
from createos_mcp.platform.services.kinds import KINDS, HostPrograms

WORD = "s3cret"


@pytest.mark.parametrize(
    ("there", "used"),
    [(("bin", "vector.control"), True), (("bin",), False), (("vector.control",), False)],
    ids=["both", "no extension", "no programs"],
)
def test_programs_of_the_machine_are_used_where_they_are_enough(
    tmp_path: Path, there: tuple[str, ...], *, used: bool
) -> None:
    host = HostPrograms(directory=tmp_path / "bin", needs=tmp_path / "vector.control")
    if "bin" in there:
        host.directory.mkdir()
    if "vector.control" in there:
        host.needs.touch()
    kind = replace(KINDS["postgres"], hosts=(host,))
    assert kind.on_host() == (host.directory if used else None)


def test_a_known_image_runs_in_another_version_with_the_rest_unchanged() -> None:
    chosen = choose_kind("mongodb", {"reference": "mongo:7"})
    assert isinstance(chosen, ImageKind)
    assert chosen == replace(IMAGE_KINDS["mongodb"], image="mongo:7")
    assert "abc" in chosen.given("abc").values()


@pytest.mark.parametrize("kind", sorted(IMAGE_KINDS.keys() - {"image"}))
def test_a_known_image_tells_an_app_its_password_and_port(kind: str) -> None:
    told = IMAGE_KINDS[kind].variables(
        IMAGE_KINDS[kind].variable, role="app", secret=WORD, port=7001, directory=None
    )
    assert "7001" in told[IMAGE_KINDS[kind].variable]
    assert any(WORD in value for value in told.values())


@pytest.mark.parametrize(
    ("kind", "image", "said"),
    [
        ("postgres", {"port": 1}, "image: postgres does not run from one"),
        ("image", {}, "image.reference: required"),
        ("image", {"reference": "a"}, "image.port: required"),
        ("image", {"reference": "a", "port": 70000}, "image.port: not a port"),
        ("mariadb", {"reference": "A B"}, "not an image reference"),
        ("mariadb", {"dataPath": "relative"}, "image.dataPath"),
        ("mariadb", {"variables": {"1X": "y"}}, "image.variables: '1X'"),
    ],
)
def test_what_an_image_cannot_be_is_refused_by_name(kind: str, image: Json, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        choose_kind(kind, image)


def test_braces_of_an_address_that_are_not_places_stay() -> None:
    kind = choose_kind("image", {"reference": "a", "port": 9, "url": "x://{host}?a={1}&p={port}"})
    told = kind.variables("URL", role="r", secret=WORD, port=5, directory=None)
    assert told == {"URL": "x://{host}?a={1}&p=5"}
