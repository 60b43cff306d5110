"""A domain's name, spelled as DNS spells it."""

import idna

from createos_mcp.platform.errors import InvalidRequestError

OWN = "localhost"
"""Names at and below it are this machine's own (RFC 6761)."""


def read_name(given: str) -> str:
    """Spell a name one way: `Bücher.Example.com.` is `xn--bcher-kva.example.com`.

    Raises:
        InvalidRequestError: It is not the name of a host that a domain can be routed by.
    """
    try:
        name = idna.encode(given, uts46=True, std3_rules=True).decode().removesuffix(".")
    except idna.IDNAError as error:
        raise _invalid_name(given, str(error)) from error
    if "." not in name:
        raise _invalid_name(given, "it has no dot")
    last = name.rpartition(".")[2]
    if last.isdecimal():
        raise _invalid_name(given, "it is an IP address or ends in a number")
    if last == OWN:
        raise _invalid_name(given, f"names below {OWN} are this machine's own")
    return name


def _invalid_name(given: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"name: {given!r} cannot be a custom domain: {reason}. "
        "Give a bare host name such as app.example.com."
    )
