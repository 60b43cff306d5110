"""Runs one app inside its sandbox; needs nothing but the standard library.

Started as `launcher.py RUN_DIR LOG_FILE [FLAGS] -- COMMAND...`, it stays until the app ends and
outlives the platform. It keeps the app's output with the time of each line, writes the exit code to
RUN_DIR/exit, and answers on the socket RUN_DIR/control, one request a connection:

    ports       a JSON list of the TCP ports that the app listens on
    socket      one byte, and with it a TCP socket that belongs to the app's network
    stop 10     ends the app: SIGTERM, and SIGKILL after so many seconds

The flags:

    --own-network      every process of the network belongs to the app
    --outbound=FD      the network is set up: say so there, and wait for its way out
    --memory-mb=500    end the app when it uses more, and write RUN_DIR/out-of-memory
"""

import array
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

CHUNK_BYTES = 65536
# Longer lines are written in pieces, so that an app without line ends is seen, too.
MAX_LINE_BYTES = 16384
MAX_LOG_BYTES = 10 * 2**20
OLD_LOGS = 2
NETWORK_WAIT_S = 1.0
MEMORY_POLL_S = 0.5
LISTENING = "0A"


class Log:
    """The app's output, each line behind the time at which it came; rotated by size."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rest = b""
        self.open()

    def open(self) -> None:
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - open as long as the app

    def write(self, chunk: bytes) -> None:
        """Write the full lines of a chunk, and keep what follows them for the next."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        while len(self.rest) > MAX_LINE_BYTES:
            lines.append(self.rest[:MAX_LINE_BYTES])
            self.rest = self.rest[MAX_LINE_BYTES:]
        if lines:
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            prefix = f"{stamp}.{int(now % 1 * 1000):03d}Z ".encode()
            self.file.write(b"".join(prefix + line + b"\n" for line in lines))
            if self.file.tell() > MAX_LOG_BYTES:
                self.rotate()

    def rotate(self) -> None:
        self.file.close()
        for number in range(OLD_LOGS, 0, -1):
            newer = f"{self.path}.{number - 1}" if number > 1 else self.path
            if os.path.exists(newer):
                os.replace(newer, f"{self.path}.{number}")
        self.open()

    def close(self) -> None:
        if self.rest:
            self.write(b"\n")
        self.file.close()


def listening_ports(pids: list[int] | None) -> list[int]:
    """TCP ports that these processes listen on; None stands for every process in the network."""
    inodes = None if pids is None else socket_inodes(pids)
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as rows:
                next(rows)
                for row in rows:
                    fields = row.split()
                    if fields[3] == LISTENING and (inodes is None or fields[9] in inodes):
                        ports.add(int(fields[1].rsplit(":", 1)[1], 16))
        except FileNotFoundError:
            continue
    return sorted(ports)


def socket_inodes(pids: list[int]) -> set[str]:
    """The sockets that processes hold, as /proc names them."""
    inodes = set()
    for pid in pids:
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        except OSError:
            continue
    return inodes


def session_of(leader: int) -> list[int]:
    """The processes of the app's session: it and all that it started, unless they left."""
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                pids.append(int(name))
    return pids


