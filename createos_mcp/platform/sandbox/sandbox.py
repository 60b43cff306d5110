"""What keeps apps and builds apart from the machine, and what this machine can do of it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from createos_mcp.platform.models import Mount
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.sandbox import landlock, seccomp_filter
from createos_mcp.platform.sandbox.launches import Launch, launch_words, write_run_dir
from createos_mcp.platform.sandbox.network import RESOLVER

APP = Path("/app")
"""Where an app sees its own directory."""
CACHE = Path("/cache")
"""Where a build sees its project's cache."""
BUILD_TMP = Path("/build-tmp")
"""Home and temporary directory of a build: files, since a tmpfs would count as its memory."""

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
    "/etc/services",
    "/etc/ssl",
)
"""All that a confined process sees of the machine, read-only."""

SHM_BYTES = 64 * 2**20
TMP_BYTES = 256 * 2**20

# A build with one process per core fits; a fork bomb ends here.
MAX_PROCESSES = 512

INSIDE_USER = 1000

OWN_TMP = ".tmp"
"""Where temporary files go that have no place of their own, below the app's home."""

LAST_STEP = (
    'cd -- "$1" || exit; shift; eval "$(/bin/cat <&4)"; exec 4<&-; '
    '[ -z "$TMPDIR" ] || [ -e "$TMPDIR" ] || /bin/mkdir -p -- "$TMPDIR"; exec "$@"'
)
"""It has no right left when it enters the directory of an app and sets its variables."""

PRLIMIT, SETPRIV, SHELL = "/usr/bin/prlimit", "/usr/bin/setpriv", "/bin/sh"

SHARING_FILTER = "sharing.bpf"
"""The filter for what shares memory between its own processes."""

LANDLOCK, NOTHING = "landlock", "none"

TRIAL_TIMEOUT_S = 10

_CONSTANT = (
    *("--dir", "/etc"),
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--hostname", "app", "--die-with-parent", "--cap-drop", "ALL"),
)

