"""Every operation of the catalog with arguments, and the request that the API expects for them."""

import json
from pathlib import Path
from typing import Any

from createos_mcp.contract.catalog import load_catalog

CATALOG = load_catalog()


CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "cases" / "bindings.json").read_text(encoding="utf-8")
)
