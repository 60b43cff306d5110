"""What the workers of one address share: a directory with what is theirs together."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "createos-workers-"
_HELD = "held"
"""Locked as long as any process of the address runs."""
_YOUNG_S = 60.0
"""One that was made a moment ago may not be locked yet."""

_MEMBER = "_CREATEOS_WORKER"
"""Tells a worker that it is one, and the directory."""

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Of prometheus_client: https://prometheus.github.io/client_python/multiprocess/."""


class WorkerDirectory:
    """The places in it.

    Attributes:
        once: What was used and must not be used again, by any of them.
        figures: What each of them counted; all of it is added up.
        held: The descriptor of the lock, which each of them inherits.
    """

    def __init__(self, path: Path, held: int = -1) -> None:
        self._path = path
        self.held = held
        self.once = path / "once"
        self.figures = path / "metrics"

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs in its environment to share this."""
        return {_MEMBER: str(self._path), _METRICS: str(self.figures)}


@contextmanager
def new_worker_directory(root: Path) -> Iterator[WorkerDirectory]:
    """A directory below a root that is gone afterwards, as are those that killed processes left."""
    for left in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_unless_held(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=root) as made:
        path = Path(made)
        held = os.open(path / _HELD, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield WorkerDirectory(path, held)
        finally:
            os.close(held)


def _remove_unless_held(left: Path) -> None:
    """Remove it where it is this user's and no process has it.

    Raises:
        OSError: It is held, or somebody else's.
    """
    directory = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or time.time() - found.st_mtime < _YOUNG_S:
            return
        held = os.open(_HELD, os.O_RDWR | os.O_NOFOLLOW, dir_fd=directory)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(held)
    finally:
        os.close(directory)


def own_worker_directory(environ: Mapping[str, str]) -> WorkerDirectory | None:
    """What this process shares with other workers; None where it serves alone."""
    given = environ.get(_MEMBER)
    return WorkerDirectory(Path(given)) if given else None
