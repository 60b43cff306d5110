import json
import re
from pathlib import Path

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.validation import Validation
from tests.agents import CATALOG

GUIDE = (Path(__file__).parents[2] / "docs" / "agent-guide.md").read_text()
TOOLS = {tool.name: tool for tool in load_catalog(local=True).tools}
SEARCH = {"SearchTools", "DescribeTool", "CallTool"}

QUOTED = re.compile(r"`([^`]+)`")
NAME = re.compile(r"[A-Z][a-z]+[A-Z]?[A-Za-z]*")


def test_every_tool_that_the_guide_names_exists() -> None:
    first_words = {quoted.partition(" ")[0] for quoted in QUOTED.findall(GUIDE)}
    named = {word for word in first_words if NAME.fullmatch(word)}
    assert named - TOOLS.keys() <= SEARCH
    assert CATALOG.workflows.keys() <= named


def test_every_call_that_the_guide_spells_out_fits_its_tool() -> None:
    calls = [quoted.partition(" ") for quoted in QUOTED.findall(GUIDE) if " {" in quoted]
    assert len(calls) >= 6
    for tool, _, arguments in calls:
        assert Validation().check(TOOLS[tool], json.loads(arguments)) == ()


def test_every_prompt_and_address_that_the_guide_names_exists() -> None:
    quoted = QUOTED.findall(GUIDE)
    assert CATALOG.prompts.keys() <= set(quoted)
    addresses = [text for text in quoted if text.startswith("createos://")]
    assert addresses
    for address in addresses:
        assert any(_matches(row.uri, address) for row in CATALOG.resources)


def _matches(template: str, address: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), address) is not None
