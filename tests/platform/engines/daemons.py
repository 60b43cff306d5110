"""A container engine and a registry of the tests' own, and images made of busybox."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from createos_mcp.contract.values import Json
from tests.eventually import eventually_now

BUSYBOX = Path("/usr/bin/busybox")
"""Of Debian's `busybox-static`: one file that is a whole system."""

_PLAIN_REGISTRIES = {"insecure-registries": ["10.88.0.0/24"]}
"""Those of the machines that tests make have no certificates."""

_PLAIN_PORTS = range(28500, 28600)
"""Where registries of the tests listen that rootless Docker asks without TLS."""

_PODMAN_REGISTRIES = """
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
"""

_PODMAN_LIMITS = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""
"""Its own are more than a machine of CI may allow."""

_TOOLS = (
    "sh", "httpd", "sleep", "cat", "ls", "env", "kill", "id", "echo", "wget", "nc", "touch",
    "dd", "head", "yes", "mkdir", "ps", "grep", "seq", "test", "printf", "date", "chmod", "tail",
)  # fmt: skip

SERVE = 'exec httpd -f -p "$PORT" -h /www'


class DockerDaemon:
    """A Docker daemon that only these tests use.

    Args:
        directory: Holds its data, its socket and its log; the path has to be short.
        live_restore: Whether containers outlive it; a daemon of a swarm cannot have that.
        prefix: Words before the command, which run it elsewhere.
        runtime: What it starts containers with, instead of runc.
    """

    is_podman = False
    is_rootless = False

    def __init__(
        self,
        directory: Path,
        *,
        live_restore: bool = True,
        prefix: Sequence[str] = (),
        runtime: Path | None = None,
    ) -> None:
        # Else a daemon that was killed would end its containers with its next start; one of a
        # swarm cannot have that, and has to be told what older ones do not take from a service.
        own = {"live-restore": True} if live_restore else {"no-new-privileges": True}
        self._settings: dict[str, Json] = {**own, **_PLAIN_REGISTRIES}
        if runtime is not None:
            named = {"other": {"path": str(runtime)}}
            self._settings |= {"runtimes": named, "default-runtime": "other"}
        self._prefix = prefix
        self.host = f"unix://{directory / 'd.sock'}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers when this returns."""
        config = self._directory / "daemon.json"
        config.write_text(json.dumps(self._settings))
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        flags = [f"--{flag}={self._directory / name}" for flag, name in places.items()]
        command = [
            *self._prefix,
            "dockerd",
            f"--config-file={config}",
            f"--host={self.host}",
            *flags,
        ]
        (self._directory / "pid").unlink(missing_ok=True)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        eventually_now(self._answers, pause_s=0.2)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the daemon, and wait until it has."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(timeout=60)

    def remove_data(self) -> None:
        """Remove all that it has written, once it has ended."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            # A start right after a kill may meet the old containerd; the next one works.
            self.start()
        done = subprocess.run(self._command("version"), capture_output=True, check=False)
        return done.returncode == 0

    def _command(self, *words: str) -> list[str]:
        return ["docker", "--host", self.host, *words]

    def docker(self, *words: str, stdin: bytes | None = None) -> str:
        """What `docker` prints; it has to succeed."""
        client = {**os.environ, "DOCKER_CONFIG": str(self._directory / "client")}
        done = subprocess.run(
            self._command(*words), input=stdin, capture_output=True, check=False, env=client
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def make_image(
        self, name: str, files: Mapping[str, str], *changes: str, command: str = SERVE
    ) -> None:
        """An image of busybox with these files, which runs a line of the shell."""
        words = [f"CMD {json.dumps(['/bin/sh', '-c', command])}", *changes]
        flags = [part for change in words for part in ("--change", change)]
        self.docker("import", *flags, "-", name, stdin=_root(files))

    def publish(
        self, name: str, files: Mapping[str, str], *changes: str, command: str = SERVE
    ) -> None:
        """The same, and pushed to the registry that the name begins with."""
        self.make_image(name, files, *changes, command=command)
        self.docker("push", name)


class PodmanService(DockerDaemon):
    """Podman behind the socket that it offers to Docker's clients, with storage of its own."""

    is_podman = True

    @override
    def start(self) -> None:
        storage = {"driver": "vfs", "graphroot": "root", "runroot": "run"}
        lines = [f'{name} = "{self._place(value)}"' for name, value in storage.items()]
        (self._directory / "storage.conf").write_text("\n".join(["[storage]", *lines, ""]))
        (self._directory / "registries.conf").write_text(_PODMAN_REGISTRIES)
        (self._directory / "containers.conf").write_text(_PODMAN_LIMITS)
        environ = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(self._directory / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self._directory / "registries.conf"),
            "CONTAINERS_CONF": str(self._directory / "containers.conf"),
        }
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["podman", "system", "service", "--time=0", self.host],
                stdout=log,
                stderr=log,
                env=environ,
                cwd=self._directory,
                start_new_session=True,
            )
        eventually_now(self._answers, pause_s=0.2)

    def _place(self, value: str) -> str:
        return value if value == "vfs" else str(self._directory / value)


