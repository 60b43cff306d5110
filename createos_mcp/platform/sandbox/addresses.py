"""The machine's own addresses, which apps and builds have no way to."""

import socket
from collections.abc import Sequence

import psutil


def own_addresses() -> Sequence[str]:
    """Every address of this machine now, as networks: `203.0.113.7/32`."""
    found = {
        f"{address.address}/32"
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    }
    return sorted(found)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
