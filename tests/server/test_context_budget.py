"""What a list of tools costs a model; `bench/tokens.py` counts the tokens themselves."""

import json

import pytest

from createos_mcp.server.toolsets import Selection
from tests.agents import agent
from tests.eras import Era, both_eras

BYTES_PER_TOKEN = 4.4
"""o200k takes these lists at 4.41 to 4.66 bytes a token (`bench/tokens.py`)."""

ALL = Selection(toolsets=frozenset({"all"}))
LISTS: dict[str, tuple[Selection, bool, int]] = {
    "all": (ALL, False, 9_500),
    "all, with the local ones": (ALL, True, 10_800),
    "default": (Selection(), False, 8_500),
    "default, with the local ones": (Selection(), True, 8_500),
    "read-only, one project": (Selection(read_only=True, project="my-app"), False, 2_500),
    "dynamic": (Selection(toolsets=frozenset({"dynamic"})), False, 900),
}


@both_eras
@pytest.mark.parametrize(("selection", "is_local", "tokens"), LISTS.values(), ids=LISTS)
async def test_a_list_stays_within_its_tokens(
    era: Era,
    selection: Selection,
    is_local: bool,  # noqa: FBT001 - a row of the table
    tokens: int,
) -> None:
    async with agent(era, selection=selection, is_local=is_local) as here:
        tools = await here.tools()
    rows = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools.values()
    ]
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    assert len(text.encode()) <= tokens * BYTES_PER_TOKEN
