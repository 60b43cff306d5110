"""Starts an app in its sandbox, finds the port it listens on, finds it again, and ends it."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.steps import Finished, Steps
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import (
    AppExitedError,
    AppNeverListenedError,
    AppOutOfMemoryError,
    AppUnhealthyError,
    ReleaseCommandError,
    StartFailedError,
)
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.processes import ProcessId, kill_trees, pids_by_environ
from createos_mcp.platform.run.health import FIRST_ERROR, request_status
from createos_mcp.platform.run.instances import (
    exit_code_of,
    from_json,
    is_instance_running,
    kill_instance,
    wait_for_exit,
)
from createos_mcp.platform.sandbox import control
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.app_logs import last_lines
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.launches import TO_STARTER, Launch, launch_words, write_run_dir
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox

BuildLog: TypeAlias = Callable[[str, Sequence[str]], Awaitable[None]]

LOG_STAGE, RELEASE_STAGE = "deploy", "release"
LAST_LINES = 20
FIRST_POLL_S = 0.005
LAST_POLL_S = 0.1
OTHER_PORT_AFTER_S = 0.3
"""How long a port other than PORT must be there alone before it is taken for the app's."""
REAP_TIMEOUT_S = 5
PROBE_TIMEOUT_S = 1.0

_PORT_TAKEN = re.compile("EADDRINUSE|address already in use", re.IGNORECASE)

SHARED_PORTS = (
    "Without bubblewrap all apps share this machine's ports: let the app listen on the port in "
    "PORT, or install bubblewrap."
)

PORT_POLL_S = 0.5
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
APP_NICE = 5
"""The platform itself goes before apps, and apps before builds."""

GROUPED, WATCHED = "cgroup", "watched"
"""How memory is limited: by a control group, or where there is none by the launcher."""

REPLICA_ID = "REPLICA_ID"
"""Variable by which a replica's processes are found, wherever they went."""


