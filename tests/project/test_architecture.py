import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import createos_mcp
from createos_mcp.contract.catalog import load_catalog

PACKAGE = Path(createos_mcp.__file__).parent
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
