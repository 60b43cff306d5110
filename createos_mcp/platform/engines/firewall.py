"""What containers reach: the outside, and neither this machine nor its private networks."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

WAY_OUT = "docker_gwbridge"
"""The bridge by which what runs on a swarm reaches more than its overlays."""

_INPUT, _FORWARD = "INPUT", "DOCKER-USER"
"""The second is Docker's own chain for rules of others, which it asks before its own."""


def bridge_of(network_id: str) -> str:
    """The bridge of an engine's network, as the kernel calls it."""
    return f"br-{network_id[:12]}"


def close_to(bridge: str, networks: Sequence[str], permitted: Sequence[str]) -> bool:
    """Refuse new connections of containers to this machine and to these networks.

    Answers to the gateway pass: it was the one that began. Rules that are there stay as they are.

    Args:
        bridge: What the containers are on.
        networks: `10.0.0.0/8`.
        permitted: What of them may be reached all the same.

    Returns:
        Whether it could be done: it takes root and `iptables`.
    """
    program = shutil.which("iptables")
    if program is None or not Path("/sys/class/net", bridge).exists():
        return False
    new = ("-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT")
    outside = ("-i", bridge, "-d")
    rules: list[tuple[str, tuple[str, ...]]] = [(_INPUT, ("-i", bridge, *new))]
    rules += [(_FORWARD, (*outside, network, *new)) for network in networks]
    rules += [(_FORWARD, (*outside, network, "-j", "RETURN")) for network in permitted]
    return all(_ensure(program, chain, rule) for chain, rule in rules)


def _ensure(program: str, chain: str, rule: Sequence[str]) -> bool:
    """Put a rule first in a chain, unless it is there."""
    return any(
        subprocess.run(
            [program, "-w", how, chain, *rule], capture_output=True, check=False
        ).returncode
        == 0
        for how in ("-C", "-I")
    )
