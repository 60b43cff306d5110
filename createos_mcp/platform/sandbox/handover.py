"""Handing over: connections to an app's port that become connections of its service itself.

What a relay carries crosses two processes more; what is handed over crosses none. The launcher of
the app passes the accepted connection to the launcher of the service. That one opens a connection
of its own to the service's port, in a network that nobody else is in, and exchanges it for the one
that was passed as soon as the service asks for its address with getsockname(2). The kernel stops
there and lets the launcher answer, see seccomp_unotify(2); needs Linux 5.9.

A server fits that asks so before it does anything else with what it has accepted, as PostgreSQL
does in `pq_init`: https://github.com/postgres/postgres/blob/master/src/backend/libpq/pqcomm.c.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import selectors
import signal
import socket
import struct
import threading
from dataclasses import dataclass
from functools import partial

from createos_mcp.platform.sandbox.descriptors import opened_place

SOCKET_NAME = "passed"
"""In a directory that no app sees: who passes a connection has not shared it with the app."""

MAX_PENDING = 256
"""Connections that were passed and that the service has not accepted yet."""

SINCE = (5, 9)
"""Of Linux. Before, a call that is held can be refused and not exchanged."""

_CALLS = {"x86_64": (0xC000003E, 317, 51), "aarch64": (0xC00000B7, 277, 204)}
"""AUDIT_ARCH_*, and the numbers of seccomp(2) and getsockname(2)."""

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_FILTER_MODE, _NEW_LISTENER = 1, 8

# https://github.com/torvalds/linux/blob/master/include/uapi/linux/seccomp.h
_RECEIVE, _ANSWER, _ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_CONTINUE, _AT_NUMBER = 1, 1

# https://github.com/torvalds/linux/blob/master/include/uapi/linux/inet_diag.h
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_ANY_STATE, _ANY_COOKIE = 0xFFFFFFFF, (0xFFFFFFFF, 0xFFFFFFFF)
_PORTS_AT, _INODE_AT = 20, 84

_NO_LINGER, _RESET = struct.pack("=ii", 0, 0), struct.pack("=ii", 1, 0)
"""Close in the background, and at once: then nothing stays in the table of connections."""


def pass_on(connection: socket.socket, directory: str) -> bool:
    """Give a connection to the launcher of a service; whether that took it.

    Args:
        connection: To be closed afterwards.
        directory: Where that launcher listens. No link in its place is followed.
    """
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))
    try:
        with (
            opened_place(os.path.join(directory, SOCKET_NAME)) as found,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            # By its descriptor: a path may not be longer than 107 bytes, see unix(7).
            sender.sendmsg([b"c"], [rights], 0, f"/proc/self/fd/{found}")
    except OSError:
        return False
    return True


def install_notifier(channel: socket.socket) -> None:
    """In the child: stop at getsockname(2) from here on, and send who answers the descriptor.

    Raises:
        OSError: The kernel does not do it.
    """
    audit, call, asked = _CALLS[platform.machine()]
    code = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 2, audit),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 1, 0, asked),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    )
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=HxxxxxxQ", len(code), ctypes.addressof(kept))
    notifier = ctypes.CDLL(None, use_errno=True).syscall(call, _FILTER_MODE, _NEW_LISTENER, header)
    if notifier < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    socket.send_fds(channel, [b"n"], [notifier])
    os.close(notifier)


@dataclass(frozen=True, slots=True)
class Passed:
    """A connection that was passed, and the one that is exchanged for it."""

    connection: socket.socket
    stand_in: socket.socket

    def close(self) -> None:
        """Forget it here; the service keeps what it got."""
        with contextlib.suppress(OSError):
            self.stand_in.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.stand_in.close()
        self.connection.close()


class Handover:
    """The service's side: takes connections, and has the service accept them.

    Args:
        port: Where the service listens, on the loopback of its own network.
        directory: Where connections are passed; made where it is missing.
    """

    def __init__(self, selector: selectors.BaseSelector, port: int, directory: str) -> None:
        self.selector = selector
        self.port = port
        self.directory = directory
        self.pending: dict[int, Passed] = {}
        """By the port of the stand-in."""
        self.channel, self.child_channel = socket.socketpair()
        self.passed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def install(self) -> None:
        """In the child: have the service's calls answered here, where the kernel can do that."""
        if kernel_version(os.uname().release) < SINCE:
            return
        with contextlib.suppress(OSError, KeyError):
            install_notifier(self.child_channel)

    def begin(self) -> None:
        """Once the child runs: take connections, if their exchange is possible."""
        self.child_channel.close()
        with self.channel:
            _, descriptors, _, _ = socket.recv_fds(self.channel, 1, 1)
        if not descriptors:
            return
        (self.notifier,) = descriptors
        # It waits although there is nothing to come where who called was killed, see BUGS there.
        threading.Thread(target=self.answer_all, daemon=True).start()
        with contextlib.suppress(OSError):  # Else relays find nobody, and carry on.
            if tells_inodes():
                self.listen()
                self.selector.register(self.passed, selectors.EVENT_READ, self.take)

    def listen(self) -> None:
        """Bind the socket, open to all who see its directory: the relays of containers, too."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.directory)
        folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        mask = os.umask(0o111)
        try:
            os.fchmod(folder, 0o711)
            os.fchdir(folder)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SOCKET_NAME)
            self.passed.bind(SOCKET_NAME)
        finally:
            os.umask(mask)
            os.fchdir(here)
            os.close(here)
            os.close(folder)
        self.passed.setblocking(False)

    def take(self) -> None:
        """Have the service accept a connection that was passed."""
        try:
            _, descriptors, _, _ = socket.recv_fds(self.passed, 1, 1)
        except OSError:
            return
        for descriptor in descriptors:
            connection = as_tcp(descriptor)
            if connection is None:
                continue
            try:
                self.stand_in_for(connection)
            except OSError:  # There are too many at once.
                connection.close()

    def stand_in_for(self, connection: socket.socket) -> None:
        """Open a stand-in.

        Raises:
            OSError: There are too many.
        """
        if len(self.pending) >= MAX_PENDING:
            raise OSError(errno.EMFILE, "too many connections are pending")
        stand_in = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stand_in.setblocking(False)
        try:
            stand_in.bind(("127.0.0.1", 0))
            port = stand_in.getsockname()[1]
            self.selector.register(stand_in, selectors.EVENT_READ, partial(self.drop, port))
        except OSError:
            stand_in.close()
            raise
        # Before it is connected: the service may ask at once.
        self.pending[port] = Passed(connection, stand_in)
        stand_in.connect_ex(("127.0.0.1", self.port))

    def drop(self, port: int) -> None:
        """Close what the service refused, or has got: it has closed the stand-in."""
        passed = self.pending.pop(port, None)
        if passed is not None:
            self.selector.unregister(passed.stand_in)
            passed.close()

    def answer_all(self) -> None:
        """Answer the service's calls as long as there is one of its processes."""
        # An exchange that a signal interrupts does not happen.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        hung_up = select.poll()
        hung_up.register(self.notifier, 0)
        try:
            while not hung_up.poll(0):
                self.answer_one()
        finally:
            os.close(self.notifier)  # What is still held fails then.

    def answer_one(self) -> None:
        """Wait for a call, and answer it."""
        told = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.notifier, _RECEIVE, told)
        except OSError:  # Who called has ended.
            return
        call, pid, _, _, _, _, descriptor, *_ = _NOTIFICATION.unpack(told)
        outcome = (0, _CONTINUE)
        try:
            self.exchange(call, pid, descriptor)
        except (OSError, struct.error):  # It was dropped meanwhile, say: its client need not wait.
            outcome = (-errno.EIO, 0)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.notifier, _ANSWER, struct.pack("=QqiI", call, 0, *outcome))

    def exchange(self, call: int, pid: int, descriptor: int) -> None:
        """Put what was passed in place of a stand-in, where a call is about one.

        Raises:
            OSError: Who called has ended.
        """
        passed = self.passed_to(pid, descriptor) if self.pending else None
        if passed is not None:
            given = (call, _AT_NUMBER, passed.connection.fileno(), descriptor, os.O_CLOEXEC)
            fcntl.ioctl(self.notifier, _ADD_DESCRIPTOR, struct.pack("=QIIII", *given))

    def passed_to(self, pid: int, descriptor: int) -> Passed | None:
        """What a process of the service gets in place of the stand-in that it accepted there.

        Raises:
            OSError: The process has ended.
        """
        found = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        # As many as there are at one time, which is few.
        for port, passed in [*self.pending.items()]:
            if found == f"socket:[{accepted_inode(self.port, port)}]":
                return passed
        return None


