"""Which images a Dockerfile takes files from."""

import pytest

from createos_mcp.platform.engines.base_references import bases_of, foreign_frontend

CASES = {
    "one": ("FROM node:22\n", ["docker.io/library/node:22"]),
    "a stage is none": ("FROM a:1 AS one\nFROM one\n", ["docker.io/library/a:1"]),
    "nor is an empty one": ("FROM scratch\nCOPY . .\n", []),
    "flags": ("from --platform=linux/amd64 r.io/a:1 as x\n", ["r.io/a:1"]),
    "an argument": ("ARG V=1\nFROM r.io/a:$V\n", ["r.io/a:1"]),
    "one that is given": ("ARG BASE=x\nFROM ${BASE}\n", ["r.io/given:2"]),
    "a default": ("ARG A\nFROM ${A:-r.io/b:1}\n", ["r.io/b:1"]),
    "an alternative": ("ARG A=1\nFROM r.io/a${A:+-slim}\n", ["r.io/a-slim:latest"]),
    "one of another": ('ARG R="r.io"\nARG A=$R/a:1\nFROM $A\n', ["r.io/a:1"]),
    "over two lines": ("FROM \\\n  r.io/a:1\n", ["r.io/a:1"]),
    "what is copied": ("FROM scratch\nCOPY --from=r.io/a:1 /x /x\n", ["r.io/a:1"]),
    "what is mounted": (
        "FROM scratch\nRUN --mount=type=bind,from=r.io/a:1,target=/x true\n",
        ["r.io/a:1"],
    ),
    "stages by name and number": (
        "FROM scratch AS build\nFROM scratch\nCOPY --from=build /x /\nCOPY --from=0 /y /\n",
        [],
    ),
    "a comment is none": ("FROM scratch\n# COPY --from=r.io/a:1 / /\n", []),
    "nor one that ends in a backslash": ("# x \\\nFROM r.io/a:1\n", ["r.io/a:1"]),
    "one within an instruction": ("FROM \\\n# c\n\n r.io/a:1\n", ["r.io/a:1"]),
    "a mark at the beginning": ("\ufeffFROM r.io/a:1\n", ["r.io/a:1"]),
    "several arguments": ("ARG A=1 B=r.io/b:1\nFROM $B\n", ["r.io/b:1"]),
    "a flag of a program": ("FROM scratch\nRUN uvx --from=httpie http\n", []),
    "the Hub's other name": ("FROM index.docker.io/a:1\n", ["docker.io/library/a:1"]),
    "no variable that is unknown": ("FROM $NOWHERE\n", []),
    "an argument of a stage": ("FROM r.io/a:1\nARG V=2\nFROM r.io/b:$V\n", ["r.io/a:1"]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_they_are(text: str, expected: list[str]) -> None:
    found = bases_of(text, {"BASE": "r.io/given:2"})
    assert [f"{one.registry}/{one.repository}:{one.tag}" for one in found] == expected


def test_arguments_that_grow_without_end_are_cut() -> None:
    lines = ["ARG A0=xxxxxxxxxx", *(f"ARG A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 40))]
    assert bases_of("\n".join([*lines, "FROM $A39"]), {}) != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a\n", None),
        ("# syntax = docker.io/docker/dockerfile-upstream:master\nFROM a\n", None),
        ("# the syntax of this file\nFROM a\n", None),
        ("\ufeff#syntax=r.io/other\nFROM a\n", "r.io/other"),
        ("# check=skip=all\n# SYNTAX=docker/dockerfiles\n", "docker/dockerfiles"),
        ("// syntax=r.io/other\n", "r.io/other"),
        ('{\n"syntax": "r.io/other"}\n', "a program that reads JSON"),
        ("# a=b\n" * 99 + "#syntax=r.io/other\n", "r.io/other"),
        ("FROM a\n# syntax=r.io/other\n", None),
    ],
)
def test_another_program_that_is_to_read_a_dockerfile_is_seen(
    text: str, expected: str | None
) -> None:
    assert foreign_frontend(text) == expected
