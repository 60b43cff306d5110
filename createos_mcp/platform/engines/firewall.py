"""What containers reach: the outside, and neither this machine nor its private networks."""

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from createos_mcp.contract.values import Json

WAY_OUT = "docker_gwbridge"
"""The bridge by which what runs on a swarm reaches more than its overlays."""

BRIDGE_NAME = "com.docker.network.bridge.name"
"""Option of a network: what its bridge is called."""

_INPUT, _FORWARD, _OWN_FORWARD = "INPUT", "FORWARD", "DOCKER-USER"
"""The last is Docker's chain for rules of others, which it asks before its own."""

_INTERFACES = Path("/sys/class/net")


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


def separate(bridge: str) -> None:
    """Let nothing on a bridge reach anything else on it, whether or not `iptables` sees that."""
    for port in (_INTERFACES / bridge / "brif").glob("*"):
        with contextlib.suppress(OSError):
            (port / "isolated").write_text("1")


def close_to(
    bridge: str,
    networks: Sequence[str],
    permitted: Sequence[str],
    resolver: str | None = None,
) -> bool:
    """Refuse new connections of containers to one another, to this machine and to these networks.

    Answers to the gateway pass: it was the one that began. Rules that are there stay as they are.

    Args:
        bridge: What the containers are on.
        networks: `10.0.0.0/8`.
        permitted: What of them may be reached all the same.
        resolver: Address of this machine where they may ask for names; with Docker there is none.

    Returns:
        Whether it could be done: it takes root and `iptables`.
    """
    program = shutil.which("iptables")
    if program is None:
        return False
    forward, passing = _FORWARD, "ACCEPT"
    if resolver is None and _has_chain(program, _OWN_FORWARD):
        forward, passing = _OWN_FORWARD, "RETURN"
    new = ("-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT")
    outside = ("-i", bridge, "-d")
    rules: list[tuple[str, tuple[str, ...]]] = [
        (_INPUT, ("-i", bridge, *new)),
        (forward, ("-i", bridge, "-o", bridge, *new)),
    ]
    rules += [(forward, (*outside, network, *new)) for network in networks]
    rules += [(forward, (*outside, network, "-j", passing)) for network in permitted]
    if resolver is not None:
        rules += [
            (_INPUT, (*outside, resolver, "-p", protocol, "--dport", "53", "-j", "ACCEPT"))
            for protocol in ("udp", "tcp")
        ]
    return all(_ensure(program, chain, rule) for chain, rule in rules)


def _has_chain(program: str, chain: str) -> bool:
    done = subprocess.run([program, "-w", "-n", "-L", chain], capture_output=True, check=False)
    return done.returncode == 0


def _ensure(program: str, chain: str, rule: Sequence[str]) -> bool:
    """Put a rule first in a chain, unless it is there."""
    return any(
        subprocess.run(
            [program, "-w", how, chain, *rule], capture_output=True, check=False
        ).returncode
        == 0
        for how in ("-C", "-I")
    )
