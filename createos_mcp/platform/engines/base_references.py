"""Images that a Dockerfile takes files from: what its stages begin with, and what is copied."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.errors import InvalidRequestError

_ARGUMENT = re.compile(r"^\s*ARG\s+(?P<name>\w+)(?:=(?P<value>\S*))?", re.IGNORECASE)
_FROM = re.compile(
    r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE
)
"""https://docs.docker.com/reference/dockerfile/#from"""

_TAKEN = re.compile(r"\s--(?:from=|mount=(?:\S*,)?from=)(?P<image>[^\s,]+)", re.IGNORECASE)
"""Of `COPY --from=nginx /etc/nginx` and `RUN --mount=from=nginx,target=/n`."""

_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<how>[-+])(?P<word>[^}]*))?\})")
_CONTINUED = re.compile(r"[\\`][ \t]*\n")


def bases_of(text: str, given: Mapping[str, str]) -> list[ImageReference]:
    """The images of a Dockerfile, each once.

    Args:
        text: The Dockerfile.
        given: Its build arguments, of which some may name an image.
    """
    return list(dict.fromkeys(_parsed(_named_in(text, given))))


def _parsed(names: Iterator[str]) -> Iterator[ImageReference]:
    for name in names:
        with suppress(InvalidRequestError):
            yield ImageReference.parse(name)


def _named_in(text: str, given: Mapping[str, str]) -> Iterator[str]:
    stages = {"scratch"}
    known: dict[str, str] = {}
    count = 0
    for line in _CONTINUED.sub("", text).splitlines():
        argument, begun = _ARGUMENT.match(line), _FROM.match(line)
        if argument is not None and not count:
            value = given.get(argument["name"], argument["value"] or "")
            known[argument["name"]] = _expanded(value.strip("\"'"), known)
        if begun is None:
            named = [found["image"].strip("\"'") for found in _TAKEN.finditer(line)]
            yield from (one for one in named if one.lower() not in stages and not one.isdecimal())
            continue
        count += 1
        image = _expanded(begun["image"].strip("\"'"), known)
        if image.lower() not in stages:
            yield image
        stages.add(str(begun["stage"]).lower())


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """With its variables, as https://docs.docker.com/reference/dockerfile/#environment-replacement."""

    def told(found: re.Match[str]) -> str:
        name = found["plain"] or found["name"]
        has = known.get(name, "")
        if found["how"] == "+":
            return _expanded(found["word"], known) if has else ""
        return has or _expanded(found["word"] or "", known)

    return _VARIABLE.sub(told, value)
