"""Reading: operations that only read, made for a caller within the tools that it reaches."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import mcp_types
from mcp.server import ServerRequestContext

from createos_mcp.contract.errors import CreateosError
from createos_mcp.contract.values import Json

Context: TypeAlias = ServerRequestContext[Any, Any]

ReadResult: TypeAlias = tuple[mcp_types.CallToolResult, CreateosError | None]
"""The result as a tool shows it, masked and framed, and why it is a failure."""


class OperationReader(Protocol):
    """Who reads for a caller."""

    def offers(self, context: Context, operation: str) -> bool:
        """Whether the caller reaches an operation."""

    async def read(
        self, context: Context, operation: str, arguments: Mapping[str, Json]
    ) -> ReadResult:
        """Make an operation.

        Raises:
            MCPError: The caller does not reach it.
        """


def result_rows(result: mcp_types.CallToolResult) -> list[Mapping[str, Json]]:
    """The rows of a list's result; none of one that is no list."""
    items = (result.structured_content or {}).get("items")
    return [row for row in items if isinstance(row, dict)] if isinstance(items, list) else []
