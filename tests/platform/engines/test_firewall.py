"""Bridges of engines' networks: what they are called, and where names are asked for."""

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.firewall import (
    BRIDGE_NAME,
    bridge_name,
    bridge_of,
    resolver_of,
)

HOST = "unix:///run/user/1000/podman/podman.sock"
ID = "0123456789abcdef" * 4
CONFIG: Json = {"Config": [{"Subnet": "10.89.0.0/24", "Gateway": "10.89.0.1"}]}


def test_a_bridge_has_one_name_for_each_engine_and_fits_the_kernel() -> None:
    assert bridge_name(HOST) == bridge_name(HOST)
    assert bridge_name(HOST) != bridge_name("unix:///var/run/docker.sock")
    assert len(bridge_name(HOST)) < 16


@pytest.mark.parametrize(
    ("options", "expected"),
    [({BRIDGE_NAME: "br7"}, "br7"), ({}, bridge_name(HOST)), (None, bridge_name(HOST))],
)
def test_a_bridge_is_found_by_its_option_or_by_the_engine(options: Json, expected: str) -> None:
    assert bridge_of({"Id": ID, "Options": options}, HOST) == expected


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"Options": {}, "IPAM": CONFIG}, "10.89.0.1"),
        ({"Options": {BRIDGE_NAME: "br7"}, "IPAM": CONFIG}, None),
        ({"Options": {}, "IPAM": {"Config": None}}, None),
        ({}, None),
    ],
)
def test_only_containers_of_podman_ask_this_machine_for_names(
    network: Json, expected: str | None
) -> None:
    assert resolver_of(network) == expected
