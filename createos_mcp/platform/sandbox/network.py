"""A network of its own for an app, by system calls only: namespaces, loopback, forbidden routes.

The launcher uses it, which has the standard library only.
"""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Sequence

FORBIDDEN = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/0",
)
"""What is not the public internet, https://www.iana.org/assignments/iana-ipv4-special-registry.

slirp4netns offers no way out over IPv6.
"""

GATEWAY = "10.0.2.2"
RESOLVER = "10.0.2.3"
"""Where slirp4netns routes and answers DNS; see slirp4netns(1)."""

_NEW_USER, _NEW_NETWORK, _NEW_MOUNTS = 0x10000000, 0x40000000, 0x20000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40
_RTM_NEWROUTE, _REQUEST_ACK_CREATE = 24, 0x405
_UNICAST, _PROHIBIT, _MAIN_TABLE, _STATIC = 1, 8, 254, 4
_RTA_DESTINATION, _RTA_GATEWAY = 1, 5
_EXISTS = -17


def leave_network(*, keeps_user: bool = False) -> None:
    """Enter a network namespace that is empty.

    Root needs nothing else; an ordinary user makes a user namespace around it.

    Args:
        keeps_user: Whether that user stays who it is in there, has mounts of its own, and no
            rights once it runs a program; otherwise it is root there, as bubblewrap needs.

    Raises:
        OSError: This machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    spaces = _NEW_NETWORK | (_NEW_USER if user else 0) | (_NEW_MOUNTS if keeps_user else 0)
    if libc.unshare(spaces):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    if user:
        # The order is prescribed: https://man7.org/linux/man-pages/man7/user_namespaces.7.html
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user if keeps_user else 0} {user} 1")
        _write("/proc/self/gid_map", f"{group if keeps_user else 0} {group} 1")


def bind_file(source: str, place: str) -> None:
    """Show another file at a place, to this process and its children alone.

    Raises:
        OSError: This machine does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    steps = (
        (b"none", b"/", _RECURSIVE | _PRIVATE),
        (source.encode(), os.path.realpath(place).encode(), _BIND),
    )
    for origin, target, flags in steps:
        if libc.mount(origin, target, None, flags, None):
            number = ctypes.get_errno()
            raise OSError(number, f"mount {place}: {os.strerror(number)}")


def raise_loopback() -> None:
    """Bring the loopback interface up."""
    with socket.socket() as any_socket:
        flags = struct.pack("16sh22x", b"lo", _IFF_UP | _IFF_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, flags)


def forbid(networks: Sequence[str]) -> None:
    """Refuse connections to these networks, whatever default route comes later.

    Args:
        networks: `10.0.0.0/8`, `203.0.113.7/32`, `::/0`.
    """
    for network in networks:
        _add_route(network, _PROHIBIT, b"")


def permit(addresses: Sequence[str]) -> None:
    """Let single IPv4 addresses through although their network is forbidden.

    Args:
        addresses: `10.1.2.3`. The way out has to be there already.
    """
    for address in addresses:
        gateway = struct.pack("=HH4s", 8, _RTA_GATEWAY, socket.inet_aton(GATEWAY))
        _add_route(f"{address}/32", _UNICAST, gateway)


def _add_route(network: str, kind: int, attributes: bytes) -> None:
    """One netlink message, https://man7.org/linux/man-pages/man7/rtnetlink.7.html."""
    address, _, length = network.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    route = (family, int(length), 0, 0, _MAIN_TABLE, _STATIC, 0, kind, 0)
    body = struct.pack("=BBBBBBBBI", *route)
    body += struct.pack("=HH", 4 + len(packed), _RTA_DESTINATION) + packed + attributes
    header = struct.pack("=IHHII", 16 + len(body), _RTM_NEWROUTE, _REQUEST_ACK_CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(header + body)
        (code,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    if code not in (0, _EXISTS):
        raise OSError(-code, f"route {network}: {os.strerror(-code)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
