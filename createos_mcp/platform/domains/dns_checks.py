"""Asks DNS whether a domain leads to this platform."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import anyio
import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from createos_mcp.contract.values import Json
from createos_mcp.platform.models import Domain

# Two tries of a resolver; an agent that waits longer gives up on the call.
TIMEOUT_S = 5.0
DNS_PORT = 53

ADDRESSES = ("127.0.0.1",)
"""Where the gateway listens."""

PROOF = "_createos"
"""Label of the TXT record, below the domain."""

SHOWN_RECORDS = 3
SHOWN_CHARACTERS = 80

_ABSENT = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.NameTooLong)
"""DNS answered, and there is no such record."""

_SILENCES: Mapping[type[dns.exception.DNSException], str] = {
    dns.resolver.LifetimeTimeout: f"no response within {TIMEOUT_S:g} s",
    dns.resolver.NoNameservers: "the DNS server refused or failed (SERVFAIL)",
    dns.resolver.NoResolverConfiguration: "this machine has no DNS server configured",
}
"""Why DNS said nothing; all other errors count as an answer that cannot be read."""


_TEXTS: Mapping[str, Callable[[Json], str]] = {
    "CNAME": lambda record: record.target.to_text(omit_final_dot=True).lower(),
    "A": lambda record: record.address,
    "TXT": lambda record: b"".join(record.strings).decode(errors="replace"),
}
"""How a record of each kind is read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """What has to be in DNS: the CNAME, or one A together with the TXT."""

    cname: str
    a_records: tuple[str, ...]
    txt_name: str
    txt_value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DnsLookup:
    """What DNS holds of one kind at one name."""

    kind: str
    values: tuple[str, ...] = ()
    silence: str | None = None
    """Why nothing is known, where DNS did not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DnsVerdict:
    """Whether a domain is verified, and the sentence that says what was seen."""

    verified: bool
    message: str
    is_silent: bool = False
    """Whether something is not known because DNS did not answer."""


def records_for(domain: Domain) -> Records:
    """The records that prove a domain; both ways are its own alone."""
    return Records(
        cname=f"{domain.id.replace('-', '')[:12]}.domains.createos.localhost",
        a_records=ADDRESSES,
        txt_name=PROOF,
        txt_value=domain.token,
    )


class DnsCheck:
    """Looks domains up.

    Args:
        servers: `("192.0.2.1", "127.0.0.1:5353", "[::1]:53")`; the system's when empty.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = servers

    async def check(self, name: str, records: Records) -> DnsVerdict:
        """Ask for the records of a domain, within 5 seconds, and compare."""
        cname, a, txt = await self._look_up_all(
            (name, "CNAME"), (name, "A"), (f"{records.txt_name}.{name}", "TXT")
        )
        by_cname = records.cname in cname.values
        by_address = set(records.a_records) & set(a.values) and records.txt_value in txt.values
        if by_cname or by_address:
            return DnsVerdict(verified=True, message=f"{name} is verified by its DNS records.")
        lookups = (cname, a, txt)
        return DnsVerdict(
            verified=False,
            message=_explain_mismatch(name, records, lookups),
            is_silent=any(found.silence for found in lookups),
        )

    async def _look_up_all(self, *questions: tuple[str, str]) -> list[DnsLookup]:
        answers: dict[str, DnsLookup] = {}

        async def ask(name: str, kind: str) -> None:
            answers[kind] = await self._look_up(name, kind)

        async with anyio.create_task_group() as lookups:
            for name, kind in questions:
                lookups.start_soon(partial(ask, name, kind))
        return [answers[kind] for _, kind in questions]

    async def _look_up(self, name: str, kind: str) -> DnsLookup:
        try:
            answer = await self._resolver().resolve(dns.name.from_text(name), kind)
        except _ABSENT:
            return DnsLookup(kind=kind)
        except dns.exception.DNSException as error:
            silence = _SILENCES.get(type(error), f"unreadable response ({error})")
            return DnsLookup(kind=kind, silence=silence)
        return DnsLookup(kind=kind, values=tuple(_TEXTS[kind](record) for record in answer))

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """A resolver without memory: a record that was just set must be seen."""
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        resolver.lifetime = TIMEOUT_S
        if self._servers:
            resolver.nameservers = [_nameserver(server) for server in self._servers]
        return resolver


def _nameserver(server: str) -> dns.nameserver.Nameserver:
    parts = urlsplit(f"//{server}")
    return dns.nameserver.Do53Nameserver(parts.hostname or "", parts.port or DNS_PORT)


def _explain_mismatch(name: str, records: Records, lookups: Sequence[DnsLookup]) -> str:
    silent = any(found.silence for found in lookups)
    remedy = (
        "once DNS responds"
        if silent
        else "once the records are visible, which can take up to 48 hours"
    )
    return (
        f"{name} is not verified. Found: {'; '.join(map(_describe_lookup, lookups))}. "
        f"Expected: {instructions(name, records)}. Call RefreshDomain again {remedy}."
    )


def instructions(name: str, records: Records) -> str:
    """The records to set, in words."""
    return (
        f"CNAME {records.cname}, or A {' or '.join(records.a_records)} "
        f"together with TXT {records.txt_value!r} at {records.txt_name}.{name}"
    )


def _describe_lookup(found: DnsLookup) -> str:
    if found.silence:
        return f"{found.kind} unknown ({found.silence})"
    if not found.values:
        return f"no {found.kind}"
    shown = [repr(value[:SHOWN_CHARACTERS]) for value in found.values[:SHOWN_RECORDS]]
    return f"{found.kind} {', '.join(shown)}"
