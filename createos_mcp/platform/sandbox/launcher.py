"""Runs one app or build step in its sandbox, from outside; needs the standard library only.

Started as `launcher.py RUN_DIR LOG [FLAGS] -- WORDS...`, it makes a network for the app, starts
the words (bubblewrap and what runs in it), and stays until they end; the launcher of an app
outlives the platform. RUN_DIR and LOG are never visible inside. It keeps the output with the time
of each line in LOG (`-` passes it on as it is), writes the exit code to RUN_DIR/exit, and answers
on the socket RUN_DIR/control, one request a connection:

    ports          a JSON list of the TCP ports that the app listens on
    socket INET    one byte, and with it a TCP socket that belongs to the app's network
    forbid NETS    no way to these networks any more: an address that the machine got later
    stop 10        ends the app: SIGTERM, and SIGKILL after so many seconds

The variables of the app are in RUN_DIR/environ.json, which is removed once it is read. They reach
the app as shell lines on descriptor 4, and are set by its last step: what still has rights never
sees them. Descriptor 3 is the filter of system calls.

The flags:

    --network=own      make a network for the app; without it, it has that of the machine
    --slirp=PROGRAM    give that network a way out
    --forbid=NETS      networks without a way to them, with commas between them
    --permit=ADDRS     single addresses that have one nevertheless
    --filter=FILE      the filter of system calls
    --write=PATH       without bubblewrap: what the app may write, by Landlock; may be repeated
    --read=PATH        what it may read; may be repeated
    --resolver=FILE    what the app sees as /etc/resolv.conf
    --group=FILE       joined by the app alone: a control group's `cgroup.procs`; may be repeated
    --launcher-group=FILE  joined by the launcher itself
    --memory-mb=500    end the app when it uses more; without a control group
    --relay=5432=PATH  this port of the app's loopback leads to a socket; may be repeated
    --tls=5432=FILE    clients of that port may ask for TLS, with this key and certificate
    --pass-to=5432=DIR connections to that port are passed in DIR to the service
    --handover=5432=DIR  the service: what is passed there becomes a connection to its port
    --with-parent      end when the parent ends
    --nice=5           how much later than others the app has the processor
"""

import array
import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from createos_mcp.platform.sandbox import landlock, launcher_input, network
from createos_mcp.platform.sandbox.descriptors import is_open, lay_down, read_descriptor
from createos_mcp.platform.sandbox.handover import Handover
from createos_mcp.platform.sandbox.launcher_output import CHUNK_BYTES, Log, Pace, PassedOn
from createos_mcp.platform.sandbox.outbound import CONSTANT_ENVIRON, Outbound
from createos_mcp.platform.sandbox.process_table import (
    descendants,
    is_bubblewrap,
    listening_ports,
    memory_of,
    ports_of,
)
from createos_mcp.platform.sandbox.relays import Relay

MEMORY_POLL_S = 0.25
CONTROL_TIMEOUT_S = 1.0
WAITING_REQUESTS = 1024
"""All visitors of an app may come at once."""
MB = 2**20

FILTER_FD, VARIABLES_FD = 3, 4
"""One digit each: dash redirects no others."""


FLOOR_MB = 512
"""Less private memory aborts Bun and larger Node apps at their start; the watch limits the rest."""

PRCTL_DEATH_SIGNAL, PRCTL_SUBREAPER = 1, 36

END_ROUNDS, END_PAUSE_S = 500, 0.002