class RootlessDocker(DockerDaemon):
    """Docker as an ordinary user has it, in namespaces of its own."""

    is_rootless = True

    @override
    def start(self) -> None:
        # BuildKit takes a registry for one without TLS by its scheme, of which pulls warn.
        plain = [f"http://{own_address()}:{port}" for port in _PLAIN_PORTS]
        settings = {"insecure-registries": plain}
        config = self._directory / "daemon.json"
        config.write_text(json.dumps(settings))
        environ = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self._directory),
            "HOME": str(self._directory),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        found = shutil.which("dockerd-rootless.sh")
        program = found or "/usr/share/docker.io/contrib/dockerd-rootless.sh"
        command = [program, f"--config-file={config}", f"--host={self.host}"]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", *command], stdout=log, stderr=log, env=environ, start_new_session=True
            )
        eventually_now(self._answers, pause_s=0.2)

    @override
    def remove_data(self) -> None:
        # What is of users that only its namespace has is removed there.
        words = ["rm", "-rf", str(self._directory)]
        subprocess.run(["rootlesskit", *words], capture_output=True, check=False)


def registry_port() -> int:
    """A port that nobody listens on, and that the engine asks without TLS."""
    for port in _PLAIN_PORTS if _KIND.is_rootless else (0,):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no port is free")


def own_address() -> str:
    """Where other machines reach this one; to rootless Docker it is one of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address


def _root(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for directory in ("bin", "www", "www/cgi-bin", "etc", "tmp"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            archive.addfile(entry)
        archive.add(BUSYBOX, "bin/busybox")
        for tool in _TOOLS:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for path, text in {"etc/passwd": "root:x:0:0::/:/bin/sh\n", **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@contextmanager
def docker_daemon(
    directory: Path,
    *,
    live_restore: bool = True,
    prefix: Sequence[str] = (),
    runtime: Path | None = None,
) -> Iterator[DockerDaemon]:
    """A daemon of its own, which is stopped with all its containers."""
    directory.mkdir(parents=True, mode=0o700)
    engine = _KIND(directory, live_restore=live_restore, prefix=prefix, runtime=runtime)
    engine.start()
    try:
        yield engine
    finally:
        if not live_restore:
            engine.docker("swarm", "leave", "--force")
        containers = engine.docker("ps", "--all", "--quiet").split()
        if containers:
            engine.docker("rm", "--force", *containers)
        if engine.docker("network", "ls", "--quiet", "--filter", "name=createos"):
            engine.docker("network", "rm", "createos")  # and with it the bridge
        engine.stop()
        # A namespace that is still mounted keeps its part of an overlay, which no other could use.
        for namespace in (directory / "exec/netns").glob("*"):
            subprocess.run(["umount", str(namespace)], capture_output=True, check=False)
        engine.remove_data()


_KINDS = {"docker": DockerDaemon, "podman": PodmanService, "rootless": RootlessDocker}
_KIND = _KINDS[os.environ.get("TEST_ENGINE", "docker")]


@contextmanager
def image_registry(
    directory: Path,
    *,
    login: tuple[str, str] | None = None,
    host: str = "",
    prefix: Sequence[str] = (),
) -> Iterator[str]:
    """A registry where Docker uses it without TLS, `127.0.0.1:5000`.

    Args:
        directory: Holds its images, its configuration and its log.
        login: Name and password that it asks for; None to let everybody in.
        host: Where it listens instead of loopback, or of where rootless Docker finds it.
        prefix: Words before the command, which run it there.
    """
    host = host or (own_address() if _KIND.is_rootless else "127.0.0.1")
    port = registry_port()
    directory.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Json] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "images")}},
        "http": {"addr": f"{host}:{port}"},
    }
    if login is not None:
        name, password = login
        # The registry knows bcrypt alone, which the C library's crypt(3) makes.
        salt = "$2y$05$abcdefghijklmnopqrstuu"
        program = "print crypt($ARGV[0], $ARGV[1])"
        hashed = subprocess.run(
            ["perl", "-e", program, password, salt], capture_output=True, text=True, check=True
        ).stdout
        (directory / "htpasswd").write_text(f"{name}:{hashed}\n")
        own = {"realm": "tests", "path": str(directory / "htpasswd")}
        settings["auth"] = {"htpasswd": own}
    config = directory / "registry.yml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    with (directory / "registry.log").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, "docker-registry", "serve", str(config)], stdout=log, stderr=log
        )
    try:
        eventually_now(lambda: _answers(f"{host}:{port}", prefix))
        yield f"{host}:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str, prefix: Sequence[str]) -> bool:
    command = [*prefix, str(BUSYBOX), "wget", "-q", "-O", "-", f"http://{address}/"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0
