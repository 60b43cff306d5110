"""What hostile code tries from inside a sandbox; run there, it prints every outcome as JSON.

`hostile.py '{"tcp": [["10.0.0.1", 80]]}'`: addresses to try. It needs the standard library only.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

CALLS = {
    "unshare user": (272, 0x10000000),
    "unshare mount": (272, 0x20000),
    "clone user": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": (435, 0, 0),
    "keyctl": (250, 0, -3, 1),
    "bpf": (321, 5, 0, 0),
    "userfaultfd": (323, 0),
    "io_uring": (425, 4, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0),
    "ptrace": (101, 0, 0, 0, 0),
    "perf": (298, 0, 0, -1, -1, 0),
    "open by handle": (304, 0, 0, 0),
    "shmget": (29, 0, 600 << 20, 0o1600),
}
FAMILIES = {"vsock": 40, "packet": 17, "alg": 38, "bluetooth": 31, "xdp": 44}
SYSCTLS = ("kernel/core_pattern", "kernel/printk", "vm/swappiness", "net/ipv4/ip_forward")
PLACES = ("/x", "/dev/x", "/usr/x", "/etc/x", "/app/x", "/tmp/x")
MAX_CHILDREN = 700

libc = ctypes.CDLL(None, use_errno=True)


def attempt(action: Callable[..., object], *values: Any) -> str:
    """`done`, or the name of what stopped it."""
    try:
        action(*values)
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)
    return "done"


def call(number: int, *arguments: Any) -> None:
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def write_same(path: str) -> None:
    """Write what is there already, so that a success does no harm."""
    with open(path) as file:
        value = file.read()
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, value.encode())
    os.close(descriptor)


def create(path: str) -> None:
    with open(path, "w") as file:
        file.write("x")


def read(path: str) -> None:
    with open(path) as file:
        file.read()


def open_socket(family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


def connect(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as made:
        made.settimeout(1.5)
        made.connect((host, port))


def listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def fork_many() -> str:
    children = 0
    with contextlib.suppress(OSError):
        while children < MAX_CHILDREN:
            if os.fork() == 0:
                os.setsid()
                time.sleep(20)
                os._exit(0)
            children += 1
    return "without limit" if children == MAX_CHILDREN else "limited"


def main(given: dict[str, Any]) -> None:
    status = dict(
        line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line
    )
    told = {
        "ids": [os.getuid(), os.getgid(), os.getgroups()],
        "capabilities": [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")],
        "no new privileges": status["NoNewPrivs"].strip(),
        "root": sorted(listed("/")),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "environ of others": {
            name: attempt(read, f"/proc/{name}/environ")
            for name in os.listdir("/proc")
            if name.isdigit() and int(name) != os.getpid()
        },
        "sysctl": {path: attempt(write_same, f"/proc/sys/{path}") for path in SYSCTLS},
        "signals": {pid: attempt(os.kill, pid, 0) for pid in given.get("signal", ())},
        "sysrq": attempt(os.open, "/proc/sysrq-trigger", os.O_WRONLY),
        "replace app": attempt(os.rename, "/app", "/app2"),
        "remove app": attempt(os.rmdir, "/app"),
        "write": {
            path: attempt(create, path)
            for path in (
                "/x",
                "/dev/x",
                "/usr/x",
                "/etc/x",
                "/app/x",
                "/tmp/x",
                *given.get("write", ()),
            )
        },
        "read": {path: attempt(read, path) for path in given.get("read", ())},
        "calls": {name: attempt(call, *arguments) for name, arguments in CALLS.items()},
        "sockets": {name: attempt(open_socket, family) for name, family in FAMILIES.items()},
        "raw socket": attempt(open_socket, socket.AF_INET, socket.SOCK_RAW, 1),
        "tcp": {
            f"{host}:{port}": attempt(connect, host, port) for host, port in given.get("tcp", ())
        },
        "mounts": [line.split()[4] for line in open("/proc/self/mountinfo")],
        "variables": {name: os.environ.get(name) for name in given.get("variables", ())},
    }
    told["children"] = fork_many()
    print("TOLD" + json.dumps(told), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
