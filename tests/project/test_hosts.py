"""The project names no host of a package registry and no home of a machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In halves, so that this file does not hold what it looks for.
HOSTS = (
    *("registry.npm" + "js.org", "registry.yarn" + "pkg.com", "npm.pkg." + "github.com"),
    *("py" + "pi.org", "files.python" + "hosted.org", "static.crates" + ".io"),
    "npm" + "js.com",
    *("proxy.golang" + ".org", "npm.js" + "r.io", "registry-1.docker" + ".io"),
)
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), r"(?<![\w.}])/roo" + r"t/\w*[.\w]"]))


PLACES = (
    *("createos_mcp", "tool_schemas", "starters", "tests", "examples", "bench", "docs", "release"),
    ".ci",
)


def texts() -> list[Path]:
    below = [file for place in PLACES for file in (ROOT / place).rglob("*")]
    files = [file for file in (*ROOT.glob("[!.]*"), *below) if file.is_file()]
    return sorted(file for file in files if not {"__pycache__", "node_modules"} & {*file.parts})


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_names_no_registry_and_no_home_of_a_machine(file: Path) -> None:
    found = FORBIDDEN.search(file.read_text(errors="replace"))
    assert found is None, found
