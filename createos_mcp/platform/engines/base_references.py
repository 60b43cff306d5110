"""Images that a Dockerfile takes files from, as far as reading it tells.

What it tells is which credentials a build may need. Who may have which image is the registry's to
say, and not ours to read: BuildKit has more ways to name an image than are read here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from createos_mcp.platform.engines.image_references import MAX_CHARACTERS, ImageReference
from createos_mcp.platform.errors import InvalidRequestError

_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::(?P<how>[-+])(?P<word>[^}]*))?\})")
_CONTINUED = re.compile(r"\\[ \t]*\n")
_MAX_LINE = 4096
_COMMENT = "#"

_DIRECTIVES = (_COMMENT, "//")
_SYNTAX = re.compile(r"(?:#|//)\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
_OFFICIAL = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@]\S*)?")


def bases_of(text: str, given: Mapping[str, str]) -> list[ImageReference]:
    """The images of a Dockerfile, each once.

    Args:
        text: The Dockerfile.
        given: Its build arguments, of which some may name an image.
    """
    return list(dict.fromkeys(_parsed(_named_in(text, given))))


def foreign_frontend(text: str) -> str | None:
    """The image that a Dockerfile has itself built by, unless that is BuildKit's own.

    https://docs.docker.com/build/buildkit/frontend/
    """
    content = text.lstrip("\ufeff").lstrip()
    if content.startswith("{"):
        return "a program that reads JSON"
    for line in content.splitlines():
        if line.strip() and not line.lstrip().startswith(_DIRECTIVES):
            return None
        found = _SYNTAX.match(line.lstrip()[:_MAX_LINE])
        if found is not None and not _OFFICIAL.fullmatch(found[1]):
            return found[1]
    return None


def _parsed(names: Iterator[str]) -> Iterator[ImageReference]:
    for name in names:
        with suppress(InvalidRequestError):
            yield ImageReference.parse(name)


def _instructions(text: str) -> Iterator[list[str]]:
    """The words of each, without comments, which may stand within one."""
    lines = (line for line in text.lstrip("\ufeff").splitlines() if line.strip())
    kept = "\n".join(line for line in lines if not line.lstrip().startswith(_COMMENT))
    for line in _CONTINUED.sub("", kept).splitlines():
        if len(line) <= _MAX_LINE:
            yield line.split()


def _named_in(text: str, given: Mapping[str, str]) -> Iterator[str]:
    stages = {"scratch"}
    known: dict[str, str] = {}
    has_begun = False
    for name, *words in filter(None, _instructions(text)):
        kind = name.upper()
        if kind == "ARG" and not has_begun:
            for word in words:
                argument, _, value = word.partition("=")
                value = given.get(argument, value.strip("\"'"))
                known[argument] = _expanded(value, known)
        elif kind == "FROM":
            has_begun = True
            image, *more = [word for word in words if not word.startswith("--")] or [""]
            image = _expanded(image.strip("\"'"), known)
            if image.lower() not in stages:
                yield image
            stages.update(word.lower() for word in more[1:2])
        else:
            taken = (one.strip("\"'") for one in _taken_by(kind, words))
            yield from (one for one in taken if one.lower() not in stages and not one.isdecimal())


def _taken_by(kind: str, words: Sequence[str]) -> Iterator[str]:
    """Of `COPY --from=nginx /etc/nginx /` and `RUN --mount=from=nginx,target=/n true`."""
    for word in words:
        flag, _, value = word.partition("=")
        if not flag.startswith("--"):
            return
        if kind in {"COPY", "ADD"} and flag == "--from":
            yield value
        if kind == "RUN" and flag == "--mount":
            parts = (part.partition("=") for part in value.split(","))
            yield from (image for key, _, image in parts if key == "from")


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """With its variables, as https://docs.docker.com/reference/dockerfile/#environment-replacement."""

    def told(found: re.Match[str]) -> str:
        has = known.get(found["plain"] or found["name"], "")
        word = (found["word"] or "")[:MAX_CHARACTERS]
        return (word if has else "") if found["how"] == "+" else has or word

    return _VARIABLE.sub(told, value[:MAX_CHARACTERS])[:MAX_CHARACTERS]
