"""Relays of containers: each container's ports that lead to the sockets of its services."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread

from createos_mcp.platform.engines.relay_process import READY
from createos_mcp.platform.errors import StartFailedError
from createos_mcp.platform.models import Way

NOBODY = 65534
_MODULE = "createos_mcp.platform.engines.relay_process"
_END_S = 5.0


class ContainerRelays:
    """The relays of one container, in a process that outlives the platform and ends with it.

    Args:
        ways: Where each port leads.
        uid: The kernel's user that carries them; None for nobody in particular.
        outlet: A socket of the machine, and address and port in the container's network that it
            leads to; None for none.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        uid: int | None,
        outlet: tuple[Path, str, int] | None = None,
    ) -> None:
        places = json.dumps(
            [
                [way.port, str(way.socket), str(way.certificate or ""), str(way.handover or "")]
                for way in ways
            ]
        )
        user = str(uid if uid is not None else NOBODY)
        out = json.dumps([str(outlet[0]), *outlet[1:]] if outlet is not None else None)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, places, user, out],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    async def enter(self, pid: int) -> None:
        """Listen in the network of a process, from now on and as long as it runs.

        Raises:
            StartFailedError: They cannot.
        """
        said = await to_thread.run_sync(self._ask, pid)
        # A container that has ended already needs none; how it ended is told by who waits for it.
        if said != READY and Path(f"/proc/{pid}/ns").exists():
            raise StartFailedError(f"The container's services are not reached: {said}")

    def _ask(self, pid: int) -> str:
        # Both ends of its pipes are closed: it has nothing more to say or to hear.
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("both streams are piped")
        with self._process.stdin as stdin, self._process.stdout as stdout:
            stdin.write(f"{pid}\n")
            stdin.flush()
            return stdout.readline().strip()

    def end(self) -> None:
        """End them; where the container has ended, they have."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
