"""Starts a replica on its engine, finds the port it listens on, finds it again, and ends it."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

import anyio
from anyio import to_thread

from createos_mcp.contract.platform_settings import SWARM
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.steps import Finished
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.engine import Engine
from createos_mcp.platform.engines.instances import from_json
from createos_mcp.platform.errors import (
    AppExitedError,
    AppNeverListenedError,
    AppOutOfMemoryError,
    AppUnhealthyError,
    ReleaseCommandError,
)
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.run.health import FIRST_ERROR, request_status
from createos_mcp.platform.sandbox.addresses import free_port
from createos_mcp.platform.sandbox.app_logs import last_lines

BuildLog: TypeAlias = Callable[[str, Sequence[str]], Awaitable[None]]


class Attach(Protocol):
    """Adds to what is started the services that it is bound to, and its volumes."""

    async def __call__(self, spec: LaunchSpec, *, is_command: bool) -> LaunchSpec:
        """The same with more; a command is one that runs once, and not the app itself.

        Raises:
            StartFailedError: It cannot have what it is bound to.
        """


LOG_STAGE, RELEASE_STAGE = "deploy", "release"
LAST_LINES = 20
FIRST_POLL_S = 0.005
LAST_POLL_S = 0.1
OTHER_PORT_AFTER_S = 0.3
"""How long a port other than PORT must be there alone before it is taken for the app's."""
DEBUGGERS = frozenset({5678, 9229, 9230})
"""Ports of debugpy and of Node's inspector: an app that has one open may not serve yet."""
PROBE_TIMEOUT_S = 1.0

_PORT_TAKEN = re.compile("EADDRINUSE|address already in use", re.IGNORECASE)

SHARED_PORTS = (
    "Without bubblewrap all apps share this machine's ports: let the app listen on the port in "
    "PORT, or install bubblewrap."
)

PORT_POLL_S = 0.5


