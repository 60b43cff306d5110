"""A row of the table of settings: how its text is read, and what is said about it."""

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from createos_mcp.contract.quotation import quote

SHOWN_BYTES = 60

MAX_PORT = 65_535

SEALING_BYTES = 32
"""Minimum length of a key that seals state."""

SWITCHES = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip

# Unreserved characters only, so that no proxy rewrites them:
# https://www.rfc-editor.org/rfc/rfc3986#section-2.3
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(\d{1,5}|\*))?")
_NUMERIC = re.compile(r"[0-9.:]+")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9._-]+)*")
_BASE_IMAGE = re.compile(r"(node|python|golang|rust|bun|static)=\S+")
_STORES = frozenset({"s3", "gs", "abs", "sftp", "nats", "webdavs"})
_ORIGIN = re.compile(r"https?://" + _HOST.pattern)


Group: TypeAlias = Literal[
    "credentials", "connection", "tools", "safety", "output", "platform", "server", "oauth"
]
"""What settings have in common; a command lists the groups that it reads."""


def setting(
    read: Callable[[str], object],
    *,
    group: Group,
    help: str,  # noqa: A002 - the word of argparse for it
    secret: bool = False,
    default_text: str = "",
) -> dict[str, Any]:
    """What the table of settings knows of a field besides its name, type and default.

    Args:
        read: Turns a text into the value, or raises ValueError with what it expected.
        group: Which settings it is listed with.
        help: What the setting does.
        secret: Whether its value must never be shown.
        default_text: The default in words, where the value says little.
    """
    return {
        "read": read,
        "group": group,
        "help": help,
        "secret": secret,
        "default_text": default_text,
    }


def listen_host(raw: str) -> str:
    """A host name or an IP address to listen on, `0.0.0.0`, `::1` or `localhost`."""
    try:
        ipaddress.ip_address(raw.strip("[]"))
    except ValueError:
        if not _HOST.fullmatch(raw) or _NUMERIC.fullmatch(raw):
            raise ValueError(
                f"expected an IP address or host name such as 0.0.0.0, got {_quoted(raw)}"
            ) from None
    return raw


def bearer_token(raw: str) -> str:
    """A token as a header can carry it; what was given is never repeated."""
    if not (raw.isascii() and raw.isprintable()) or " " in raw:
        raise ValueError("expected printable ASCII characters without spaces")
    return raw


def text(raw: str) -> str:
    """Any text."""
    return raw


def directory(raw: str) -> Path:
    """An absolute path."""
    path = Path(raw).expanduser()
    if not path.is_absolute():
        raise ValueError(f"expected an absolute path, got {_quoted(raw)}")
    return path


def directories(raw: str) -> tuple[Path, ...]:
    """Absolute paths, separated by colons."""
    return tuple(directory(part.strip()) for part in raw.split(os.pathsep) if part.strip())


def names(raw: str) -> frozenset[str]:
    """Comma-separated names, at least one."""
    found = frozenset(name.strip() for name in raw.split(",") if name.strip())
    if not found:
        raise ValueError(f"expected comma-separated names, got {_quoted(raw)}")
    return found


def read_switch(raw: str) -> bool:
    """`true` or `false`, or another word for one of them."""
    if raw.lower() not in SWITCHES:
        raise ValueError(f"expected true or false, got {_quoted(raw)}")
    return SWITCHES[raw.lower()]


