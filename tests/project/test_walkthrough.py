"""docs/adding-an-operation.md, followed word by word in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STEP = re.compile(
    r"^(?:Create `(?P<new>[^`]+)`"
    r"|In `(?P<file>[^`]+)`, add (?P<side>before|after) `(?P<line>[^`]+)`)"
    r":\n\n```\w+\n(?P<text>.*?)```$",
    re.MULTILINE | re.DOTALL,
)

PARTS = (
    *("createos_mcp", "tool_schemas", "starters", "tests", "docs"),
    *("pyproject.toml", "README.md"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which every step of the document was done."""
    copy = tmp_path_factory.mktemp("project")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, copy / part)
    steps = list(STEP.finditer((ROOT / "docs" / "adding-an-operation.md").read_text()))
    assert len(steps) == 5
    for step in steps:
        follow(step, copy)
    return copy


def follow(step: re.Match[str], project: Path) -> None:
    """Create a file, or add lines next to the one line that the document quotes."""
    if step["new"]:
        (project / step["new"]).write_text(step["text"])
        return
    file = project / step["file"]
    lines = file.read_text().splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(lines) if line.rstrip("\n") == step["line"]]
    lines.insert(place + (step["side"] == "after"), step["text"])
    file.write_text("".join(lines))


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    others = {name: value for name, value in os.environ.items() if "CREATEOS" not in name}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**others, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_new_tool_explains_itself(project: Path) -> None:
    shown = run(project, "createos_mcp", "call", "CountDeployments", "--help")
    assert shown.returncode == 0, shown.stderr
    assert "project_id" in shown.stdout


def test_its_tests_pass(project: Path) -> None:
    tests = ("tests/platform/api/test_counts.py", "tests/calls/test_binding.py")
    done = run(project, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_formatted_the_added_code_has_the_project_s_style(project: Path) -> None:
    files = ("createos_mcp/platform/api/deployments.py", "tests/platform/api/test_counts.py")
    for command in ("format", "check"):
        done = run(project, "ruff", command, *files)
        assert done.returncode == 0, done.stdout


def test_the_tables_are_refreshed(project: Path) -> None:
    assert run(project, "docs.generate").returncode == 0
    assert "CountDeployments" in (project / "docs" / "tools.md").read_text()