class Runner:
    """Runs replicas, those of files as processes and those of images as containers.

    Args:
        processes: Runs files.
        containers: Runs images.
        services: Runs images on a swarm, where that is chosen.
    """

    def __init__(
        self, *, config: PlatformConfig, processes: Engine, containers: Engine, services: Engine
    ) -> None:
        self._processes = processes
        self._containers = containers
        self._services = services
        self._runs_on_swarm = config.engine == SWARM
        self.attach: Attach = _attach_nothing
        self._start_timeout_s = config.start_timeout_s
        self._stop_timeout_s = config.stop_timeout_s
        self._steady_s = config.worker_steady_s
        self._release_timeout_s = config.build_timeout_s

    def _engine_for(self, spec: LaunchSpec) -> Engine:
        if not isinstance(spec.release, ImageRelease):
            return self._processes
        return self._services if self._runs_on_swarm else self._containers

    def _engine_of(self, instance: Instance) -> Engine:
        if instance.service_id:
            return self._services
        return self._containers if instance.container_id else self._processes

    async def start(self, spec: LaunchSpec, *, log: BuildLog) -> Instance:
        """Start an app and return once its port answers, or a worker has run for long enough.

        Raises:
            AppExitedError: It ended before that; its last lines are in the log.
            AppNeverListenedError: It ran into the time limit and was ended.
        """
        engine = self._engine_for(spec)
        if not engine.own_network:
            spec = replace(spec, port=free_port())
        spec = await self.attach(spec, is_command=False)
        started = anyio.current_time()
        instance = await engine.begin(spec)
        try:
            if spec.release.worker:
                return await self._until_it_is_steady(instance)
            return await self._until_it_answers(instance, spec)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                try:
                    await self._explain(error, spec, log, instance, started)
                    out_of_memory = self.out_of_memory(instance)
                finally:
                    await engine.end(instance, grace_s=0)
            if out_of_memory and isinstance(error, AppExitedError):
                raise AppOutOfMemoryError(error.exit_code) from error
            raise

    async def prepare(self, spec: LaunchSpec, *, log: BuildLog) -> None:
        """Run what a release runs once before it takes over, with the variables of the app.

        Raises:
            ReleaseCommandError: It failed or took too long; its output is in the log.
        """
        command = spec.release.before[-1].removeprefix("exec ")
        await log(RELEASE_STAGE, [f"$ {command}"])
        try:
            with anyio.fail_after(self._release_timeout_s):
                done = await self.run_once(
                    spec, spec.release.before, on_lines=lambda lines: log(RELEASE_STAGE, lines)
                )
        except TimeoutError as error:
            minutes = self._release_timeout_s / 60
            problem = f"did not finish within {minutes:g} minutes"
            raise ReleaseCommandError(command, problem) from error
        except OSError as error:
            raise ReleaseCommandError(command, f"could not be started ({error})") from error
        if done.was_out_of_memory:
            raise ReleaseCommandError(command, f"used more than {spec.memory_mb} MB of memory")
        if done.exit_code:
            raise ReleaseCommandError(command, f"exited with {done.exit_code}")

    async def run_once(
        self, spec: LaunchSpec, command: tuple[str, ...], *, on_lines: OnLines
    ) -> Finished:
        """Run a command to its end where an app runs: its files, variables, limits and network.

        Args:
            spec: The app's; its `replica_id` is not in use.
            command: Program and arguments.
            on_lines: Told what it prints.

        Raises:
            OSError: It could not be started.
        """
        attached = await self.attach(spec, is_command=True)
        return await self._engine_for(spec).run_once(attached, command, on_lines=on_lines)

    async def adopt(self, written: Mapping[str, Json], log_file: Path) -> Instance | None:
        """The running replica that `to_json` wrote down, or None when it has ended."""
        instance = from_json(written)
        return await self._engine_of(instance).adopt(instance, log_file)

    async def end_strays(self, replica_ids: Collection[str]) -> None:
        """End whatever is left of replicas that nobody looks after any more."""
        await self._processes.end_strays(replica_ids)
        await self._containers.end_strays(replica_ids)
        await self._services.end_strays(replica_ids)

    async def opens(self, instance: Instance, port: int, within_s: float) -> bool:
        """Whether an app comes to answer on a port; never where its network is the machine's."""
        if not self._engine_of(instance).own_network:
            return False
        with anyio.move_on_after(within_s):
            while not await self._connects(instance, port):  # noqa: ASYNC110 - it sends no event
                await anyio.sleep(PORT_POLL_S)
            return True
        return False

    async def wait(self, instance: Instance) -> int:
        """Return the app's exit code once it has ended."""
        return await self._engine_of(instance).wait(instance)

    async def stop(self, instance: Instance) -> None:
        """End an app and everything that it started; nothing of it is left when this returns."""
        await self._engine_of(instance).end(instance, grace_s=self._stop_timeout_s)

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to the app's network.

        Raises:
            OSError: The app has ended, or cannot be reached.
        """
        return await self._engine_of(instance).open_socket(instance, family)

    def out_of_memory(self, instance: Instance) -> bool:
        """Whether the app was ended because it used more than its memory."""
        return self._engine_of(instance).was_out_of_memory(instance)

    async def _until_it_is_steady(self, instance: Instance) -> Instance:
        with anyio.move_on_after(self._steady_s):
            exit_code = await self.wait(instance)
            when = f"within {self._steady_s:g} s; a worker goes on until it is stopped"
            raise AppExitedError(exit_code, when)
        return instance

    async def _until_it_answers(self, instance: Instance, spec: LaunchSpec) -> Instance:
        poll_s = FIRST_POLL_S
        started = anyio.current_time()
        timeout_s = spec.start_timeout_s or self._start_timeout_s
        seen = ""
        while anyio.current_time() - started < timeout_s:
            if not await self._engine_of(instance).is_running(instance):
                raise AppExitedError(await self.wait(instance))
            patient = anyio.current_time() - started > OTHER_PORT_AFTER_S
            port = await self._answering_port(instance, any_port=patient)
            if port is not None:
                found = replace(instance, port=port)
                seen = await self._is_unhealthy(found, spec.health_path)
                if not seen:
                    return found
            await anyio.sleep(poll_s)
            poll_s = min(poll_s * 1.5, LAST_POLL_S)
        if seen:
            raise AppUnhealthyError(str(spec.health_path), seen, timeout_s)
        raise AppNeverListenedError(instance.port, timeout_s)

    async def _is_unhealthy(self, instance: Instance, path: str | None) -> str:
        """What the health path did that is not healthy, `answered 503`; empty when it is."""
        if path is None:
            return ""
        for family, address in instance.hosts.items():
            with contextlib.suppress(OSError):
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    probe = await self.open_socket(instance, family)
                with probe:
                    probe.settimeout(0)
                    place = (address, instance.port)
                    async with asyncio.timeout(PROBE_TIMEOUT_S):
                        await asyncio.get_running_loop().sock_connect(probe, place)
                    status = await to_thread.run_sync(request_status, probe, path)
                return "" if status < FIRST_ERROR else f"answered {status}"
        return "did not answer"

    async def _answering_port(self, instance: Instance, *, any_port: bool) -> int | None:
        ports = await self._engine_of(instance).ports(instance)
        others = {*ports} - DEBUGGERS if any_port else set()
        wanted = [port for port in ports if port == instance.port or port in others]
        wanted.sort(key=lambda port: (port != instance.port, port))
        for port in wanted:
            if await self._connects(instance, port):
                return int(port)
        return None

    async def _connects(self, instance: Instance, port: int) -> bool:
        for family, address in instance.hosts.items():
            with contextlib.suppress(OSError), await self.open_socket(instance, family) as probe:
                probe.settimeout(0)
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(probe, (address, port))
                    return True
        return False

    async def _explain(
        self,
        error: BaseException,
        spec: LaunchSpec,
        log: BuildLog,
        instance: Instance,
        started: float,
    ) -> None:
        """Put the app's last words into the build log."""
        words = await self._engine_of(instance).last_words(instance)
        lines = last_lines(spec.log_file, anyio.current_time() - started, LAST_LINES)
        if isinstance(error, AppExitedError) and not lines:
            lines = words
        if self.out_of_memory(instance):
            lines.append(f"The app was killed: it used more than {spec.memory_mb} MB of memory.")
        shared = not self._engine_of(instance).own_network
        if shared and any(_PORT_TAKEN.search(line) for line in lines):
            lines.append(SHARED_PORTS)
        if lines:
            await log(LOG_STAGE, lines)


async def _attach_nothing(spec: LaunchSpec, *, is_command: bool) -> LaunchSpec:
    del is_command
    return spec
