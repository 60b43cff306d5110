"""Starts an app in its sandbox, finds the port it listens on, finds it again, and ends it."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

import anyio
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import (
    AppExitedError,
    AppNeverListenedError,
    AppOutOfMemoryError,
    StartFailedError,
)
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.processes import ProcessId, kill_trees, pids_by_environ
from createos_mcp.platform.run.instances import (
    exit_code_of,
    from_json,
    is_instance_running,
    kill_instance,
    wait_for_exit,
)
from createos_mcp.platform.sandbox import control, launcher
from createos_mcp.platform.sandbox.app_logs import last_lines
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox

BuildLog: TypeAlias = Callable[[str, Sequence[str]], Awaitable[None]]

LOG_STAGE = "deploy"
LAST_LINES = 20
FIRST_POLL_S = 0.005
LAST_POLL_S = 0.1
OTHER_PORT_AFTER_S = 0.3
"""How long a port other than PORT must be there alone before it is taken for the app's."""
REAP_TIMEOUT_S = 5

RESOLVER = "nameserver 10.0.2.3\n"
"""Where slirp4netns answers DNS; see slirp4netns(1)."""

_PORT_TAKEN = re.compile("EADDRINUSE|address already in use", re.IGNORECASE)

SHARED_PORTS = (
    "Without bubblewrap all apps share this machine's ports: let the app listen on the port in "
    "PORT, or install bubblewrap."
)

GROUPED, WATCHED = "cgroup", "watched"
"""How memory is limited: by a control group, or where there is none by the launcher."""

REPLICA_ID = "REPLICA_ID"
"""Variable by which a replica's processes are found, wherever they went."""

_JOIN = 'for file in {files}; do echo $$ > "$file"; done; exec "$@"'


