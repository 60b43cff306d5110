"""What BuildKit says of a build: records of protobuf in the stream of the engine's API.

Their messages are `StatusResponse` of
https://github.com/moby/buildkit/blob/master/api/services/control/control.proto; a few fields are
read, and what is not known is passed over.
"""

import base64
from collections.abc import Iterator

_VERTEX, _LOG = 1, 3
_VERTEX_DIGEST, _VERTEX_NAME, _VERTEX_ERROR = 1, 3, 7
_LOG_BYTES = 4
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class BuildTrace:
    """Reads the records of one build."""

    def __init__(self) -> None:
        self._named: set[bytes] = set()

    def lines(self, record: str) -> Iterator[str]:
        """The lines that one record stands for: a step that begins or fails, or what it printed.

        Args:
            record: Base64, as the engine sends it.
        """
        for number, part in _fields(base64.b64decode(record)):
            if isinstance(part, int):
                continue
            found = dict(reversed(list(_fields(part))))
            if number == _VERTEX:
                yield from self._describe_step(found)
            elif number == _LOG:
                yield from _text(found.get(_LOG_BYTES)).splitlines()

    def _describe_step(self, found: dict[int, int | bytes]) -> Iterator[str]:
        digest, name = found.get(_VERTEX_DIGEST), _text(found.get(_VERTEX_NAME))
        if isinstance(digest, bytes) and digest not in self._named and name:
            self._named.add(digest)
            yield name
        if _VERTEX_ERROR in found:
            yield f"ERROR: {_text(found[_VERTEX_ERROR])}"


def _text(value: int | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; the rest is passed over where it cannot be read."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif kind == _BYTES:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    return value, at
