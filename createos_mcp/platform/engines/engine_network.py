"""Where an engine's bridges are: in this machine's network, or in one of rootless Docker's own."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from createos_mcp.platform.sandbox.addresses import own_addresses

_UNIX = "unix://"
_PEER = struct.Struct("3i")
"""Process, user and group, see unix(7)."""

_STATE = b"ROOTLESSKIT_STATE_DIR="
_DETACHED = "netns"
"""The network of a daemon that stays out of it, as rootless Docker 26 and newer does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineNetwork:
    """The network of an engine's bridges."""

    prefix: tuple[str, ...] = ()
    """Words before a command that run it there, with the rights to change it."""
    number: int = 0
    """Of the network, where it is not this machine's: a process may come back with its ID."""
    resolvers: tuple[str, ...] = ()
    """Where containers ask for names, `192.168.1.1`."""
    outside: tuple[str, ...] = ()
    """Addresses of this machine where the engine has a network of its own, `203.0.113.7/32`."""


def network_of(host: str) -> EngineNetwork:
    """The network of the engine at an address; an ordinary user's engine is a rootless one.

    Args:
        host: `unix:///run/user/1000/docker.sock`.

    Raises:
        OSError: Nothing answers there.
    """
    if os.geteuid() == 0:
        return machine_network()
    pid = _peer_of(host.removeprefix(_UNIX))
    root = Path(f"/proc/{pid}/root")
    where = "--net"
    for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if variable.startswith(_STATE):
            detached = root / variable.removeprefix(_STATE).decode().lstrip("/") / _DETACHED
            where = f"--net={detached}" if detached.exists() else where
    return EngineNetwork(
        number=_number_of(pid, where),
        prefix=("nsenter", f"--target={pid}", "--preserve-credentials", "--user", where),
        resolvers=tuple(_resolvers_in(root, Path.home() / ".config/docker/daemon.json")),
        outside=tuple(own_addresses()),
    )


def _number_of(pid: int, where: str) -> int:
    return Path(where.partition("=")[2] or f"/proc/{pid}/ns/net").stat().st_ino


def machine_network() -> EngineNetwork:
    """The network of this machine."""
    return EngineNetwork(resolvers=tuple(_resolvers_in(Path("/"), Path("/etc/docker/daemon.json"))))


def _peer_of(place: str) -> int:
    """The process that listens at a socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid: int = _PEER.unpack(told)[0]
    return pid


def _resolvers_in(root: Path, settings_file: Path) -> Iterator[str]:
    """Those that Docker gives to containers, https://docs.docker.com/engine/network/#dns-services.

    Where there is nothing but the stub of systemd-resolved, it takes what is behind that.
    """
    with suppress(OSError, ValueError):
        settings = json.loads(settings_file.read_bytes())
        yield from filter(_is_elsewhere, settings.get("dns", ()))
    for place in ("etc/resolv.conf", "run/systemd/resolve/resolv.conf"):
        found = []
        with suppress(OSError):
            rows = [line.split() for line in (root / place).read_text().splitlines()]
            named = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
            found = list(filter(_is_elsewhere, named))
        yield from found
        if found:
            return


def _is_elsewhere(address: str) -> bool:
    with suppress(ValueError):
        return not IPv4Address(address).is_loopback
    return False