_DEVICES = (
    *("--proc", "/proc", "--dev", "/dev"),
    *("--perms", "1777", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108 - a private one
    *("--remount-ro", "/dev"),
    *("--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """What one confined process may see and change."""

    app: Path
    """The one directory that it may write, seen at `/app`."""
    directory: str = "."
    """Where it starts, below that one; resolved inside."""
    toolchain: Sequence[Bind] = ()
    cache: Path | None = None
    """Seen at `/cache`, by builds alone."""
    temporary: Path | None = None
    """Seen at `/build-tmp`, by builds alone."""
    uid: int | None = None
    """The kernel's user of its project, where the platform runs as root."""
    mounts: Sequence[Mount] = ()
    """What it sees besides, by bubblewrap alone."""
    shares_memory: bool = False
    """Whether it may have System V memory; PostgreSQL does not start without."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """The isolation that this machine offers, said as it is."""

    name: str
    """`bubblewrap`, `landlock` or `none`."""
    bwrap: str | None = None
    slirp: str | None = None
    """slirp4netns, proven to give a network of its own a way out."""
    own_network: bool = False
    """Whether each app listens in a network of its own, so that no ports collide."""
    filter_file: Path | None = None
    resolver_file: Path | None = None
    accounts: Path | None = None
    """Where lists of users are kept, each with one that processes inside find themselves in."""
    no_nested_users: bool = False
    """Whether bubblewrap can forbid further user namespaces by itself."""
    is_root: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    """Measures that do not hold here, and why: `{"outbound": "slirp4netns is not installed"}`."""

    @property
    def outbound(self) -> bool:
        """Whether apps reach the network outside."""
        return self.slirp is not None or not self.own_network

    @property
    def own_user(self) -> bool:
        """Whether each project is a user of its own to the kernel."""
        return self.name != NOTHING and self.is_root

    @property
    def temporary(self) -> str:
        """Where apps put temporary files: `/tmp` where that is theirs alone, or below their own."""
        return "/tmp" if self.name != LANDLOCK else OWN_TMP  # noqa: S108 - the sandbox has its own

    def launch(self, command: Sequence[str], confinement: Confinement, launch: Launch) -> Launch:
        """A launch with what confines a command on this machine."""
        has_network = launch.network and self.own_network
        resolver_file = self.resolver_file if has_network else None
        by_landlock = self.name == LANDLOCK
        return replace(
            launch,
            words=replace(self, resolver_file=resolver_file).confine(command, confinement),
            network=has_network,
            slirp=self.slirp if launch.outbound else None,
            filter_file=self._filter(confinement),
            write=_writable(confinement) if by_landlock else (),
            read=_readable(confinement) if by_landlock else (),
            resolver_file=resolver_file if by_landlock else None,
        )

    def _filter(self, confinement: Confinement) -> Path | None:
        if self.filter_file is None or not confinement.shares_memory:
            return self.filter_file
        return self.filter_file.with_name(SHARING_FILTER)

    def place_of(self, app: Path) -> Path:
        """Where an app sees its directory: the same place for build and run."""
        return app if self.bwrap is None else APP

    def confine(self, command: Sequence[str], confinement: Confinement) -> tuple[str, ...]:
        """The words that run a command confined, by the launcher; see `launcher.py`."""
        start = str(self.place_of(confinement.app) / confinement.directory)
        last = (SHELL, "-c", LAST_STEP, "sh", start, *command)
        if self.name == LANDLOCK:
            return (*self._inner(confinement), *last)
        if self.bwrap is None:
            return last
        return (
            self.bwrap,
            *_CONSTANT,
            *self._identity(),
            *_system(self.resolver_file),
            *self._accounts(confinement),
            *_DEVICES,
            *_toolchain(confinement.toolchain),
            *_mounts(confinement.mounts),
            *_directories(confinement),
            *(("--seccomp", "3") if self.filter_file else ()),
            "--",
            *self._inner(confinement),
            *last,
        )

    def _identity(self) -> tuple[str, ...]:
        if self.is_root:
            return tuple(
                word
                for right in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
                for word in ("--cap-add", right)
            )
        nested = ("--disable-userns",) if self.no_nested_users else ()
        user = str(INSIDE_USER)
        return ("--unshare-user", *nested, "--uid", user, "--gid", user)

    def _accounts(self, confinement: Confinement) -> Iterator[str]:
        """A name for the user inside: libpq, `os.userInfo()` and others do not go without."""
        user = confinement.uid if self.is_root else INSIDE_USER
        if self.accounts is None or user is None:
            return
        passwd, group = self.accounts / f"passwd-{user}", self.accounts / f"group-{user}"
        others = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
        _write_file(passwd, f"{others}app:x:{user}:{user}::{APP}:/bin/sh\n".encode())
        _write_file(group, f"root:x:0:\nnogroup:x:65534:\napp:x:{user}:\n".encode())
        yield from ("--ro-bind", str(passwd), "/etc/passwd", "--ro-bind", str(group), "/etc/group")

    def _inner(self, confinement: Confinement) -> tuple[str, ...]:
        processes = (PRLIMIT, f"--nproc={MAX_PROCESSES}:{MAX_PROCESSES}")
        if not self.is_root:
            # Without a user namespace all processes of this user would count.
            return processes if self.own_network else ()
        user = confinement.uid
        dropped = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
        return (*processes, SETPRIV, f"--reuid={user}", f"--regid={user}", *dropped)


def _system(resolver_file: Path | None) -> Iterator[str]:
    for name in SYSTEM:
        yield from ("--ro-bind-try", name, name)
    if resolver_file is not None:
        yield from ("--ro-bind", str(resolver_file), "/etc/resolv.conf")
    else:
        yield from ("--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf")


def _toolchain(binds: Sequence[Bind]) -> Iterator[str]:
    for bind in binds:
        # Version 0.8 makes missing parents closed to all users but its own.
        for parent in reversed(bind.path.parents[:-1]):
            yield from ("--dir", str(parent))
        if bind.target is None:
            yield from ("--ro-bind", str(bind.path), str(bind.path))
        else:
            yield from ("--symlink", bind.target, str(bind.path))


def _mounts(mounts: Sequence[Mount]) -> Iterator[str]:
    for mount in mounts:
        for parent in reversed(mount.place.parents[:-1]):
            yield from ("--dir", str(parent))
        kind = "--bind" if mount.writable else "--ro-bind"
        yield from (kind, str(mount.source), str(mount.place))


def _directories(confinement: Confinement) -> Iterator[str]:
    """What is writable, at places that no path of the tenant's can change."""
    if confinement.cache is not None:
        yield from ("--bind", str(confinement.cache), str(CACHE))
    if confinement.temporary is not None:
        yield from ("--bind", str(confinement.temporary), str(BUILD_TMP))
    yield from ("--bind", str(confinement.app), str(APP), "--chdir", "/", "--remount-ro", "/")


def _writable(confinement: Confinement) -> tuple[Path, ...]:
    given = (confinement.app, confinement.cache, confinement.temporary)
    return tuple(path for path in given if path is not None)


def _readable(confinement: Confinement) -> tuple[Path, ...]:
    """What bubblewrap would show; the devices that deliver chance, and processes."""
    others = ("/etc/resolv.conf", "/dev/urandom", "/dev/random", "/proc")
    return (*map(Path, (*SYSTEM, *others)), *(bind.path for bind in confinement.toolchain))


def is_of_system(path: Path) -> bool:
    """Whether every confined process sees this path of the machine anyway."""
    return any(path.is_relative_to(directory) for directory in SYSTEM)


def gaps_of(sandbox: Sandbox, *, has_groups: bool) -> Mapping[str, str]:
    """Every measure that does not hold on this machine, and why."""
    gaps = dict(sandbox.missing)
    if not has_groups:
        reason = "control groups cannot be made by this user"
        gaps["memory"] = f"{reason}; it is watched four times a second"
        gaps["cpu"] = f"{reason}; it is not limited"
    return gaps


def detect_sandbox(isolation: str, directory: Path) -> Sandbox:
    """Find out what works here, by trying it: each measure that fails is dropped alone.

    Args:
        isolation: `auto` takes bubblewrap where it works, `none` never does.
        directory: Where the filter and the resolver's address are kept, for the platform alone.
    """
    is_root = os.geteuid() == 0
    if isolation == NOTHING:
        return Sandbox(name=NOTHING, is_root=is_root, missing={"files": "it is turned off"})
    bwrap = shutil.which("bwrap") if isolation == "auto" else None
    filter_file, resolver_file = directory / "filter.bpf", directory / "resolv.conf"
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    _write_file(resolver_file, f"nameserver {RESOLVER}\n".encode())
    if seccomp_filter.is_supported():
        _write_file(filter_file, seccomp_filter.build_filter())
        sharing = seccomp_filter.build_filter(allowed={"shmget"})
        _write_file(directory / SHARING_FILTER, sharing)
    whole = Sandbox(
        name="bubblewrap" if bwrap else LANDLOCK,
        bwrap=bwrap,
        slirp=shutil.which("slirp4netns"),
        own_network=True,
        filter_file=filter_file if seccomp_filter.is_supported() else None,
        resolver_file=resolver_file,
        accounts=directory if bwrap else None,
        no_nested_users=bwrap is not None,
        is_root=is_root,
    )
    reason = "bubblewrap is not installed"
    if bwrap:
        found, reason = _first_that_works(whole, directory)
        if found is not None:
            return found
        reason = f"bubblewrap does not work: {reason}"
    return _without_bubblewrap(replace(whole, bwrap=None, name=LANDLOCK), directory, reason)


def _without_bubblewrap(whole: Sandbox, directory: Path, reason: str) -> Sandbox:
    if landlock.version():
        found, said = _first_that_works(whole, directory)
        if found is not None:
            gaps = {"processes": f"{reason}; apps see the machine's processes", **found.missing}
            return replace(found, missing=gaps)
        reason = f"{reason}, and Landlock does not work either: {said}"
    else:
        reason = f"{reason}, and this kernel has no Landlock"
    return Sandbox(name=NOTHING, is_root=whole.is_root, missing={"files": reason})


def _write_file(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        file.write_bytes(content)
    file.chmod(0o644)


def _first_that_works(whole: Sandbox, directory: Path) -> tuple[Sandbox | None, str]:
    """Drop one measure after the other until a trial succeeds; what was said when none does."""
    missing: dict[str, str] = {}
    if whole.filter_file is None:
        missing["system calls"] = "there is no filter for this kind of machine"
    if whole.slirp is None:
        missing["outbound"] = "slirp4netns is not installed"
    candidates = [whole]
    if whole.no_nested_users and not whole.is_root:
        candidates.append(replace(whole, no_nested_users=False))
    candidates.append(
        replace(whole, slirp=None, own_network=False, no_nested_users=False, resolver_file=None)
    )
    reason = ""
    for candidate in candidates:
        works, outbound, reason = _try_sandbox(candidate, directory)
        if works:
            if candidate.slirp is not None and not outbound:
                missing["outbound"] = reason or "slirp4netns could not open the network"
            if not candidate.own_network:
                missing["network"] = "network namespaces are not available"
            slirp = candidate.slirp if outbound else None
            return replace(candidate, slirp=slirp, missing=missing), ""
    return None, reason


def _try_sandbox(sandbox: Sandbox, directory: Path) -> tuple[bool, bool, str]:
    """Run `true` through the whole chain: whether it worked, with a way out, and what was said."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="trial-") as place:
        # As releases are: a project's own user passes through and sees no names.
        Path(place).chmod(0o711)
        app, run_dir = Path(place, "app"), Path(place, "run")
        app.mkdir()
        user = INSIDE_USER if sandbox.is_root else None
        if user is not None:
            os.chown(app, user, user)
        write_run_dir(run_dir, {})
        launch = sandbox.launch(
            ["/bin/true"],
            Confinement(app=app, uid=user),
            Launch(run_dir=run_dir, log="-", network=True),
        )
        try:
            done = subprocess.run(
                launch_words(launch),
                capture_output=True,
                timeout=TRIAL_TIMEOUT_S,
                check=False,
                env={},
                text=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, False, str(error)
        said = (done.stderr or done.stdout).strip().splitlines()
        exit_file, outbound = run_dir / "exit", run_dir / "outbound"
        works = exit_file.exists() and exit_file.read_text() == "0"
        return works, outbound.exists() and outbound.read_text() == "yes", said[-1] if said else ""