def one_of(*choices: str) -> Callable[[str], str]:
    """One word of several, in lower case."""

    def read(raw: str) -> str:
        if raw.lower() not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {_quoted(raw)}")
        return raw.lower()

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A number without a fraction, both bounds included."""

    def read(raw: str) -> int:
        expected = f"expected a whole number from {least} to {most}, got {_quoted(raw)}"
        if not (raw.isascii() and raw.isdecimal()) or not least <= int(raw[:12]) <= most:
            raise ValueError(expected)
        return int(raw)

    return read


def number(unit: str, most: float, *, zero: bool = False) -> Callable[[str], float]:
    """A number of this unit, above 0 unless `zero` is allowed."""

    def read(raw: str) -> float:
        expected = f"expected a number of {unit} up to {most:g}, got {_quoted(raw)}"
        try:
            value = float(raw)
        except ValueError:
            raise ValueError(expected) from None
        if not 0 <= value <= most or (value == 0 and not zero):
            raise ValueError(expected)
        return value

    return read


def addresses(raw: str) -> tuple[str, ...]:
    """IP addresses with or without a port, `192.0.2.1, [::1]:53`."""
    given = tuple(part.strip() for part in raw.split(","))
    for one in given:
        if not _is_ip_address(one):
            raise ValueError(
                "expected IP addresses such as 192.0.2.1, 127.0.0.1:5353 or [::1]:53, "
                f"separated by commas, got {_quoted(one)}"
            )
    return given


def _is_ip_address(given: str) -> bool:
    try:
        parts = urlsplit(f"//{given}")
        port = parts.port
        ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return False
    return parts.netloc == given and port != 0 and "@" not in given


def address(raw: str) -> str:
    """An address such as `https://mcp.example.com/base`, without a slash at its end."""
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected a URL such as https://example.com, got {_quoted(raw)}")
    return raw.rstrip("/")


def base_path(raw: str) -> str:
    """`/` or a path such as `/team/createos`; kept without a slash at its end."""
    path = raw.rstrip("/")
    if path and not _BASE_PATH.fullmatch(path):
        raise ValueError(f"expected a path such as /createos, got {_quoted(raw)}")
    return path


def registry(raw: str) -> str:
    """A registry with or without a path in it, `registry.example.com:5000/apps`."""
    if not _REGISTRY.fullmatch(raw):
        raise ValueError(
            f"expected a registry such as registry.example.com:5000/apps, got {_quoted(raw)}"
        )
    return raw


def copy_place(raw: str) -> str:
    """An absolute path, or the address of an object store or of a server of files."""
    if not raw.startswith("/") and urlsplit(raw).scheme not in _STORES:
        raise ValueError(
            f"expected an absolute path or an address such as s3://bucket/path, got {_quoted(raw)}"
        )
    return raw.rstrip("/")


def base_image(raw: str) -> str:
    """A runtime and the image for it, `node=node:{version}-slim`."""
    if not _BASE_IMAGE.fullmatch(raw):
        raise ValueError(f"expected node=image, python=image or the like, got {_quoted(raw)}")
    return raw


def comma_separated(
    read: Callable[[str], str],
) -> Callable[[str], tuple[str, ...]]:
    """Several values in one text, `a, b`."""
    return lambda raw: tuple(read(item.strip()) for item in raw.split(",") if item.strip())


def host_pattern(raw: str) -> str:
    """A host as it stands in a Host header, `mcp.example.com`, `10.0.0.5:8080` or `localhost:*`."""
    if not _HOST.fullmatch(raw):
        raise ValueError(f"expected a host such as mcp.example.com, got {_quoted(raw)}")
    return raw


def origin_pattern(raw: str) -> str:
    """An origin as browsers send it, `https://app.example.com` or `http://localhost:*`."""
    if not _ORIGIN.fullmatch(raw):
        raise ValueError(f"expected an origin such as https://app.example.com, got {_quoted(raw)}")
    return raw


def network(raw: str) -> str:
    """An IP address or a network, `10.0.0.0/8`."""
    try:
        return str(ipaddress.ip_network(raw, strict=False))
    except ValueError:
        raise ValueError(f"expected an IP address or network, got {_quoted(raw)}") from None


def sealing_key(raw: str) -> str:
    """A long random text; what was given is never repeated."""
    if len(raw.encode()) < SEALING_BYTES:
        raise ValueError(f"expected at least {SEALING_BYTES} random characters")
    return raw


def _quoted(raw: str) -> str:
    return repr(quote(raw, limit_bytes=SHOWN_BYTES))
