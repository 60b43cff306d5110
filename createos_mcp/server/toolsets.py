"""Toolsets: which tools a caller sees, and which it reaches."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Self

from cachetools import LRUCache

from createos_mcp.contract.errors import SelectionError
from createos_mcp.contract.operations import Reference, Tool
from createos_mcp.contract.values import Schema
from createos_mcp.settings.settings import Settings

ALL, DEFAULT, DYNAMIC = "all", "default", "dynamic"
"""Toolsets that are no group: every group, those without a request, and none but the search."""

_SHOWN = 3
_MANY = 30
"""Names that a refusal lists at most."""

_KEPT_CHOICES = 256
"""How many callers' choices are remembered; each follows from what they sent alone."""

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What was chosen, by the operator or by a caller; everything is optional."""

    toolsets: frozenset[str] = frozenset()
    """Groups, `all`, `default`, `dynamic`."""
    tools: frozenset[str] = frozenset()
    """Single tools beside the toolsets; alone when there are no toolsets."""
    exclude_tools: frozenset[str] = frozenset()
    read_only: bool = False
    project: str | None = None
    """Name or id of the one project that all calls are about."""

    def override(self, other: Self) -> Self:
        """The same with what the other one says; exclusions and read-only add up."""
        return replace(
            other,
            toolsets=other.toolsets or (frozenset() if other.tools else self.toolsets),
            tools=other.tools or (frozenset() if other.toolsets else self.tools),
            exclude_tools=self.exclude_tools | other.exclude_tools,
            read_only=self.read_only or other.read_only,
            project=other.project or self.project,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a selection is written: how each of its fields is called there."""

    toolsets: str
    tools: str
    exclude_tools: str
    read_only: str
    project: str


HEADER_PREFIX = "x-mcp-"
"""How the names of all headers below begin, in lower case."""

HEADERS = Source(
    toolsets="X-MCP-Toolsets",
    tools="X-MCP-Tools",
    exclude_tools="X-MCP-Exclude-Tools",
    read_only="X-MCP-Readonly",
    project="X-MCP-Project",
)
SETTINGS = Source(
    toolsets="CREATEOS_TOOLSETS (--toolsets)",
    tools="CREATEOS_TOOLS (--tools)",
    exclude_tools="CREATEOS_EXCLUDE_TOOLS (--exclude-tools)",
    read_only="CREATEOS_READ_ONLY (--read-only)",
    project="CREATEOS_PROJECT (--project)",
)
QUERY = Source(
    toolsets="toolsets",
    tools="tools",
    exclude_tools="exclude_tools",
    read_only="read_only",
    project="project",
)


def offered(settings: Settings) -> Selection:
    """What the operator's settings offer."""
    return Selection(
        toolsets=settings.toolsets,
        tools=settings.tools,
        exclude_tools=settings.exclude_tools,
        read_only=settings.read_only,
        project=settings.project,
    )


def read_selection(get: Callable[[str], str | None], source: Source) -> Selection:
    """Read a selection from headers or a query.

    Args:
        get: The value of a name, or None.
        source: The names.

    Raises:
        SelectionError: The switch is neither on nor off.
    """
    switch = (get(source.read_only) or "").strip().lower()
    if switch and switch not in _YES | _NO:
        raise SelectionError(source.read_only, "expected true or false")
    return Selection(
        toolsets=split_names(get(source.toolsets) or ""),
        tools=split_names(get(source.tools) or ""),
        exclude_tools=split_names(get(source.exclude_tools) or ""),
        read_only=switch in _YES,
        project=(get(source.project) or "").strip() or None,
    )


def split_names(text: str) -> frozenset[str]:
    """`projects, domains` as a set."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The tools of one caller."""

    reached: Mapping[str, Tool]
    """By name and alias; those that are not listed too."""
    shown: Mapping[str, Tool]
    """The same by name, without the arguments that are filled in."""
    listed: tuple[str, ...]
    project: str | None
    read_only: bool

    @property
    def has_search(self) -> bool:
        """Whether there are tools that only a search finds."""
        return len(self.listed) < len(self.shown)