def kernel_version(release: str) -> tuple[int, int]:
    """Major and minor of `6.18.44-generic`; zeros where that cannot be read."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def tells_inodes() -> bool:
    """Whether the kernel tells of a connection what an exchange has to know.

    Raises:
        OSError: It does not even make one.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            with accepted:
                told = accepted_inode(port, client.getsockname()[1])
                return told == os.fstat(accepted.fileno()).st_ino


def accepted_inode(port: int, peer: int) -> int:
    """The inode of a connection to a port of loopback that was accepted; 0 where there is none.

    Asked of the kernel about this one, see sock_diag(7): its table of all changes while it is read.

    Raises:
        OSError: The kernel does not say.
    """
    loopback = socket.inet_aton("127.0.0.1").ljust(16, b"\0")
    ends = struct.pack("!HH16s16sI", port, peer, loopback, loopback, 0)
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    request += ends + struct.pack("=II", *_ANY_COOKIE)
    header = struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.send(header + request)
        answer = netlink.recv(4096)
    (kind,) = struct.unpack_from("=H", answer, 4)
    if kind == _BY_FAMILY:
        # Without such a connection, it tells of what listens there.
        is_it = struct.unpack_from("!HH", answer, _PORTS_AT) == (port, peer)
        return int(struct.unpack_from("=I", answer, _INODE_AT)[0]) if is_it else 0
    (code,) = struct.unpack_from("=i", answer, 16)
    if code == -errno.ENOENT:
        return 0
    raise OSError(-code, f"sock_diag: {os.strerror(-code)}")


def as_tcp(descriptor: int) -> socket.socket | None:
    """What was passed, if it is a TCP connection over IPv4; anything else is closed."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if (found.family, found.type) == (socket.AF_INET, socket.SOCK_STREAM):
        with contextlib.suppress(OSError):  # Nobody makes this process wait for its end.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        return found
    found.close()
    return None
