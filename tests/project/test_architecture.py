import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import createos_mcp
from createos_mcp.contract import errors
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.platform.states import TRANSITIONS, DeploymentStatus

PACKAGE = Path(createos_mcp.__file__).parent
TESTS = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [file.relative_to(PACKAGE).as_posix() for file in MODULES]

ENTRY_POINTS = {"cli/cli.py", "platform/__main__.py", "platform/sandbox/static_server.py"}

OPERATIONS = load_catalog().operations


def words(file: Path) -> Iterator[str]:
    """Every name and text in a module."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Constant(value=str(text)):
                yield from text.replace("`", " ").replace(".", " ").replace(",", " ").split()
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not n.startswith(("platform/", "workflows/"))]
)
def test_no_tool_is_named_on_the_mcp_side(name: str) -> None:
    assert not set(words(PACKAGE / name)) & OPERATIONS.keys()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ENTRY_POINTS])
def test_only_entry_points_read_the_environment(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text())
    read = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert read == []


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_one_noun_of_a_readable_size(name: str) -> None:
    assert len((PACKAGE / name).read_text().splitlines()) <= 400
    assert Path(name).stem not in {"utils", "helpers", "common", "misc"}


def test_a_name_at_the_top_of_a_module_is_used_once() -> None:
    named: dict[str, list[str]] = {}
    for file, name in zip(MODULES, NAMES, strict=True):
        for node in ast.parse(file.read_text()).body:
            match node:
                case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                    if not node.name.startswith("_"):
                        named.setdefault(node.name, []).append(name)
    twice = {name: places for name, places in named.items() if len(places) > 1}
    assert twice.keys() <= {"main"}, twice


def test_tests_lie_where_the_code_lies() -> None:
    root = Path(__file__).parents[1]
    folders = {file.parent.relative_to(root).as_posix() for file in root.rglob("test_*.py")}
    assert {folder for folder in folders if not (PACKAGE / folder).is_dir()} == {"project", "whole"}


PLANTED = {
    "contract/planted.py": "import createos_mcp.calls.pipeline",
    "platform/api/planted.py": "import createos_mcp.answers.redaction",
    "platform/gateway/planted.py": "import mcp_types",
    "platform/sandbox/planted.py": "import createos_mcp.platform.store.store",
    "platform/planted/__init__.py": "",
    "workflows/planted.py": "import createos_mcp.server.server",
    "remote/planted.py": "",
}
"""Modules that cross a wall, or that no layer names."""


@pytest.mark.parametrize("place", PLANTED)
def test_a_new_module_that_crosses_a_wall_fails_the_check(place: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "createos_mcp")
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    target = tmp_path / "createos_mcp" / place
    target.parent.mkdir(exist_ok=True)
    target.write_text(PLANTED[place])
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert place.removesuffix(".py").removesuffix("/__init__").replace("/", ".") in done.stdout


def test_the_document_draws_the_states_that_the_store_allows() -> None:
    document = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    drawn = document.partition('state "Deployment"')[2].partition("```")[0]
    arrows = set(re.findall(r"^\s+(\w+) --> (\w+)", drawn, re.MULTILINE))
    allowed = {
        (before.value, after.value) for before, follow in TRANSITIONS.items() for after in follow
    }
    assert arrows == {(a, b) for a, b in allowed if b != "terminating"}
    assert {a for a, b in allowed if b == "terminating"} == {
        state.value for state in DeploymentStatus if state is not DeploymentStatus.TERMINATING
    }


def test_the_tree_of_errors_in_its_docstring_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"^ *[*x+-] (\w+)$", errors.__doc__ or "", re.MULTILINE)
    tree = ast.parse((PACKAGE / "contract" / "errors.py").read_text())
    assert set(drawn) == {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_no_folder_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    folders = {part for file in TESTS.rglob("*.py") for part in file.relative_to(TESTS).parts}

    assert "build" in folders
    assert [f for f in folders for pattern in patterns if fnmatch(f, pattern)] == []
