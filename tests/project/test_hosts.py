"""The project names no host of a package registry and no home of a machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# In halves, so that this file does not hold what it looks for.
HOSTS = (
    *("registry.npm" + "js.org", "registry.yarn" + "pkg.com", "npm.pkg." + "github.com"),
    *("py" + "pi.org", "files.python" + "hosted.org", "static.crates" + ".io"),
    *("proxy.golang" + ".org", "npm.js" + "r.io", "registry-1.docker" + ".io"),
)
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), r"(?<![\w.}])/roo" + r"t/\w*[.\w]"]))


def texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_names_no_registry_and_no_home_of_a_machine(file: Path) -> None:
    found = FORBIDDEN.search(file.read_text(errors="replace"))
    assert found is None, found
