"""The embedded engine: apps as processes of this machine, each under a launcher in its sandbox."""

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from anyio import move_on_after, to_thread

from createos_mcp.platform.build.build_command import OnLines, bounded
from createos_mcp.platform.build.steps import Finished, Steps
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.instances import (
    exit_code_of,
    is_instance_running,
    kill_instance,
    wait_for_exit,
)
from createos_mcp.platform.errors import StartFailedError
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.processes import ProcessId, kill_trees, pids_by_environ
from createos_mcp.platform.release_records import Release
from createos_mcp.platform.sandbox import control
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.launches import TO_STARTER, Launch, launch_words, write_run_dir
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox

REAP_TIMEOUT_S = 5
APP_NICE = 5
"""The platform itself goes before apps, and apps before builds."""

GROUPED, WATCHED = "cgroup", "watched"
"""How memory is limited: by a control group, or where there is none by the launcher."""

REPLICA_ID = "REPLICA_ID"
"""Variable by which a replica's processes are found, wherever they went."""


class Processes:
    """Runs files, each replica under a launcher of its own that outlives the platform."""

    def __init__(self, *, config: PlatformConfig, sandbox: Sandbox) -> None:
        self._data_dir = config.data_dir
        self._sandbox = sandbox
        self._steps = Steps(config)
        self._cgroup_root = config.cgroup_root
        self._permitted = config.permitted_addresses
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def own_network(self) -> bool:
        """Whether each app listens in a network of its own."""
        return self._sandbox.own_network

    async def begin(self, spec: LaunchSpec) -> Instance:
        """Start an app under a launcher.

        Raises:
            StartFailedError: It cannot be started.
        """
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

    async def adopt(self, instance: Instance, log_file: Path) -> Instance | None:
        """The same app if its launcher runs, which goes on writing its log."""
        del log_file
        return instance if is_instance_running(instance) else None

    async def end_strays(self, replica_ids: Collection[str]) -> None:
        """End whatever is left of replicas that nobody looks after any more."""
        found = await to_thread.run_sync(pids_by_environ, REPLICA_ID)
        pids = [pid for replica_id in replica_ids for pid in found.get(replica_id, ())]
        await to_thread.run_sync(kill_trees, pids)
        for replica_id in replica_ids:
            group = self._group(replica_id)
            await to_thread.run_sync(group.kill)
            await to_thread.run_sync(group.remove)
            shutil.rmtree(self._data_dir.run(replica_id), ignore_errors=True)

    async def is_running(self, instance: Instance) -> bool:
        """Whether its launcher runs, and with it the app."""
        return is_instance_running(instance)

    async def wait(self, instance: Instance) -> int:
        """Return the app's exit code once it has ended."""
        await wait_for_exit(instance)
        return exit_code_of(instance)

    async def end(self, instance: Instance, *, grace_s: float) -> None:
        """End an app and everything that it started; nothing of it is left when this returns."""
        if is_instance_running(instance):
            with contextlib.suppress(OSError), move_on_after(grace_s):
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

    async def ports(self, instance: Instance) -> Sequence[int]:
        """Ports that it listens on, as its launcher sees them."""
        try:
            found: list[int] = json.loads(await control.ask_launcher(instance.run_dir, "ports"))
        except (OSError, ValueError):
            return ()
        return found

    async def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to the app's network.

        Raises:
            OSError: The app has ended, or its launcher does not answer.
        """
        if instance.isolation == self._sandbox.name and not self._sandbox.own_network:
            return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        return await control.receive_socket(instance.run_dir, family)

    def was_out_of_memory(self, instance: Instance) -> bool:
        """Whether the app was ended because it used more than its memory."""
        group = self._group(instance.replica_id)
        return (instance.run_dir / "out-of-memory").exists() or group.was_out_of_memory()

    async def last_words(self, instance: Instance) -> list[str]:
        """What the launcher has to say."""
        return (instance.run_dir / "launcher.log").read_text().splitlines()

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
        own = replace(spec, release=replace(_files_of(spec), command=command))
        return await self._steps.run(
            f"release-{spec.replica_id}",
            environ=self._environ(own),
            limits=ResourceLimits(memory_mb=spec.memory_mb, cpu_millicores=spec.cpu_millicores),
            launch=lambda run_dir, group: replace(
                self._launch(own, run_dir, group), log=TO_STARTER, with_parent=True
            ),
            on_lines=bounded(on_lines),
        )

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
        release = _files_of(spec)
        confinement = Confinement(
            app=release.app,
            directory=release.directory,
            toolchain=release.toolchain,
            uid=spec.uid,
            mounts=spec.mounts,
            shares_memory=spec.is_service,
        )
        launch = Launch(
            run_dir=run_dir,
            log=str(spec.log_file),
            network=True,
            outbound=not spec.is_service,
            relays=[f"{way.port}={way.socket}" for way in spec.ways],
            tls=[f"{way.port}={way.certificate}" for way in spec.ways if way.certificate],
            pass_to=[f"{way.port}={way.handover}" for way in spec.ways if way.handover],
            handover=f"{spec.port}={spec.handover}" if spec.handover else None,
            forbidden=own_addresses(),
            permitted=self._permitted,
            groups=group.member_files if group else (),
            launcher_groups=group.launcher_files if group else (),
            memory_mb=None if group else spec.memory_mb,
            nice=APP_NICE,
        )
        return self._sandbox.launch(release.command, confinement, launch)

    def _environ(self, spec: LaunchSpec) -> dict[str, str]:
        release = _files_of(spec)
        return {
            "LANG": "C.UTF-8",
            **release.environ,
            "HOME": str(release.place),
            "TMPDIR": str(release.place / self._sandbox.temporary),
            **spec.run_envs,
            "PORT": str(spec.port),
            REPLICA_ID: spec.replica_id,
        }


def _files_of(spec: LaunchSpec) -> Release:
    if not isinstance(spec.release, Release):
        raise TypeError("an image is not run as a process")
    return spec.release
