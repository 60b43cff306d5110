"""What every engine does for one replica; the rest is the same for all of them."""

import socket
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.steps import Finished
from createos_mcp.platform.models import Instance, LaunchSpec


class Engine(Protocol):
    """Starts replicas, finds them again, and ends them; it restarts none by itself."""

    @property
    def own_network(self) -> bool:
        """Whether each replica listens in a network of its own, so that no ports collide."""

    async def begin(self, spec: LaunchSpec) -> Instance:
        """Start a replica; whether it serves is found out by asking it.

        Raises:
            StartFailedError: It cannot be started.
        """

    async def adopt(self, instance: Instance, log_file: Path) -> Instance | None:
        """The same replica if it still runs, whatever became of the platform meanwhile.

        Args:
            instance: As it was written down.
            log_file: Where what it prints belongs.
        """

    async def end_strays(self, replica_ids: Collection[str]) -> None:
        """End whatever is left of replicas that nobody looks after any more."""

    async def is_running(self, instance: Instance) -> bool:
        """Whether it runs; one whose engine does not answer is not taken to have ended."""

    async def wait(self, instance: Instance) -> int:
        """The exit code of a replica, once it has ended."""

    async def end(self, instance: Instance, *, grace_s: float) -> None:
        """End a replica and all that it started; nothing of it is left when this returns."""

    async def ports(self, instance: Instance) -> Sequence[int]:
        """TCP ports that it listens on; none while that cannot be found out."""

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to its network.

        Raises:
            OSError: It has ended, or cannot be reached.
        """

    def was_out_of_memory(self, instance: Instance) -> bool:
        """Whether it was ended because it used more than its memory."""

    async def last_words(self, instance: Instance) -> list[str]:
        """What the engine says of one that printed nothing; all that it printed is kept then."""

    async def run_once(
        self, spec: LaunchSpec, command: tuple[str, ...], *, on_lines: OnLines
    ) -> Finished:
        """Run a command to its end where the app runs: files, variables, limits and network.

        Raises:
            OSError: It could not be started.
        """
