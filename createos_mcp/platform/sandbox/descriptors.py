"""Descriptors: of places, and what is handed to a child by one; needs the standard library only."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def opened_place(place: str) -> Iterator[int]:
    """A descriptor of a place, for as long as the block runs; no link in the place is followed.

    Raises:
        OSError: There is nothing, or a link.
    """
    directory, name = os.path.split(place)
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        yield found
    finally:
        os.close(found)


def is_open(descriptor: int) -> bool:
    """Whether there is something at a descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def lay_down(content: bytes, descriptor: int) -> None:
    """Put a text where the child finds it, at a descriptor that has no name."""
    made = os.memfd_create("createos")
    os.write(made, content)
    os.lseek(made, 0, os.SEEK_SET)
    os.dup2(made, descriptor)
    if made != descriptor:
        os.close(made)


def read_descriptor(descriptor: int) -> bytes:
    """All that was laid down there."""
    with open(f"/proc/self/fd/{descriptor}", "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        return file.read()