class Runner:
    """Runs apps, each under a launcher of its own that outlives the platform."""

    def __init__(self, *, config: PlatformConfig, sandbox: Sandbox) -> None:
        self._data_dir = config.data_dir
        self._sandbox = sandbox
        self._start_timeout_s = config.start_timeout_s
        self._stop_timeout_s = config.stop_timeout_s
        self._cgroup_root = config.cgroup_root
        self._children: dict[int, list[subprocess.Popen[bytes]]] = {}
        self._python = Path(sys.executable).resolve()

    async def start(self, spec: LaunchSpec, *, log: BuildLog) -> Instance:
        """Start an app and return once its port answers.

        Raises:
            AppExitedError: It ended before that; its last lines are in the log.
            AppNeverListenedError: It ran into the time limit and was ended.
        """
        if not self._sandbox.own_network:
            spec = replace(spec, port=_free_port())
        started = anyio.current_time()
        instance = await self._begin(spec)
        try:
            return await self._until_it_answers(instance)
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

    async def _begin(self, spec: LaunchSpec) -> Instance:
        group = self._group(spec.replica_id)
        limits = ResourceLimits(memory_mb=spec.memory_mb, cpu_millicores=spec.cpu_millicores)
        try:
            run_dir = self._prepare(spec)
            limited = await to_thread.run_sync(group.create, limits)
            process = await to_thread.run_sync(
                self._spawn, spec, run_dir, group if limited else None
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
                await to_thread.run_sync(control.ask_launcher, instance.run_dir, f"stop {grace_s}")
                await wait_for_exit(instance)
        await to_thread.run_sync(kill_instance, instance)
        group = self._group(instance.replica_id)
        await to_thread.run_sync(group.kill)
        await to_thread.run_sync(group.remove)
        for child in self._children.pop(instance.process.pid, ()):
            await to_thread.run_sync(child.wait, REAP_TIMEOUT_S)
        shutil.rmtree(instance.run_dir, ignore_errors=True)

    def open_socket(self, instance: Instance, family: int) -> socket.socket:
        """A TCP socket, not yet connected, that belongs to the app's network.

        Raises:
            OSError: The app has ended.
        """
        if instance.isolation == self._sandbox.name and not self._sandbox.own_network:
            return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        return control.receive_socket(instance.run_dir, family)

    def out_of_memory(self, instance: Instance) -> bool:
        """Whether the app was ended because it used more than its memory."""
        group = self._group(instance.replica_id)
        return (instance.run_dir / "out-of-memory").exists() or group.was_out_of_memory()

    def _group(self, replica_id: str) -> ControlGroup:
        return ControlGroup(replica_id, self._cgroup_root)

    def _prepare(self, spec: LaunchSpec) -> Path:
        run_dir = self._data_dir.run(spec.replica_id)
        shutil.rmtree(run_dir, ignore_errors=True)
        run_dir.mkdir(mode=0o700, parents=True)
        (run_dir / "resolv.conf").write_text(RESOLVER)
        spec.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return run_dir

    def _spawn(
        self, spec: LaunchSpec, run_dir: Path, group: ControlGroup | None
    ) -> subprocess.Popen[bytes]:
        with ExitStack() as opened:
            pipes = {name: _pipe(opened) for name in ("info", "ready", "exit")}
            launcher_log = opened.enter_context((run_dir / "launcher.log").open("wb"))
            process = subprocess.Popen(
                self._command(spec, run_dir, group, pipes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=launcher_log,
                cwd=spec.release.root,
                env=self._environ(spec),
                start_new_session=True,
                pass_fds=[writing.fileno() for _, writing in pipes.values()],
            )
            self._children[process.pid] = [process]
            for _, writing in pipes.values():
                writing.close()
            self._connect(process.pid, {name: reading for name, (reading, _) in pipes.items()})
        return process

    def _connect(self, pid: int, reading: Mapping[str, IO[bytes]]) -> None:
        """Give an app's network a way out, once the network is set up.

        slirp4netns brings the loopback up, which bubblewrap then could not do any more.
        """
        slirp = self._sandbox.slirp
        confined_pid = _read_pid(reading["info"]) if slirp else None
        if slirp and confined_pid and reading["ready"].read(1):
            slirped = _start_slirp(slirp, confined_pid, reading["exit"].fileno())
            self._children[pid].append(slirped)

    def _command(
        self,
        spec: LaunchSpec,
        run_dir: Path,
        group: ControlGroup | None,
        pipes: Mapping[str, tuple[IO[bytes], IO[bytes]]],
    ) -> tuple[str, ...]:
        flags = []
        slirp = self._sandbox.slirp is not None
        if self._sandbox.own_network:
            flags.append("--own-network")
            flags += [f"--outbound={pipes['ready'][1].fileno()}"] if slirp else []
        if group is None:
            flags.append(f"--memory-mb={spec.memory_mb}")
        launcher_file = Path(launcher.__file__)
        launched = (
            str(self._python),
            "-IS",
            str(launcher_file),
            str(run_dir),
            str(spec.log_file),
            *flags,
            "--",
            *spec.release.command,
        )
        own = self._sandbox.own_network
        resolver = (run_dir / "resolv.conf", Path("/etc/resolv.conf").resolve())
        confinement = Confinement(
            workdir=spec.release.root,
            writable=(spec.release.root, run_dir, spec.log_file.parent),
            readable=(*spec.release.readable, Path(sys.base_prefix), launcher_file),
            replaced=(resolver,) if own else (),
            own_network=own,
            info_fd=pipes["info"][1].fileno() if slirp else None,
        )
        confined = self._sandbox.confine(launched, confinement)
        if group is None:
            return confined
        files = " ".join(f"'{file}'" for file in group.member_files)
        return ("/bin/sh", "-c", _JOIN.format(files=files), "sh", *confined)

    def _environ(self, spec: LaunchSpec) -> dict[str, str]:
        return {
            "LANG": "C.UTF-8",
            **spec.release.environ,
            "HOME": str(spec.release.root),
            "TMPDIR": "/tmp",  # noqa: S108 - the sandbox has a private one
            **spec.run_envs,
            "PORT": str(spec.port),
            REPLICA_ID: spec.replica_id,
        }

    async def _until_it_answers(self, instance: Instance) -> Instance:
        poll_s = FIRST_POLL_S
        started = anyio.current_time()
        while anyio.current_time() - started < self._start_timeout_s:
            if not is_instance_running(instance):
                raise AppExitedError(exit_code_of(instance))
            patient = anyio.current_time() - started > OTHER_PORT_AFTER_S
            port = await self._answering_port(instance, any_port=patient)
            if port is not None:
                return replace(instance, port=port)
            await anyio.sleep(poll_s)
            poll_s = min(poll_s * 1.5, LAST_POLL_S)
        raise AppNeverListenedError(instance.port, self._start_timeout_s)

    async def _answering_port(self, instance: Instance, *, any_port: bool) -> int | None:
        try:
            ports = json.loads(
                await to_thread.run_sync(control.ask_launcher, instance.run_dir, "ports")
            )
        except (OSError, ValueError):
            return None
        wanted = [port for port in ports if any_port or port == instance.port]
        wanted.sort(key=lambda port: (port != instance.port, port))
        for port in wanted:
            if await to_thread.run_sync(self._connects, instance, port):
                return int(port)
        return None

    def _connects(self, instance: Instance, port: int) -> bool:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with contextlib.suppress(OSError), self.open_socket(instance, family) as probe:
                probe.settimeout(1)
                probe.connect((address, port))
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


def _start_slirp(slirp: str, pid: int, exit_fd: int) -> subprocess.Popen[bytes]:
    """Give an app's network a way out, for as long as its launcher holds the other end of a pipe.

    The machine's own loopback stays out of reach.
    """
    return subprocess.Popen(
        [
            slirp,
            "--configure",
            "--mtu=65520",
            "--disable-host-loopback",
            f"--exit-fd={exit_fd}",
            str(pid),
            "tap0",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(exit_fd,),
    )


def _pipe(opened: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Both ends of a pipe, closed with the stack."""
    reading, writing = os.pipe()
    return (
        opened.enter_context(os.fdopen(reading, "rb", buffering=0)),
        opened.enter_context(os.fdopen(writing, "wb", buffering=0)),
    )


def _read_pid(info: IO[bytes]) -> int | None:
    """The confined process's pid, from what bubblewrap writes in pieces; None when it failed."""
    text = b""
    while not text.rstrip().endswith(b"}"):
        piece = info.read(4096)
        if not piece:
            return None
        text += piece
    return int(json.loads(text)["child-pid"])
