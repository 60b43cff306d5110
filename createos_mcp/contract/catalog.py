"""The catalog: every operation of `tool_schemas/`; a wrong file is refused by name and reason."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.operations import (
    Absence,
    CompletionSource,
    Operation,
    PromptRow,
    Reference,
    ResourceRow,
    SecretMembers,
    Tool,
    Utterances,
)
from createos_mcp.contract.prompt_files import read_prompt
from createos_mcp.contract.schema_directory import read_instructions, schema_directory
from createos_mcp.contract.schema_files import SchemaFile, lookups_of

WORKFLOWS = "workflows"
"""The folder of tools that are no operations."""

SECRETS_FILE = "secrets.json"
ABSENCES_FILE = "absences.json"
UTTERANCES_FILE = "utterances.json"
ON_REQUEST_FILE = "on_request.json"
RESOURCES_FILE = "resources.json"
COMPLETIONS_FILE = "completions.json"
PROMPTS = "prompts/*.md"
REFERENCES_FILE = "references.json"


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every operation, by name, and how names stand for ids."""

    operations: Mapping[str, Operation]
    """Sorted by name."""
    workflows: Mapping[str, Tool]
    """Tools that take several operations to do their work; sorted by name."""
    references: tuple[Reference, ...]
    secrets: SecretMembers
    """Which members of answers hold secrets."""
    read_utterances: Callable[[], tuple[Utterances, ...]]
    read_absences: Callable[[], tuple[Absence, ...]]
    on_request: frozenset[str]
    """Groups whose tools are listed only where they are asked for."""
    resources: tuple[ResourceRow, ...]
    prompts: Mapping[str, PromptRow]
    """By name."""
    completions: Mapping[str, CompletionSource]
    """By argument."""
    instructions: str
    """What a client is told about the tools as a whole."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Operations and workflows."""
        return (*self.operations.values(), *self.workflows.values())

    @cached_property
    def absences(self) -> tuple[Absence, ...]:
        """What people ask for and no tool does; the first search reads hundreds of patterns.

        Raises:
            CatalogError: The file is wrong.
        """
        return self.read_absences()

    @cached_property
    def utterances(self) -> tuple[Utterances, ...]:
        """What people say who want a tool, or what no tool does; the first search reads thousands.

        Raises:
            CatalogError: The file is wrong.
        """
        return self.read_utterances()

    def find(self, name: str) -> Operation | None:
        """The operation of that name or alias."""
        return self._by_any_name.get(name)

    def reference_for(self, argument: str) -> Reference | None:
        """How a name given for this argument is looked up; None when it is not an id."""
        return self._by_argument.get(argument)

    @cached_property
    def _by_any_name(self) -> Mapping[str, Operation]:
        aliases = {alias: o for o in self.operations.values() for alias in o.aliases}
        return {**aliases, **self.operations}

    @cached_property
    def _by_argument(self) -> Mapping[str, Reference]:
        return {argument: r for r in self.references for argument in r.arguments}


def load_catalog(root: Path | None = None, *, local: bool = False) -> Catalog:
    """Read every schema file.

    Args:
        root: A `tool_schemas` directory; by default the one that belongs to this package.
        local: Whether the catalog has what the local platform alone serves, too.

    Raises:
        CatalogError: A file is wrong; it names the file and the reason.
    """
    if root is None:
        root = schema_directory()
    tools = {tool.name: tool for tool in _read_tools(root) if local or not tool.local}
    operations = {name: tool for name, tool in tools.items() if isinstance(tool, Operation)}
    _refuse_unknown_lookups(operations)
    return Catalog(
        operations=operations,
        workflows={name: tool for name, tool in tools.items() if name not in operations},
        references=SchemaFile(root, root / REFERENCES_FILE).read_references(
            operations, local=local
        ),
        secrets=SchemaFile(root, root / SECRETS_FILE).read_secret_members(operations),
        read_utterances=partial(_read_utterances, root),
        read_absences=partial(_read_absences, root, tools.keys(), local=local),
        on_request=SchemaFile(root, root / ON_REQUEST_FILE).read_groups(),
        resources=SchemaFile(root, root / RESOURCES_FILE).read_resources(operations),
        prompts={file.stem: read_prompt(root, file) for file in sorted(root.glob(PROMPTS))},
        completions=SchemaFile(root, root / COMPLETIONS_FILE).read_completions(operations),
        instructions=read_instructions(root, local=local),
    )


def _read_utterances(root: Path) -> tuple[Utterances, ...]:
    return SchemaFile(root, root / UTTERANCES_FILE).read_utterances(_every_name(root))


def _every_name(root: Path) -> set[str]:
    """Of tools, also those that a catalog leaves out."""
    return {file.stem for file in root.glob("*/*.json")}


def _read_absences(root: Path, tools: Collection[str], *, local: bool) -> tuple[Absence, ...]:
    """What no tool does; a way that takes a tool which this catalog leaves out is still a way."""
    rows = SchemaFile(root, root / ABSENCES_FILE).read_absences(_every_name(root))
    return tuple(
        replace(row, nearest=tuple(name for name in row.nearest if name in tools))
        for row in rows
        if not (local and row.cloud)
    )


def _read_tools(root: Path) -> Iterator[Tool]:
    taken: set[str] = set()
    for file in sorted(root.glob("*/*.json"), key=lambda file: file.stem):
        schema = SchemaFile(root, file)
        is_workflow = file.parent.name == WORKFLOWS
        tool = schema.read_tool() if is_workflow else schema.read_operation()
        for name in (tool.name, *tool.aliases):
            if name in taken:
                label = file.relative_to(root).as_posix()
                raise CatalogError(label, f"the name {name!r} is used twice")
            taken.add(name)
        yield tool


def _refuse_unknown_lookups(operations: Mapping[str, Operation]) -> None:
    for operation in operations.values():
        for lookup in lookups_of(operation):
            if lookup.operation not in operations:
                label = f"{operation.group}/{operation.name}.json"
                reason = f"a lookup names {lookup.operation!r}, which is not a tool"
                raise CatalogError(label, reason)
