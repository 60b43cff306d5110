"""Key files: new secrets on disk, where only their owner reads them."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from createos_mcp.contract.errors import KeyFileError
from createos_mcp.contract.values import MASK, Json

# The name of a key becomes part of a file name.
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_OWNER_ONLY = 0o600
_OWNER_DIRECTORY = 0o700


class KeyFile:
    """One new file; it is there before the secret is made, so that none is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, data: Json, members: tuple[str, ...]) -> Json:
        """Write the secrets of an answer down, and hand back the answer with the file in place.

        `{"id": "k1", "secret": "skp_..."}` becomes
        `{"id": "k1", "secret": "********", "secretFile": "/home/me/.../ci-bot.key"}`.
        """
        if not isinstance(data, Mapping):
            return data
        held = {name: data[name] for name in members if isinstance(data.get(name), str)}
        if not held:
            return data
        self._path.write_text("".join(f"{secret}\n" for secret in held.values()))
        return {**data, **dict.fromkeys(held, MASK), "secretFile": str(self._path)}


@contextmanager
def key_file(directory: Path, name: str) -> Iterator[KeyFile]:
    """A new file in a directory of the user; it is removed again when nothing was written.

    Args:
        directory: Made when it is missing, for its owner alone.
        name: What the secret is called; part of the file's name.

    Raises:
        KeyFileError: The file cannot be made.
    """
    try:
        directory.mkdir(mode=_OWNER_DIRECTORY, parents=True, exist_ok=True)
        path = _create_key_file(directory, _UNSAFE.sub("-", name)[:64] or "key")
    except OSError as error:
        raise KeyFileError(str(directory), error.strerror or str(error)) from error
    try:
        yield KeyFile(path)
    finally:
        if not path.stat().st_size:
            path.unlink()


def _create_key_file(directory: Path, name: str) -> Path:
    """The first free name; a file that is there is never written to, nor a link followed."""
    number = 1
    while True:
        path = directory / (f"{name}.key" if number == 1 else f"{name}-{number}.key")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
        except FileExistsError:
            number += 1
        else:
            return path
