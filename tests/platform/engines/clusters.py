"""Two machines on one network, made of network namespaces, whose engines are one swarm."""

import io
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.eventually import eventually_now
from tests.platform.engines.daemons import BUSYBOX, DockerDaemon, docker_daemon, image_registry

NAMES = ("manager", "worker")
MANAGER, WORKER = "10.88.0.2", "10.88.0.3"
_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "idlelib", "ensurepip"}
_SHELL = ("sh", "sleep", "cat", "ls", "env", "chown", "rm", "hostname")


@dataclass(frozen=True)
class Namespace:
    """A network and a host name of its own, as long as a process of it sleeps."""

    pid: int

    @property
    def prefix(self) -> list[str]:
        """Words that run a command in it."""
        return ["nsenter", f"--target={self.pid}", "--net", "--uts"]

    def run(self, *words: str) -> None:
        _run(*self.prefix, *words)


@dataclass(frozen=True)
class Cluster:
    """A swarm of two machines: apps of the platform run on both."""

    manager: DockerDaemon
    worker: DockerDaemon
    registry: str
    """On the manager; both machines reach it."""
    switch: Namespace

    def cut(self) -> None:
        """Take the worker's cable out."""
        self.switch.run("ip", "link", "set", "port1", "down")

    def mend(self) -> None:
        """Put it in again."""
        self.switch.run("ip", "link", "set", "port1", "up")


@contextmanager
def two_machines(directory: Path, registry_dir: Path) -> Iterator[Cluster]:
    """A cluster whose engines answer at sockets of this machine.

    Args:
        directory: Holds the engines; the path has to be short.
        registry_dir: Holds the registry's images.
    """
    with ExitStack() as opened:
        switch = opened.enter_context(_namespace("switch"))
        switch.run("ip", "link", "add", "br0", "type", "bridge")
        switch.run("ip", "link", "set", "br0", "up")
        machines = [opened.enter_context(_namespace(name)) for name in NAMES]
        for number, (machine, address) in enumerate(zip(machines, (MANAGER, WORKER), strict=True)):
            _plug_in(switch, machine, f"port{number}", address)
        registry = opened.enter_context(
            image_registry(registry_dir, host=MANAGER, prefix=machines[0].prefix)
        )
        engines = [
            opened.enter_context(
                docker_daemon(directory / name, live_restore=False, prefix=machine.prefix)
            )
            for name, machine in zip(NAMES, machines, strict=True)
        ]
        manager, worker = engines
        manager.docker("swarm", "init", "--advertise-addr", MANAGER)
        token = manager.docker("swarm", "join-token", "--quiet", "worker")
        worker.docker("swarm", "join", "--token", token, f"{MANAGER}:2377")
        yield Cluster(manager, worker, registry, switch)


def python_base(cluster: Cluster) -> str:
    """An image with this very Python and a shell, in the registry."""
    reference = f"{cluster.registry}/python:base"
    cluster.manager.docker("import", "-", reference, stdin=_python_root())
    cluster.manager.docker("push", reference)
    return reference


@contextmanager
def _namespace(name: str) -> Iterator[Namespace]:
    holder = subprocess.Popen(
        ["unshare", "--net", "--uts", "sleep", "3600"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        own = Path("/proc/self/ns/net").readlink()
        eventually_now(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != own)
        held = Namespace(holder.pid)
        held.run("hostname", name)
        held.run("ip", "link", "set", "lo", "up")
        yield held
    finally:
        holder.kill()
        holder.wait()


def _plug_in(switch: Namespace, machine: Namespace, port: str, address: str) -> None:
    switch.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0")
    switch.run("ip", "link", "set", "eth0", "netns", str(machine.pid))
    switch.run("ip", "link", "set", port, "master", "br0", "up")
    machine.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    machine.run("ip", "link", "set", "eth0", "up")


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


def _python_root() -> bytes:
    packed = io.BytesIO()
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for directory, mode in (("bin", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        archive.add(BUSYBOX, "bin/busybox")
        archive.add(python, f"usr/local/bin/{python.name}")
        links = {f"bin/{tool}": "busybox" for tool in _SHELL}
        links["usr/local/bin/python3"] = links["usr/local/bin/python"] = python.name
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        archive.add(library, f"usr/local/lib/{library.name}", filter=_without_the_rest)
        for shared in _linked(python, *library.glob("lib-dynload/*.so")):
            archive.add(shared.resolve(), str(shared).lstrip("/"))
    return packed.getvalue()


def _without_the_rest(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(entry.name).name in _LEFT_OUT else entry


def _linked(*programs: Path) -> Sequence[Path]:
    """The libraries that programs need, by the paths at which they are looked for."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    words = {word for word in told.split() if word.startswith("/") and not word.endswith(":")}
    return sorted(Path(word) for word in words)
