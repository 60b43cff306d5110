"""What keeps apps and builds apart from the machine, and what this machine can do of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from createos_mcp.platform.models import Mount
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.sandbox.launches import Launch

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
    "/etc/os-release",
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
        write_readable(passwd, f"{others}app:x:{user}:{user}::{APP}:/bin/sh\n".encode())
        write_readable(group, f"root:x:0:\nnogroup:x:65534:\napp:x:{user}:\n".encode())
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


def write_readable(file: Path, content: bytes) -> None:
    """Write a file that every sandbox may read, unless it is there as it should be."""
    if not file.exists() or file.read_bytes() != content:
        file.write_bytes(content)
    file.chmod(0o644)
