"""A configuration file of another program: read as it is, replaced whole or not at all."""

import os
import stat
import tempfile
from pathlib import Path

from createos_mcp.contract.errors import ConfigFileError

_OWNER_ONLY = 0o600
"""Mode of a new file; such files hold other people's keys."""

_BOM = "\ufeff"


def read_config(path: Path) -> str:
    """The text of a file, with its own line ends; empty when there is none.

    Raises:
        ConfigFileError: It cannot be read as text.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        reason = "not UTF-8; save it as UTF-8"
        raise ConfigFileError(str(path), reason, line) from error
    except OSError as error:
        raise ConfigFileError(str(path), f"cannot be read: {error.strerror}") from error


def split_bom(text: str) -> tuple[str, str]:
    """The mark that Windows editors put before UTF-8, and the text that follows it."""
    return (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)


def is_read_only(path: Path) -> bool:
    """Whether its owner has made a file unwritable."""
    target = path.resolve()
    return target.exists() and not target.stat().st_mode & stat.S_IWUSR


def replace_config(path: Path, before: str, after: str | None) -> None:
    """Put a new text in place of a file.

    A link goes on leading to its file, which keeps its mode. Readers see the old text or the new
    one, never a part.

    Args:
        path: The file, or a link to it; missing directories are made.
        before: What the file has to hold still; empty when it must not exist.
        after: The new text; None for no file.

    Raises:
        ConfigFileError: It cannot be written, or has changed since it was read.
    """
    target = path.resolve()
    if read_config(target) != before:
        reason = "changed in the meantime; run the command again"
        raise ConfigFileError(str(path), reason)
    try:
        if after is None:
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace_file(target, after)
    except OSError as error:
        raise ConfigFileError(str(path), f"cannot be written: {error.strerror}") from error


def _replace_file(target: Path, text: str) -> None:
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else _OWNER_ONLY
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