class Launcher:
    """The app, its output, and the socket by which the platform asks for it."""

    def __init__(self, run_dir: str, log: str, flags: dict[str, list[str]]) -> None:
        self.run_dir = run_dir
        self.flags = flags
        self.own_network = "network" in flags
        self.max_bytes = int(self.flag("memory-mb", "0")) * MB
        self.look_at = 0.0
        self.kill_at: float | None = None
        self.others: set[int] = set()
        """Children that are not the app's."""
        self.relayed: set[int] = set()
        """Ports on which this process listens for the app."""
        self.handover: Handover | None = None
        self.log: Log | PassedOn = PassedOn() if log == "-" else Log(log)
        self.pace = Pace()
        self.selector = selectors.DefaultSelector()
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(self.wake_read, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop(10.0))

    def flag(self, name: str, default: str = "") -> str:
        """The last value of a flag."""
        return self.flags.get(name, [default])[-1]

    def listen(self) -> None:
        """Bind the control socket; its short name fits the 108 bytes of unix(7)."""
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        os.chdir(self.run_dir)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("control")
        self.control.bind("control")
        os.fchdir(here)
        os.close(here)
        self.control.listen(WAITING_REQUESTS)

    def enter_network(self) -> None:
        """Leave the machine's network for one of the app's own."""
        if not self.own_network:
            return
        slirp = self.flag("slirp")
        outbound = Outbound(slirp, self.run_dir) if slirp else None
        self.others = {outbound.pid} if outbound else set()
        by_landlock = "write" in self.flags
        network.leave_network(keeps_user=by_landlock)
        if by_landlock and self.flag("resolver"):
            network.bind_file(self.flag("resolver"), "/etc/resolv.conf")
        network.raise_loopback()
        network.forbid([*network.FORBIDDEN, *filter(None, self.flag("forbid").split(","))])
        is_open = outbound is not None and outbound.open()
        if is_open:
            network.permit([*filter(None, self.flag("permit").split(","))])
        self.write("outbound", "yes" if is_open else "no")

    def open_relays(self) -> None:
        """Listen for the app where it finds its services, before it can ask for them."""
        relays, certificates, handovers, own = (
            launcher_input.by_port(self.flags, name)
            for name in ("relay", "tls", "pass-to", "handover")
        )
        for port, place in relays.items():
            self.relayed.add(int(port))
            file = certificates.get(port)
            certificate = launcher_input.read_file(file) if file else b""
            Relay(self.selector, int(port), place, certificate, handovers.get(port, "")).listen()
        for port, directory in own.items():
            self.handover = Handover(self.selector, int(port), directory)

    def start(self, words: Sequence[str]) -> None:
        """Start the app with its variables and the filter on their descriptors."""
        # Read by this process, which had to keep its rights to open it.
        self.app = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=CONSTANT_ENVIRON,
            pass_fds=[fd for fd in (FILTER_FD, VARIABLES_FD) if is_open(fd)],
            preexec_fn=self.limit,  # noqa: PLW1509 - this process has one thread
        )
        for descriptor in (FILTER_FD, VARIABLES_FD):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if self.handover:
            self.handover.begin()
        self.has_output = True
        self.output = self.app.stdout.fileno() if self.app.stdout else -1
        os.set_blocking(self.output, False)

    def limit(self) -> None:
        """In the child: join the control groups, and set what is counted per process."""
        join(self.flags.get("group", ()))
        os.nice(int(self.flag("nice", "0")))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("500")
        limits = {
            resource.RLIMIT_NOFILE: 8192,
            resource.RLIMIT_FSIZE: 1024 * MB,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 64 * 1024,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if self.max_bytes:
            # Not RLIMIT_AS: that one counts address space which Node and Go only reserve.
            # Twice the limit: up to it the watch ends the app and can say why.
            limits[resource.RLIMIT_DATA] = 2 * max(self.max_bytes, FLOOR_MB * MB)
        for kind, most in limits.items():
            hard = resource.getrlimit(kind)[1]
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (value, value))
        if self.handover:
            self.handover.install()
        if "write" in self.flags:
            self.restrict()

    def restrict(self) -> None:
        """In the child, where bubblewrap is missing: what the kernel refuses without it."""
        landlock.restrict(write=self.flags["write"], read=self.flags.get("read", []))
        if os.getuid():
            landlock.drop_capabilities()
        if "filter" in self.flags:
            landlock.install_filter(read_descriptor(FILTER_FD))

    def run(self) -> int:
        """Serve until the app has ended, then write its exit code and return it."""
        self.selector.register(self.control, selectors.EVENT_READ, self.answer)
        self.watch_output()
        self.selector.register(self.wake_read, selectors.EVENT_READ, self.reap)
        while self.app.poll() is None:
            for key, _ in self.selector.select(self.patience_s()):
                key.data()
            self.watch_output()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.app.kill()
            if self.max_bytes and time.monotonic() >= self.look_at:
                self.watch_memory()
        self.end_all()
        while self.keep_output():
            pass
        self.log.close()
        code = self.app.returncode if self.app.returncode >= 0 else 128 - self.app.returncode
        self.write("exit", str(code))
        return code

    def patience_s(self) -> float | None:
        """How long to wait for something to happen before looking at clock, memory and output."""
        waits = [MEMORY_POLL_S] if self.max_bytes else []
        if self.kill_at is not None:
            waits.append(max(self.kill_at - time.monotonic(), 0))
        if self.has_output and not self.is_watching_output():
            waits.append(self.pace.wait_s())
        return min(waits, default=None)

    def is_watching_output(self) -> bool:
        """Whether output wakes this process."""
        return self.output in self.selector.get_map()

    def watch_output(self) -> None:
        """Look at the output, or leave it in the pipe while the app floods it."""
        may_read = self.has_output and not self.pace.wait_s()
        if may_read and not self.is_watching_output():
            self.selector.register(self.output, selectors.EVENT_READ, self.keep_output)
        elif not may_read and self.is_watching_output():
            self.selector.unregister(self.output)

    def watch_memory(self) -> None:
        """End the app when all that descends from it uses too much."""
        self.look_at = time.monotonic() + MEMORY_POLL_S
        if memory_of(self.processes()) > self.max_bytes:
            self.write("out-of-memory", "")
            self.signal(signal.SIGKILL)
            self.app.kill()

    def processes(self) -> list[int]:
        """The app and all that it started, also what its parents have left behind.

        This process is the parent of whatever loses its own: see PR_SET_CHILD_SUBREAPER in
        prctl(2).
        """
        started = descendants(os.getpid())[1:]
        return [pid for pid in started if pid not in self.others]

    def end_all(self) -> None:
        """Leave nothing behind of an app that has ended; what forks meanwhile is found again."""
        for _ in range(END_ROUNDS):
            self.reap()
            left = self.processes()
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(END_PAUSE_S)

    def reap(self) -> None:
        """Take note of children that have ended, but of the app, which `run` waits for."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake_read, 512)
        for pid in self.processes():
            if pid != self.app.pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def keep_output(self) -> bool:
        """Keep one piece of what the app has printed; False where there is none."""
        try:
            chunk = os.read(self.output, CHUNK_BYTES)
        except BlockingIOError:
            return False
        self.has_output = bool(chunk)
        self.pace.take(len(chunk))
        self.log.write(chunk)
        return self.has_output

    def answer(self) -> None:
        """Serve one request of the platform."""
        requests: dict[str, Callable[..., None]] = {
            "ports": self.send_ports,
            "socket": self.send_socket,
            "forbid": self.take_forbid,
            "stop": self.take_stop,
        }
        wrong = (OSError, ValueError, KeyError, TypeError)
        with contextlib.suppress(*wrong), self.control.accept()[0] as connection:
            connection.settimeout(CONTROL_TIMEOUT_S)
            verb, *values = connection.recv(4096).decode().split()
            requests[verb](connection, *values)

    def send_ports(self, connection: socket.socket) -> None:
        """Tell where the app listens."""
        found = listening_ports() if self.own_network else ports_of(self.processes())
        found = [port for port in found if port not in self.relayed]
        connection.sendall(json.dumps(found).encode())

    def send_socket(self, connection: socket.socket, family: str) -> None:
        """Pass a socket of the app's network."""
        passed = socket.socket(socket.AddressFamily[family], socket.SOCK_STREAM)
        descriptors = array.array("i", [passed.fileno()])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)
        connection.sendmsg([b"s"], [rights])
        passed.close()

    def take_forbid(self, connection: socket.socket, networks: str) -> None:
        """Close the way to networks."""
        network.forbid(networks.split(","))
        connection.sendall(b"forbidden")

    def take_stop(self, connection: socket.socket, grace_s: str) -> None:
        """Begin to end the app."""
        self.stop(float(grace_s))
        connection.sendall(b"stopping")

    def stop(self, grace_s: float) -> None:
        """SIGTERM now, once, and SIGKILL later."""
        if self.kill_at is None:
            self.signal(signal.SIGTERM)
        self.kill_at = time.monotonic() + grace_s

    def signal(self, number: int) -> None:
        """Send a signal to the app, not to the bubblewrap processes around it.

        Those end with the app; a signal to them would end it without notice.
        """
        for pid in self.processes():
            if pid != self.app.pid and not is_bubblewrap(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        if not is_bubblewrap(self.app.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.app.pid, number)

    def write(self, name: str, text: str) -> None:
        """Write a file of the run directory, whole or not at all."""
        draft = os.path.join(self.run_dir, f"{name}.tmp")
        with open(draft, "w") as file:
            file.write(text)
        os.replace(draft, os.path.join(self.run_dir, name))


def join(groups: Sequence[str]) -> None:
    """Make this process a member of control groups."""
    for file in groups:
        with open(file, "w") as members:
            members.write("0")


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name."""
    at = arguments.index("--")
    (run_dir, log, *given), words = arguments[:at], arguments[at + 1 :]
    flags = launcher_input.read_flags(given)
    variables = launcher_input.read_variables(run_dir)
    join(flags.get("launcher-group", ()))
    filter_file = flags["filter"][-1] if "filter" in flags else os.devnull
    lay_down(launcher_input.read_file(filter_file), FILTER_FD)
    lay_down(variables, VARIABLES_FD)
    if "with-parent" in flags:
        ctypes.CDLL(None).prctl(PRCTL_DEATH_SIGNAL, signal.SIGKILL)
    ctypes.CDLL(None).prctl(PRCTL_SUBREAPER, 1)
    launcher = Launcher(run_dir, log, flags)
    launcher.listen()
    launcher.enter_network()
    launcher.open_relays()
    launcher.start(words)
    sys.exit(launcher.run())


if __name__ == "__main__":
    main(sys.argv[1:])