def memory_of(pids: list[int]) -> int:
    """Bytes that processes hold for themselves; pages that they share with files do not count."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as statm:
            resident, shared = statm.read().split()[1:3]
            pages += int(resident) - int(shared)
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_for_network(ready_fd: int) -> None:
    """Wait until the way out is there, for an app that uses it in its first moments."""
    os.write(ready_fd, b"r")
    os.close(ready_fd)
    deadline = time.monotonic() + NETWORK_WAIT_S
    while time.monotonic() < deadline:
        with open("/proc/net/dev") as devices:
            if "tap0" in devices.read():
                return
        time.sleep(0.002)


class Launcher:
    """The app, its output, and the socket by which the platform asks for it."""

    def __init__(
        self, run_dir: str, log_file: str, command: list[str], flags: dict[str, str]
    ) -> None:
        self.run_dir = run_dir
        self.own_network = "--own-network" in flags
        self.max_bytes = int(flags.get("--memory-mb", 0)) * 2**20
        self.look_at = 0.0
        self.log = Log(log_file)
        self.selector = selectors.DefaultSelector()
        self.kill_at: float | None = None
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop(10.0))
        self.listen()
        self.app = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.output = self.app.stdout.fileno() if self.app.stdout else -1
        os.set_blocking(self.output, False)

    def listen(self) -> None:
        here = os.getcwd()
        os.chdir(self.run_dir)
        self.control.bind("control")
        os.chdir(here)
        self.control.listen(16)

    def run(self) -> None:
        """Serve until the app has ended, then write its exit code."""
        self.selector.register(self.control, selectors.EVENT_READ, self.answer)
        self.selector.register(self.output, selectors.EVENT_READ, self.keep_output)
        self.selector.register(self.wake_read, selectors.EVENT_READ, self.reap)
        while self.app.poll() is None:
            for key, _ in self.selector.select(self.patience_s()):
                key.data()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.signal(signal.SIGKILL)
            if self.max_bytes and time.monotonic() >= self.look_at:
                self.watch_memory()
        self.signal(signal.SIGKILL)
        self.keep_output()
        self.log.close()
        code = self.app.returncode
        self.write("exit", str(code if code >= 0 else 128 - code))

    def patience_s(self) -> float | None:
        """How long to wait for something to happen before looking at clock and memory."""
        poll_s = MEMORY_POLL_S if self.max_bytes else None
        if self.kill_at is None:
            return poll_s
        left_s = max(self.kill_at - time.monotonic(), 0)
        return left_s if poll_s is None else min(left_s, poll_s)

    def watch_memory(self) -> None:
        self.look_at = time.monotonic() + MEMORY_POLL_S
        if memory_of(session_of(self.app.pid)) > self.max_bytes:
            self.write("out-of-memory", "")
            self.signal(signal.SIGKILL)

    def reap(self) -> None:
        os.read(self.wake_read, 512)

    def keep_output(self) -> None:
        while True:
            try:
                chunk = os.read(self.output, CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                if self.output in self.selector.get_map():
                    self.selector.unregister(self.output)
                return
            self.log.write(chunk)

    def answer(self) -> None:
        requests: dict[str, Callable[..., None]] = {
            "ports": self.send_ports,
            "socket": self.send_socket,
            "stop": self.take_stop,
        }
        connection, _ = self.control.accept()
        with connection:
            connection.settimeout(1)
            try:
                verb, *values = connection.recv(64).decode().split()
                requests[verb](connection, *values)
            except (OSError, ValueError, KeyError, TypeError):
                return

    def send_ports(self, connection: socket.socket) -> None:
        pids = None if self.own_network else session_of(self.app.pid)
        connection.sendall(json.dumps(listening_ports(pids)).encode())

    def send_socket(self, connection: socket.socket, family: str) -> None:
        passed = socket.socket(socket.AddressFamily[family], socket.SOCK_STREAM)
        descriptors = array.array("i", [passed.fileno()])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)
        connection.sendmsg([b"s"], [rights])
        passed.close()

    def take_stop(self, connection: socket.socket, grace_s: str) -> None:
        self.stop(float(grace_s))
        connection.sendall(b"stopping")

    def stop(self, grace_s: float) -> None:
        if self.kill_at is None:
            self.signal(signal.SIGTERM)
        self.kill_at = time.monotonic() + grace_s

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.app.pid, number)

    def write(self, name: str, text: str) -> None:
        """Write a file of the run directory, whole or not at all."""
        draft = os.path.join(self.run_dir, f"{name}.tmp")
        with open(draft, "w") as file:
            file.write(text)
        os.replace(draft, os.path.join(self.run_dir, name))


def main(arguments: list[str]) -> None:
    """Run the app that the arguments name."""
    options, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    run_dir, log_file, *given = options
    flags = {name: value for name, _, value in (flag.partition("=") for flag in given)}
    if "--outbound" in flags:
        wait_for_network(int(flags["--outbound"]))
    Launcher(run_dir, log_file, command, flags).run()


if __name__ == "__main__":
    main(sys.argv[1:])
