"""What each tools/list costs a model: o200k tokens of name, description and input schema."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict

from createos_mcp.contract.catalog import Catalog, load_catalog
from createos_mcp.contract.operations import Tool
from createos_mcp.server.discovery import discovery_tools
from createos_mcp.server.toolsets import Selection, Toolsets

PEER, PEER_TOOLS = 13_474, 86
"""The vendor's own server, counted the same way."""

ALL = Selection(toolsets=frozenset({"all"}))
LISTS: dict[str, tuple[Selection, bool, int]] = {
    "all": (ALL, False, 9_500),
    "all, with the local ones": (ALL, True, 10_800),
    "default": (Selection(), False, 8_500),
    "default, with the local ones": (Selection(), True, 8_500),
    "read-only, one project": (Selection(read_only=True, project="my-app"), False, 2_500),
    "dynamic": (Selection(toolsets=frozenset({"dynamic"})), False, 900),
}
"""What can be listed, whether the platform is this machine, and the most tokens for it."""

TOKENIZER = "gpt-tokenizer@4.0.0"
COUNT = """
const { encode } = require("gpt-tokenizer/encoding/o200k_base");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => encode(text).length)));
"""


def count_tokens(texts: list[str]) -> list[int]:
    """Tokens of each text, counted by the npm package gpt-tokenizer."""
    with tempfile.TemporaryDirectory() as directory:
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", TOKENIZER]
        subprocess.run(npm, cwd=directory, check=True)
        counted = subprocess.run(
            ["node", "-e", COUNT],
            cwd=directory,
            input=json.dumps(texts).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
    counts: list[int] = json.loads(counted.stdout)
    return counts


def listed(catalog: Catalog, selection: Selection) -> list[Tool]:
    """The tools of this choice, as a client sees them."""
    toolsets = Toolsets(catalog.tools, catalog.on_request, catalog.references)
    choice = toolsets.choose(selection, Selection())
    return [*(choice.shown[name] for name in choice.listed), *discovery_tools(choice)]


def write(tools: list[Tool]) -> str:
    """What a model reads of them."""
    rows = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools
    ]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def main() -> int:
    """Print each list, each group and the ten dearest tools; 1 when a list is over its limit."""
    if not shutil.which("npm"):
        print("npm is needed to count tokens")
        return 1
    catalog = load_catalog(local=True)
    lists = {
        name: listed(load_catalog(local=is_local), selection)
        for name, (selection, is_local, _) in LISTS.items()
    }
    every = list(catalog.tools)
    texts = [write(tools) for tools in lists.values()]
    counts = count_tokens([*texts, *(write([tool]) for tool in every)])
    missed = False
    for (name, tools), text, count in zip(lists.items(), texts, counts, strict=False):
        limit = LISTS[name][2]
        missed |= count > limit
        print(
            f"{count:6} of {limit} tokens, {len(text.encode())} bytes: {name}, {len(tools)} tools"
        )
    print(f"{PEER:6} tokens: the vendor's server, {PEER_TOOLS} tools")
    of_tools = counts[len(texts) :]
    groups: dict[str, list[int]] = defaultdict(list)
    for tool, count in zip(every, of_tools, strict=True):
        groups[tool.group].append(count)
    for group, of_group in sorted(groups.items(), key=lambda item: -sum(item[1])):
        print(f"  {sum(of_group):6} {group}, {len(of_group)} tools")
    print("the ten dearest:")
    for count, tool in sorted(zip(of_tools, every, strict=True), key=lambda p: -p[0])[:10]:
        print(f"  {count:6} {tool.name}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
