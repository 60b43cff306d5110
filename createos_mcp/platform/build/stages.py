"""Stages of a build: several scripts in one sandbox, told apart in what they print.

One start of a sandbox for all of them: for a small app it takes longer than the build.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from createos_mcp.platform.build.build_command import OnLines, bounded

BuildLog: TypeAlias = Callable[[str, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One of them."""

    name: str
    """What its lines are logged as, `install`."""
    script: str
    """For the shell; it exits when something fails."""
    command: str
    """What it runs for a reader."""
    folder: str | None = None
    """What it looks for, where that is all it does."""


class Stages:
    """Takes what the stages print, one after the other, and knows which one runs."""

    def __init__(self, stages: Sequence[Stage], log: BuildLog) -> None:
        self._stages = stages
        self._log = log
        # An app that prints it mislabels its own log, and nothing else.
        self._mark = f"stage-{secrets.token_hex(16)}"
        self._at = 0
        self._hand_on = self._bounded()

    @property
    def current(self) -> Stage:
        """The one that runs, or ran last."""
        return self._stages[self._at]

    @property
    def script(self) -> str:
        """All of them for the shell."""
        announce = f"\nprintf '%s\\n' {self._mark}\n"
        return announce.join(stage.script for stage in self._stages)

    async def take(self, lines: Sequence[str]) -> None:
        """Log lines as those of the stage that printed them."""
        shown: list[str] = []
        for line in lines:
            if not line.endswith(self._mark) or self._at + 1 == len(self._stages):
                shown.append(line)
                continue
            unfinished = line.removesuffix(self._mark)
            await self._hand_on([*shown, unfinished] if unfinished else shown)
            shown = []
            self._at += 1
            self._hand_on = self._bounded()
        await self._hand_on(shown)

    def _bounded(self) -> OnLines:
        return bounded(partial(self._log, self.current.name))
