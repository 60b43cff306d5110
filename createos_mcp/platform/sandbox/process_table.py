"""What `/proc` tells of the processes that a launcher started."""

import contextlib
import os
from collections.abc import Iterator, Sequence

LISTENING = "0A"


def listening_ports() -> list[int]:
    """TCP ports that anything in this network listens on."""
    return sorted({port for port, _ in _listeners()})


def ports_of(pids: Sequence[int]) -> list[int]:
    """TCP ports that these processes listen on, in a network that they share with others."""
    inodes = _sockets_of(pids)
    return sorted({port for port, inode in _listeners() if inode in inodes})


def listening_ports_of(pid: int) -> list[int]:
    """TCP ports that a process and its descendants listen on, in the network that it is in.

    Others may listen there, too: relays of services do, for one.
    """
    inodes = _sockets_of(descendants(pid))
    return sorted({port for port, inode in _listeners(str(pid)) if inode in inodes})


def _sockets_of(pids: Sequence[int]) -> set[str]:
    """The inodes of the sockets that processes have open."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    return inodes


def _listeners(whose: str = "self") -> Iterator[tuple[int, str]]:
    """Port and inode of each listening TCP socket, as proc_net(5) has them."""
    for table in (f"/proc/{whose}/net/tcp", f"/proc/{whose}/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as rows:
            next(rows)
            for row in rows:
                fields = row.split()
                if fields[3] == LISTENING:
                    yield int(fields[1].rsplit(":", 1)[1], 16), fields[9]


def descendants(pid: int) -> list[int]:
    """A process and everything that descends from it, whatever session that moved to."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children") as children:
                    waiting += map(int, children.read().split())
    return found


def memory_of(pids: Sequence[int]) -> int:
    """Bytes in use: shared pages count once, memory files and temporary ones count, too."""
    return sum(resident_share(pid) for pid in pids) + memory_files(pids) + temporary_files(pids)


def temporary_files(pids: Sequence[int]) -> int:
    """Bytes of files in the memory that bubblewrap gave them for `/tmp` and `/dev/shm`."""
    if not pids or not is_bubblewrap(pids[0]):
        return 0
    inside = next((pid for pid in pids if not is_bubblewrap(pid)), None)
    total = 0
    for place in ("tmp", "dev/shm"):
        with contextlib.suppress(OSError):
            space = os.statvfs(f"/proc/{inside}/root/{place}")
            total += (space.f_blocks - space.f_bfree) * space.f_frsize
    return total


def resident_share(pid: int) -> int:
    """Proportional set size, https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def memory_files(pids: Sequence[int]) -> int:
    """Bytes of files that memfd_create made; those that nobody mapped are in no process's size."""
    blocks = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                place = f"/proc/{pid}/fd/{name}"
                with contextlib.suppress(OSError):
                    if os.readlink(place).startswith("/memfd:"):
                        stat = os.stat(place)
                        blocks[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(blocks.values())


def is_bubblewrap(pid: int) -> bool:
    """Whether a process is one of bubblewrap's own."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as comm:
        return comm.read() == "bwrap\n"
    return False
