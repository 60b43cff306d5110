"""What engines of images have in common: logs that are followed, relays, and commands run once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.steps import Finished
from createos_mcp.platform.engines.container_logs import FollowedLogs, in_own_log, take_lines
from createos_mcp.platform.engines.container_relays import ContainerRelays
from createos_mcp.platform.errors import EngineAwayError, EngineRefusedError, StartFailedError
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.paths import DataDir


class ImageEngine(ABC):
    """Runs image releases; an async context manager."""

    def __init__(self, data_dir: DataDir, logs: FollowedLogs) -> None:
        self._data_dir = data_dir
        self._logs = logs
        self._relays: dict[str, ContainerRelays] = {}
        self._out_of_memory: set[str] = set()
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        ended = await self._tasks.__aexit__(kind, error, traceback)
        self._logs.close()
        with anyio.CancelScope(shield=True):
            await self._close()
        return ended

    @abstractmethod
    async def _close(self) -> None:
        """Let go of what an engine has besides, once nothing is looked after any more."""

    @property
    def own_network(self) -> bool:
        """No two replicas share ports."""
        return True

    def was_out_of_memory(self, instance: Instance) -> bool:
        """Whether it was ended because it used more than its memory, as far as that is told."""
        return instance.replica_id in self._out_of_memory

    async def begin(self, spec: LaunchSpec) -> Instance:
        """Start a replica; whether it serves is found out by asking it.

        Raises:
            StartFailedError: The engine does not start it, or does not answer.
        """
        try:
            return await self._start(spec, command=None)
        except (EngineRefusedError, EngineAwayError) as error:
            raise StartFailedError(f"The container could not be started: {error}") from error

    async def run_once(
        self, spec: LaunchSpec, command: tuple[str, ...], *, on_lines: OnLines
    ) -> Finished:
        """Run a command to its end in a container of its own.

        Raises:
            OSError: It could not be started.
        """
        spec = in_own_log(spec, self._data_dir)
        instance = None
        try:
            instance = await self._start(spec, command=command)
            code = await self.wait(instance)
            return Finished(exit_code=code, was_out_of_memory=self.was_out_of_memory(instance))
        except (EngineRefusedError, EngineAwayError, StartFailedError) as error:
            raise ConnectionError(str(error)) from error
        finally:
            if instance is not None:
                with anyio.CancelScope(shield=True):
                    await self.end(instance, grace_s=0)
                await on_lines(await to_thread.run_sync(take_lines, spec.log_file))

    @abstractmethod
    async def _start(self, spec: LaunchSpec, *, command: Sequence[str] | None) -> Instance:
        """Start a replica, or a command in its place.

        Raises:
            EngineRefusedError: The engine said no.
            EngineAwayError: It does not answer.
            StartFailedError: It cannot be started; the sentence says why.
        """

    @abstractmethod
    async def wait(self, instance: Instance) -> int:
        """The exit code of a replica, once it has ended."""

    @abstractmethod
    async def end(self, instance: Instance, *, grace_s: float) -> None:
        """End a replica, once all that it printed is kept."""

    async def _forget(self, instance: Instance) -> None:
        """Let go of what there is of a replica that has ended."""
        relays = self._relays.pop(instance.replica_id, None)
        if relays is not None:
            await to_thread.run_sync(relays.end)
        self._out_of_memory.discard(instance.replica_id)
        await self._logs.forget(instance)
