"""Retries: how an install command that failed for a known reason is run in another way."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """What is run in place of a command that failed."""

    command: str
    condition: str
    """For the shell: whether the command failed for that reason."""
    said: str
    """One line of the log."""


NPM_PEERS = Retry(
    command="npm install --legacy-peer-deps",
    condition='ls "${npm_config_logs_dir:-$HOME/.npm/_logs}"/*-eresolve-report.txt >/dev/null 2>&1',
    said="npm finds that versions contradict each other: installing what is named all the same.",
)
"""`legacy-peer-deps` of npm's settings: as it did up to version 6."""
