"""What each operation that the local platform does not serve yet will need."""

from collections.abc import Mapping

from createos_mcp.contract.operations import Operation

_BY_OPERATION: Mapping[str, str] = {}

_BY_GROUP: Mapping[str, str] = {
    "security": "vulnerability scanners",
}


def requirement_for(operation: Operation) -> str:
    """What is missing, as it fits behind "it needs"."""
    return _BY_OPERATION.get(operation.name) or _BY_GROUP[operation.group]
