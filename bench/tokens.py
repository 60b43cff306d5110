"""What tools/list costs a model: o200k tokens of name, description and input schema."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict

from createos_mcp.catalog import load_catalog

GOAL = 9_500
PEER, PEER_TOOLS = 13_474, 86
"""The vendor's own server, counted the same way."""

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


def main() -> int:
    """Print the total, each group and the ten dearest tools; 1 when the goal is missed."""
    if not shutil.which("npm"):
        print("npm is needed to count tokens")
        return 1
    operations = list(load_catalog().operations.values())
    tools = [
        {"name": o.name, "description": o.description, "inputSchema": o.input_schema}
        for o in operations
    ]
    texts = [json.dumps(tool, separators=(",", ":"), ensure_ascii=False) for tool in tools]
    whole = json.dumps(tools, separators=(",", ":"), ensure_ascii=False)
    total, *counts = count_tokens([whole, *texts])
    groups: dict[str, list[int]] = defaultdict(list)
    for operation, count in zip(operations, counts, strict=True):
        groups[operation.group].append(count)
    print(f"{total} tokens for {len(tools)} tools, {len(whole.encode())} bytes (goal {GOAL})")
    print(f"the vendor's server: {PEER} for {PEER_TOOLS}; ratio {total / PEER:.2f}")
    for group, of_group in sorted(groups.items(), key=lambda item: -sum(item[1])):
        print(f"  {sum(of_group):6} {group}, {len(of_group)} tools")
    print("the ten dearest:")
    for count, operation in sorted(zip(counts, operations, strict=True), key=lambda p: -p[0])[:10]:
        print(f"  {count:6} {operation.name}")
    return 0 if total <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
