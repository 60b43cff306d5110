"""What the workers of one address share: a directory with what is theirs together."""

from collections.abc import Mapping
from pathlib import Path

_MEMBER = "_CREATEOS_WORKER"
"""Tells a worker that it is one, and the directory."""

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Of prometheus_client: https://prometheus.github.io/client_python/multiprocess/."""


class WorkerDirectory:
    """The places in it.

    Attributes:
        once: What was used and must not be used again, by any of them.
        figures: What each of them counted; all of it is added up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.once = path / "once"
        self.figures = path / "metrics"

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs in its environment to share this."""
        return {_MEMBER: str(self._path), _METRICS: str(self.figures)}


def own_worker_directory(environ: Mapping[str, str]) -> WorkerDirectory | None:
    """What this process shares with other workers; None where it serves alone."""
    given = environ.get(_MEMBER)
    return WorkerDirectory(Path(given)) if given else None
