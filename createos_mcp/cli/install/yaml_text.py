"""YAML text with one entry of a mapping set or removed; all the rest stays, byte for byte.

The text is cut at the lines that the parser reports.
"""

import json
from collections.abc import Mapping, Sequence

import yaml

from createos_mcp.contract.errors import ConfigTextError
from createos_mcp.contract.values import Json

_INDENT = "  "


def read_yaml(text: str) -> dict[str, Json]:
    """The value of a text; an empty one is an empty mapping.

    Raises:
        ConfigTextError: It is no YAML, or no mapping.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigTextError(error.problem or "not YAML", line) from error
    except yaml.YAMLError as error:
        raise ConfigTextError(str(error), 1) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigTextError("it must be a mapping: name: value", 1)
    return value


def set_entry(text: str, path: Sequence[str], entry: Mapping[str, Json]) -> str:
    """The text with an entry in a mapping of the root, in place of the one that is there.

    Args:
        text: The whole document.
        path: Mapping and name, `("extensions", "createos")`.
        entry: Texts, numbers, booleans and lists of texts.

    Raises:
        ConfigTextError: It is no YAML, or the mapping is something else or in braces.
    """
    text = remove_entry(text, path)
    section, name = path
    parent = _find(_root(text), section)
    if parent is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{section}:\n{_render(name, entry, _INDENT)}"
    key, value = parent
    lines = text.splitlines(keepends=True)
    if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
        indent = " " * value.value[0][0].start_mark.column
        return _insert(lines, value.value[0][0].start_mark.line, _render(name, entry, indent))
    if value.value:
        raise ConfigTextError(f"{section} must be a mapping over several lines", _line(value))
    # `extensions:` or `extensions: {}`
    lines[key.start_mark.line] = f"{lines[key.start_mark.line][: key.end_mark.column]}:\n"
    return _insert(lines, key.start_mark.line + 1, _render(name, entry, _INDENT))


def remove_entry(text: str, path: Sequence[str]) -> str:
    """The text without an entry; unchanged when there is none.

    Raises:
        ConfigTextError: It is no YAML, or the mapping is something else.
    """
    section, name = path
    parent = _find(_root(text), section)
    if parent is None or parent[1].tag == "tag:yaml.org,2002:null":
        return text
    if not isinstance(parent[1], yaml.MappingNode):
        raise ConfigTextError(f"{section} must be a mapping", _line(parent[1]))
    found = _find(parent[1], name)
    if found is None:
        return text
    if parent[1].flow_style:
        raise ConfigTextError(f"{section} must be a mapping over several lines", _line(parent[1]))
    lines = text.splitlines(keepends=True)
    return "".join(lines[: found[0].start_mark.line] + lines[_last_line(found[1]) + 1 :])


def _root(text: str) -> yaml.Node | None:
    read_yaml(text)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _find(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value of a member."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _last_line(node: yaml.Node) -> int:
    """The last line with something of a value; the parser's own mark lies behind it."""
    if not isinstance(node, yaml.CollectionNode) or not node.value or node.flow_style:
        return max(int(node.start_mark.line), int(node.end_mark.line) - (not node.end_mark.column))
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _render(name: str, entry: Mapping[str, Json], indent: str) -> str:
    """JSON's texts and lists are YAML's, too: https://yaml.org/spec/1.2.2/#13-terminology."""
    rows = [f"{indent}{name}:\n"]
    rows += [
        f"{indent}{_INDENT}{key}: {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in entry.items()
    ]
    return "".join(rows)


def _insert(lines: Sequence[str], place: int, added: str) -> str:
    before = "".join(lines[:place])
    gap = "" if not before or before.endswith("\n") else "\n"
    return before + gap + added + "".join(lines[place:])
