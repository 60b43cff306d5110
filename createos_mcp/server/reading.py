"""Reading: operations that only read, made for a caller within the tools that it reaches."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from createos_mcp.answers.results import ToolResult
from createos_mcp.contract.errors import CreateosError
from createos_mcp.contract.values import Json
from createos_mcp.server.sdk_requests import Context

ReadResult: TypeAlias = tuple[ToolResult, CreateosError | None]
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


def result_rows(result: ToolResult) -> list[Mapping[str, Json]]:
    """The rows of a list's result; none of one that is no list."""
    items = result.structured.get("items")
    return [row for row in items if isinstance(row, dict)] if isinstance(items, list) else []
