"""What clients' configurations were before the server was put into them.

One copy for each file, apart from the file: it may lie in a directory that others see, or that is
kept in a repository. With it a removal brings back every byte, as long as nobody else has changed
the file since.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigBackup:
    """A file without the server, and what was written to it then."""

    file: str
    existed: bool
    before: str
    after: str
    """Digest of the text with the server."""


class ConfigBackups:
    """The copies, below a directory that its owner alone can read.

    Args:
        directory: Made when it is first written to.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, file: Path, before: str, after: str, *, had_server: bool) -> Path:
        """Keep the text of a file before it gets a new one; the copy is named by its date.

        Args:
            file: The configuration.
            before: Its text.
            after: The text with the server.
            had_server: Whether the text before had the server, too: then the copy of the one
                before that goes on counting, and without such a copy nothing can be brought back.
        """
        known = self.find(file, before) if had_server else None
        renewed = ConfigBackup(
            file=str(file),
            existed=known.existed if known else file.exists(),
            before=known.before if known else before,
            after=_digest(after) if known or not had_server else "",
        )
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        former = self._of(file)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        place = self._directory / f"{_name(file)}.{stamp}.json"
        place.touch(mode=0o600)
        place.write_text(json.dumps(asdict(renewed), ensure_ascii=False))
        for old in former:
            if old != place:
                old.unlink()
        return place

    def find(self, file: Path, text: str) -> ConfigBackup | None:
        """What a file was before it became this text; None where that is not known."""
        for place in self._of(file):
            try:
                found = ConfigBackup(**json.loads(place.read_text()))
            except (OSError, ValueError, TypeError):
                continue
            if found.after == _digest(text):
                return found
        return None

    def _of(self, file: Path) -> list[Path]:
        return sorted(self._directory.glob(f"{_name(file)}.*.json"))


def _name(file: Path) -> str:
    """The file's own name, and letters that tell it from others of that name."""
    return f"{file.name}.{_digest(str(file))[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