class Toolsets:
    """Every tool there is, and the choices that can be made among them.

    Args:
        tools: All of them.
        on_request: Groups that are listed only when they are asked for.
        references: Tell which arguments take a project.
    """

    def __init__(
        self, tools: Iterable[Tool], on_request: frozenset[str], references: Iterable[Reference]
    ) -> None:
        self._tools = {tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}
        self._groups = {tool.group for tool in self._tools.values()}
        self._on_request = on_request
        self._of_project = frozenset(
            argument
            for reference in references
            if reference.resource == "project"
            for argument in reference.arguments
        )
        self._kept: LRUCache[tuple[Selection, Selection], Choice] = LRUCache(_KEPT_CHOICES)

    @property
    def tools(self) -> Iterable[Tool]:
        """All of them, whoever may see them."""
        return self._tools.values()

    def check(self, selection: Selection, source: Source, bound: Selection | None = None) -> None:
        """Refuse names that nothing has, and a project other than the operator's.

        Raises:
            SelectionError: It names the field, the name and the nearest one.
        """
        if bound and bound.project and selection.project not in {None, bound.project}:
            raise SelectionError(source.project, "this server is pinned to another project")
        known = {
            "toolsets": {*self._groups, ALL, DEFAULT, DYNAMIC},
            "tools": self._tools.keys(),
            "exclude_tools": self._tools.keys(),
        }
        for field, names in known.items():
            for name in sorted(getattr(selection, field) - names):
                near = get_close_matches(name, names, n=_SHOWN)
                remedy = f"did you mean {' or '.join(near)}?" if near else _join_names(names)
                reason = f"there is no {name[:64]!r}; {remedy}"
                raise SelectionError(getattr(source, field), reason)

    def choose(self, bound: Selection, wanted: Selection) -> Choice:
        """The tools of a caller who wants this, within what the operator allows."""
        key = (bound, wanted)
        choice = self._kept.get(key)
        if choice is None:
            choice = self._kept[key] = self._choose(bound, wanted)
        return choice

    def _choose(self, bound: Selection, wanted: Selection) -> Choice:
        read_only = bound.read_only or wanted.read_only
        project = bound.project or wanted.project
        excluded = bound.exclude_tools | wanted.exclude_tools
        allowed = {
            name: tool
            for name, tool in self._tools.items()
            if name not in excluded
            and (tool.annotations.read_only or not read_only)
            and not (project and self._is_about_others(tool))
        }
        limit = self._reach(bound)
        reached = [t for name, t in allowed.items() if name in limit & self._reach(wanted)]
        listed = self._list(wanted if wanted.toolsets or wanted.tools else bound)
        return Choice(
            reached={name: tool for tool in reached for name in (*tool.aliases, tool.name)},
            shown={tool.name: self._pin(tool, project) for tool in reached},
            listed=tuple(tool.name for tool in reached if tool.name in listed),
            project=project,
            read_only=read_only,
        )

    def _list(self, selection: Selection) -> frozenset[str]:
        """Names that a selection lists."""
        groups = selection.toolsets or (frozenset() if selection.tools else {DEFAULT})
        if ALL in groups:
            return frozenset(self._tools)
        if DEFAULT in groups:
            groups = groups | (self._groups - self._on_request)
        return selection.tools | {n for n, tool in self._tools.items() if tool.group in groups}

    def _reach(self, selection: Selection) -> frozenset[str]:
        """Names that a selection reaches: what it names, or all when it leaves that open."""
        is_open = not (selection.toolsets or selection.tools)
        if is_open or DYNAMIC in selection.toolsets:
            return frozenset(self._tools)
        return self._list(selection)

    def _is_about_others(self, tool: Tool) -> bool:
        """Whether a tool can reach beyond one project."""
        schema = tool.input_schema["properties"]
        if any(schema[name]["type"] == "array" for name in self._of_project & schema.keys()):
            return True
        return not self._of_project & schema.keys() and any(
            self._of_project & other.input_schema["properties"].keys()
            for other in self._tools.values()
            if other.group == tool.group
        )

    def _pin(self, tool: Tool, project: str | None) -> Tool:
        """The tool without the arguments that the pinned project fills in."""
        pinned = self.pinned_arguments(tool) if project else frozenset()
        return replace(tool, input_schema=_without(tool.input_schema, pinned)) if pinned else tool

    def pinned_arguments(self, tool: Tool) -> frozenset[str]:
        """Arguments of a tool that hold a project."""
        return self._of_project.intersection(tool.input_schema["properties"])


def _without(schema: Schema, names: frozenset[str]) -> Schema:
    required = [name for name in schema.get("required", ()) if name not in names]
    properties = {k: v for k, v in schema["properties"].items() if k not in names}
    others = {k: v for k, v in schema.items() if k not in {"properties", "required"}}
    asked = {"required": required} if required else {}
    return {**others, "properties": properties, **asked}


def _join_names(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return (
        f"known: {', '.join(ordered)}" if len(ordered) < _MANY else "docs/tools.md lists the tools"
    )
