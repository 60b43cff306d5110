"""A real DNS server on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.server import DNSHandler, DNSLogger, DNSServer


@dataclass
class Zone:
    """Records by name, as lines of a zone file; a name without any is NXDOMAIN."""

    lines: list[str] = field(default_factory=list)
    failure: str | None = None

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        del handler
        reply = request.reply()
        if self.failure:
            reply.header.rcode = getattr(RCODE, self.failure)
            return reply
        asked, kind = str(request.q.qname).lower(), QTYPE[request.q.qtype]
        records = [r for r in RR.fromZone("\n".join(self.lines)) if str(r.rname).lower() == asked]
        if not records:
            reply.header.rcode = RCODE.NXDOMAIN
        reply.add_answer(*(r for r in records if QTYPE[r.rtype] in (kind, "CNAME")))
        return reply


def _unseen(_line: str) -> None:
    """The server's log is of no interest."""


@contextmanager
def dns_server() -> Iterator[tuple[Zone, str]]:
    """A DNS server and its address."""
    zone = Zone()
    server = DNSServer(zone, address="127.0.0.1", port=0, logger=DNSLogger(logf=_unseen))
    server.start_thread()
    try:
        yield zone, f"127.0.0.1:{server.server.server_address[1]}"
    finally:
        server.stop()
        server.server.server_close()
