"""What is handed to a child by an open descriptor; needs the standard library only."""

import os


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
