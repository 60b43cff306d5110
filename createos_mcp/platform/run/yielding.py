"""Lets apps that run into their limit of processor time go after those that do not."""

from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.platform.sandbox.cgroups import ControlGroup, Throttling

POLL_S = 1.0
AT_LIMIT, UNDER_LIMIT = 0.5, 0.1
"""Parts of the time in which an app had to wait for its limit."""


class Yielding:
    """Looks at each running app's control group, once a second."""

    def __init__(self, *, replica_ids: Callable[[], Iterable[str]], cgroup_root: Path) -> None:
        self._replica_ids = replica_ids
        self._cgroup_root = cgroup_root
        self._last: dict[str, Throttling] = {}
        self._yielding: set[str] = set()

    async def run(self) -> None:
        """Look for as long as the platform lives."""
        while True:
            await anyio.sleep(POLL_S)
            await to_thread.run_sync(self.look, list(self._replica_ids()))

    def look(self, replica_ids: Iterable[str]) -> None:
        """Let those at their limit yield, and those that are under it again do so no more."""
        seen: dict[str, Throttling] = {}
        for replica_id in replica_ids:
            group = ControlGroup(replica_id, self._cgroup_root)
            now = group.throttling()
            if now is None:
                continue
            seen[replica_id] = now
            share = now.share_since(self._last.get(replica_id, Throttling()))
            is_yielding = replica_id in self._yielding
            if share >= AT_LIMIT and not is_yielding and group.let_yield(yields=True):
                self._yielding.add(replica_id)
            elif share <= UNDER_LIMIT and is_yielding and group.let_yield(yields=False):
                self._yielding.discard(replica_id)
        self._last = seen
        self._yielding &= seen.keys()
