"""Prompts: texts that a person picks and that tell a model which calls to make."""

from collections.abc import Mapping

import mcp_types
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.operations import PromptRow
from createos_mcp.contract.prompt_files import PLACE
from createos_mcp.contract.quotation import quote
from createos_mcp.server.sdk_requests import Context

_VALUE_BYTES = 500


class Prompts:
    """The prompts of the catalog."""

    def __init__(self, rows: Mapping[str, PromptRow]) -> None:
        self._rows = rows

    async def get(
        self, _: Context, params: mcp_types.GetPromptRequestParams
    ) -> mcp_types.GetPromptResult:
        """One with its arguments filled in.

        Raises:
            MCPError: There is none of that name, or an argument is missing or unknown.
        """
        row = self._rows.get(params.name)
        if row is None:
            known = ", ".join(self._rows)
            raise _invalid_prompt(f"There is no prompt {params.name[:64]!r}; known: {known}")
        values = _fill_in(row, params.arguments or {})
        text = PLACE.sub(lambda place: values[place[1]], row.text)
        message = mcp_types.PromptMessage(
            role="user", content=mcp_types.TextContent(type="text", text=text)
        )
        return mcp_types.GetPromptResult(description=row.description, messages=[message])


def _fill_in(row: PromptRow, given: Mapping[str, str]) -> dict[str, str]:
    known = {argument.name for argument in row.arguments}
    for name in given.keys() - known:
        raise _invalid_prompt(
            f"{row.name} has no argument {name[:64]!r}; it has {', '.join(sorted(known))}"
        )
    values = {}
    for argument in row.arguments:
        # On one line, so that a value reads as a value and not as a further instruction.
        value = " ".join(quote(given.get(argument.name, ""), limit_bytes=_VALUE_BYTES).split())
        if not value and argument.default is None:
            raise _invalid_prompt(f"{row.name} needs {argument.name}: {argument.description}")
        values[argument.name] = value or argument.default or ""
    return values


def _invalid_prompt(message: str) -> MCPError:
    return MCPError(mcp_types.INVALID_PARAMS, message)
