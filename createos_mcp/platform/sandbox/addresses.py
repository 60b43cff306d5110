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
