"""What containers reach: the outside, and neither this machine nor its private networks."""

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.engine_network import EngineNetwork

WAY_OUT = "docker_gwbridge"
"""The bridge by which what runs on a swarm reaches more than its overlays."""

BRIDGE_NAME = "com.docker.network.bridge.name"
"""Option of a network: what its bridge is called."""

_INPUT, _FORWARD, _OWN_FORWARD = "INPUT", "FORWARD", "DOCKER-USER"
"""The last is Docker's chain for rules of others, which it asks before its own."""

_INTERFACES = Path("/sys/class/net")
_ISOLATE = (
    "mount -t sysfs sysfs /sys && "
    'for port in /sys/class/net/"$1"/brif/*/isolated; do echo 1 > "$port"; done'
)
"""The interfaces that are seen are those of the network in which `/sys` was mounted."""

_NAMES = tuple(("-p", protocol, "--dport", "53") for protocol in ("udp", "tcp"))
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOCK = "XTABLES_LOCKFILE"
"""Only root may write the usual one, which is about this machine's own network."""


def bridge_name(host: str) -> str:
    """What the bridge of an engine is to be called, which has an address; 15 letters at most."""
    return f"createos{hashlib.sha256(host.encode()).hexdigest()[:6]}"


def bridge_of(network: Mapping[str, Json], host: str) -> str:
    """The bridge of a network as the kernel calls it; Podman shows none and makes it when used."""
    named = (network.get("Options") or {}).get(BRIDGE_NAME)
    usual = f"br-{network['Id'][:12]}"
    if named:
        return str(named)
    return usual if (_INTERFACES / usual).exists() else bridge_name(host)


def resolver_of(network: Mapping[str, Json]) -> str | None:
    """Where containers ask for names outside of themselves, as those of Podman do."""
    if network.get("Options"):
        return None
    rows = (network.get("IPAM") or {}).get("Config") or ()
    return next((str(row["Gateway"]) for row in rows if row.get("Gateway")), None)


def separate(bridge: str, network: EngineNetwork) -> None:
    """Let nothing on a bridge reach anything else on it, whether or not `iptables` sees that."""
    if network.prefix:
        _run(network, "unshare", "--mount", "sh", "-c", _ISOLATE, "sh", bridge)
        return
    for port in (_INTERFACES / bridge / "brif").glob("*"):
        with contextlib.suppress(OSError):
            (port / "isolated").write_text("1")


def close_to(
    bridge: str,
    networks: Sequence[str],
    permitted: Sequence[str],
    engine: EngineNetwork,
    resolver: str | None = None,
) -> bool:
    """Refuse new connections of containers to one another, to this machine and to these networks.

    Answers to the gateway pass: it was the one that began. Names are asked for where the engine
    lets its containers ask. Rules that are there stay as they are.

    Args:
        bridge: What the containers are on.
        networks: `10.0.0.0/8`.
        permitted: What of them may be reached all the same.
        engine: Where the bridge is.
        resolver: Address of this machine where they may ask for names; with Docker there is none.

    Returns:
        Whether it could be done: it takes `iptables`, and root or a rootless engine.
    """
    program = shutil.which("iptables", path=_PATH)
    if program is None:
        return False
    tables = _Tables(engine, program)
    forward, passing = _FORWARD, "ACCEPT"
    if resolver is None and tables.has_chain(_OWN_FORWARD):
        forward, passing = _OWN_FORWARD, "RETURN"
    new = ("-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT")
    outside = ("-i", bridge, "-d")
    rules: list[tuple[str, tuple[str, ...]]] = [
        (_INPUT, ("-i", bridge, *new)),
        (forward, ("-i", bridge, "-o", bridge, *new)),
    ]
    closed = (*networks, *engine.outside)
    rules += [(forward, (*outside, network, *new)) for network in closed]
    rules += [(forward, (*outside, network, "-j", passing)) for network in permitted]
    rules += [
        (forward, (*outside, one, *names, "-j", passing))
        for one in engine.resolvers
        for names in _NAMES
    ]
    if resolver is not None:
        rules += [(_INPUT, (*outside, resolver, *names, "-j", "ACCEPT")) for names in _NAMES]
    return all(tables.ensure(chain, rule) for chain, rule in rules)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The packet filter of an engine's network."""

    engine: EngineNetwork
    program: str

    def has_chain(self, chain: str) -> bool:
        return _run(self.engine, self.program, "-w", "-n", "-L", chain)

    def ensure(self, chain: str, rule: Sequence[str]) -> bool:
        """Put a rule first in a chain, unless it is there."""
        return any(_run(self.engine, self.program, "-w", how, chain, *rule) for how in ("-C", "-I"))


def _run(engine: EngineNetwork, *words: str) -> bool:
    """Whether a command succeeds in an engine's network."""
    environ = {"PATH": _PATH, _LOCK: os.devnull} if engine.prefix else None
    done = subprocess.run([*engine.prefix, *words], capture_output=True, check=False, env=environ)
    return done.returncode == 0