class Runner:
    """Runs apps, each under a launcher of its own that outlives the platform."""

    def __init__(self, *, config: PlatformConfig, sandbox: Sandbox) -> None:
        self._data_dir = config.data_dir
        self._sandbox = sandbox
        self._start_timeout_s = config.start_timeout_s
        self._stop_timeout_s = config.stop_timeout_s
        self._steady_s = config.worker_steady_s
        self._release_timeout_s = config.build_timeout_s
        self._steps = Steps(config)
        self._cgroup_root = config.cgroup_root
        self._permitted = config.permitted_addresses
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    async def start(self, spec: LaunchSpec, *, log: BuildLog) -> Instance:
        """Start an app and return once its port answers, or a worker has run for long enough.

        Raises:
            AppExitedError: It ended before that; its last lines are in the log.
            AppNeverListenedError: It ran into the time limit and was ended.
        """
        if not self._sandbox.own_network:
            spec = replace(spec, port=_free_port())
        started = anyio.current_time()
        instance = await self._begin(spec)
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
                    await self._end(instance, grace_s=0)
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
        own = replace(spec, release=replace(spec.release, command=command))
        return await self._steps.run(
            f"release-{spec.replica_id}",
            environ=self._environ(own),
            limits=ResourceLimits(memory_mb=spec.memory_mb, cpu_millicores=spec.cpu_millicores),
            launch=lambda run_dir, group: replace(
                self._launch(own, run_dir, group), log=TO_STARTER, with_parent=True
            ),
            on_lines=on_lines,
        )

    async def _begin(self, spec: LaunchSpec) -> Instance:
        group = self._group(spec.replica_id)
        limits = ResourceLimits(memory_mb=spec.memory_mb, cpu_millicores=spec.cpu_millicores)
        try:
            limited = await to_thread.run_sync(group.create, limits)
            run_dir, process = await to_thread.run_sync(
                self._spawn, spec, group if limited else None
            )
        except OSError as error:
            await to_thread.run_sync(group.remove)
            raise StartFailedError(f"The app could not be started: {error}") from error
        return Instance(
            replica_id=spec.replica_id,
            process=ProcessId.of(process.pid),
            run_dir=run_dir,
            port=spec.port,
            isolation=self._sandbox.name,
            limits=GROUPED if limited else WATCHED,
        )

    async def adopt(self, written: Mapping[str, Json]) -> Instance | None:
        """The running replica that `to_json` wrote down, or None when it has ended."""
        instance = from_json(written)
        return instance if is_instance_running(instance) else None

    async def kill_orphans(self, replica_ids: Collection[str]) -> None:
        """End whatever is left of replicas that nobody looks after any more."""
        found = await to_thread.run_sync(pids_by_environ, REPLICA_ID)
        pids = [pid for replica_id in replica_ids for pid in found.get(replica_id, ())]
        await to_thread.run_sync(kill_trees, pids)
        for replica_id in replica_ids:
            group = self._group(replica_id)
            await to_thread.run_sync(group.kill)
            await to_thread.run_sync(group.remove)
            shutil.rmtree(self._data_dir.run(replica_id), ignore_errors=True)

    async def opens(self, instance: Instance, port: int, within_s: float) -> bool:
        """Whether an app comes to answer on a port; never where its network is the machine's."""
        if not self._sandbox.own_network:
            return False
        with anyio.move_on_after(within_s):
            while not await self._connects(instance, port):  # noqa: ASYNC110 - it sends no event
                await anyio.sleep(PORT_POLL_S)
            return True
        return False

    async def wait(self, instance: Instance) -> int:
        """Return the app's exit code once it has ended."""
        await wait_for_exit(instance)
        return exit_code_of(instance)

    async def stop(self, instance: Instance) -> None:
        """End an app and everything that it started; nothing of it is left when this returns."""
        await self._end(instance, grace_s=self._stop_timeout_s)

    async def _end(self, instance: Instance, *, grace_s: float) -> None:
        if is_instance_running(instance):
            with contextlib.suppress(OSError), anyio.move_on_after(grace_s):
                await control.ask_launcher(instance.run_dir, f"stop {grace_s}")
                await wait_for_exit(instance)
        await to_thread.run_sync(kill_instance, instance)
        group = self._group(instance.replica_id)
        await to_thread.run_sync(group.kill)
        await to_thread.run_sync(group.remove)
        child = self._children.pop(instance.process.pid, None)
        if child is not None:
            await to_thread.run_sync(child.wait, REAP_TIMEOUT_S)
        shutil.rmtree(instance.run_dir, ignore_errors=True)

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to the app's network.

        Raises:
            OSError: The app has ended, or its launcher does not answer.
        """
        if instance.isolation == self._sandbox.name and not self._sandbox.own_network:
            return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        return await control.receive_socket(instance.run_dir, family)

    def out_of_memory(self, instance: Instance) -> bool:
        """Whether the app was ended because it used more than its memory."""
        group = self._group(instance.replica_id)
        return (instance.run_dir / "out-of-memory").exists() or group.was_out_of_memory()

    def _group(self, replica_id: str) -> ControlGroup:
        return ControlGroup(replica_id, self._cgroup_root)

    def _spawn(
        self, spec: LaunchSpec, group: ControlGroup | None
    ) -> tuple[Path, subprocess.Popen[bytes]]:
        run_dir = self._data_dir.run(spec.replica_id)
        write_run_dir(run_dir, self._environ(spec))
        spec.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (run_dir / "launcher.log").open("xb") as launcher_log:
            process = subprocess.Popen(
                launch_words(self._launch(spec, run_dir, group)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=launcher_log,
                cwd="/",
                env={REPLICA_ID: spec.replica_id},
                start_new_session=True,
            )
        self._children[process.pid] = process
        return run_dir, process

    def _launch(self, spec: LaunchSpec, run_dir: Path, group: ControlGroup | None) -> Launch:
        release = spec.release
        confinement = Confinement(
            app=release.app,
            directory=release.directory,
            toolchain=release.toolchain,
            uid=spec.uid,
        )
        launch = Launch(
            run_dir=run_dir,
            log=str(spec.log_file),
            network=True,
            forbidden=own_addresses(),
            permitted=self._permitted,
            groups=group.member_files if group else (),
            memory_mb=None if group else spec.memory_mb,
            nice=APP_NICE,
        )
        return self._sandbox.launch(release.command, confinement, launch)

    def _environ(self, spec: LaunchSpec) -> dict[str, str]:
        return {
            "LANG": "C.UTF-8",
            **spec.release.environ,
            "HOME": str(spec.release.place),
            "TMPDIR": str(spec.release.place / self._sandbox.temporary),
            **spec.run_envs,
            "PORT": str(spec.port),
            REPLICA_ID: spec.replica_id,
        }

    async def _until_it_is_steady(self, instance: Instance) -> Instance:
        with anyio.move_on_after(self._steady_s):
            await wait_for_exit(instance)
        if not is_instance_running(instance):
            when = f"within {self._steady_s:g} s; a worker goes on until it is stopped"
            raise AppExitedError(exit_code_of(instance), when)
        return instance

    async def _until_it_answers(self, instance: Instance, spec: LaunchSpec) -> Instance:
        poll_s = FIRST_POLL_S
        started = anyio.current_time()
        timeout_s = spec.start_timeout_s or self._start_timeout_s
        seen = ""
        while anyio.current_time() - started < timeout_s:
            if not is_instance_running(instance):
                raise AppExitedError(exit_code_of(instance))
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
        for family, address in LOOPBACK:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    probe = await self.open_socket(instance, family)
                    probe.settimeout(0)
                    await asyncio.get_running_loop().sock_connect(probe, (address, instance.port))
                status = await to_thread.run_sync(request_status, probe, path)
                return "" if status < FIRST_ERROR else f"answered {status}"
        return "did not answer"

    async def _answering_port(self, instance: Instance, *, any_port: bool) -> int | None:
        try:
            ports = json.loads(await control.ask_launcher(instance.run_dir, "ports"))
        except (OSError, ValueError):
            return None
        wanted = [port for port in ports if any_port or port == instance.port]
        wanted.sort(key=lambda port: (port != instance.port, port))
        for port in wanted:
            if await self._connects(instance, port):
                return int(port)
        return None

    async def _connects(self, instance: Instance, port: int) -> bool:
        for family, address in LOOPBACK:
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
        lines = last_lines(spec.log_file, anyio.current_time() - started, LAST_LINES)
        if isinstance(error, AppExitedError) and not lines:
            lines = (instance.run_dir / "launcher.log").read_text().splitlines()
        if self.out_of_memory(instance):
            lines.append(f"The app was killed: it used more than {spec.memory_mb} MB of memory.")
        if not self._sandbox.own_network and any(_PORT_TAKEN.search(line) for line in lines):
            lines.append(SHARED_PORTS)
        if lines:
            await log(LOG_STAGE, lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
