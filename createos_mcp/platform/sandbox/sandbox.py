"""What keeps apps and builds apart from the machine, and what this machine can do of it."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pip.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
)
"""All that a confined process sees of the machine, read-only."""

_ALWAYS = (
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",  # noqa: S108 - a private one, inside the sandbox
)

_TRIAL_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """What one confined process may see and change."""

    workdir: Path
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    replaced: Sequence[tuple[Path, Path]] = ()
    """Pairs of a file and the place where it stands in for the machine's own."""
    own_network: bool = False
    dies_with_parent: bool = False
    info_fd: int | None = None
    """Where bubblewrap tells the pid of the confined process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """The isolation that this machine offers, said as it is."""

    name: str
    """`bubblewrap` or `none`."""
    bwrap: str | None
    slirp: str | None
    """slirp4netns, which gives apps in networks of their own a way out."""

    @property
    def own_network(self) -> bool:
        """Whether each app listens in a network of its own, so that no ports collide."""
        return self.bwrap is not None

    @property
    def outbound(self) -> bool:
        """Whether apps reach the network outside."""
        return self.bwrap is None or self.slirp is not None

    def confine(self, command: Sequence[str], confinement: Confinement) -> tuple[str, ...]:
        """The command that runs the given one confined; unchanged where nothing can confine."""
        if self.bwrap is None:
            return tuple(command)
        return (self.bwrap, *_ALWAYS, *_options(confinement), "--", *command)


def _options(confinement: Confinement) -> Iterator[str]:
    for name in SYSTEM:
        yield from ("--ro-bind-try", name, name)
    for path in confinement.readable:
        yield from ("--ro-bind", str(path), str(path))
    for path in confinement.writable:
        yield from ("--bind", str(path), str(path))
    for file, place in confinement.replaced:
        yield from ("--ro-bind", str(file), str(place))
    if confinement.own_network:
        yield "--unshare-net"
    if confinement.dies_with_parent:
        yield "--die-with-parent"
    if confinement.info_fd is not None:
        yield from ("--info-fd", str(confinement.info_fd))
    yield from ("--chdir", str(confinement.workdir))


def detect_sandbox(isolation: str) -> Sandbox:
    """Find out what works here, by trying it.

    Args:
        isolation: `auto` takes bubblewrap where it works, `none` never does.
    """
    bwrap = shutil.which("bwrap") if isolation == "auto" else None
    if bwrap is None or not _works(bwrap):
        return Sandbox(name="none", bwrap=None, slirp=None)
    slirp = shutil.which("slirp4netns") if Path("/dev/net/tun").exists() else None
    return Sandbox(name="bubblewrap", bwrap=bwrap, slirp=slirp)


def _works(bwrap: str) -> bool:
    trial = Sandbox(name="bubblewrap", bwrap=bwrap, slirp=None)
    confinement = Confinement(workdir=Path("/"), own_network=True)
    command = trial.confine(["/bin/sh", "-c", "exit 0"], confinement)
    try:
        finished = subprocess.run(
            command, capture_output=True, timeout=_TRIAL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return finished.returncode == 0
