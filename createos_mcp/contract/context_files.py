"""Context files: what `tool_schemas/` says of resources, prompts and completions."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.operations import (
    CompletionSource,
    Operation,
    PromptArgument,
    PromptRow,
    ResourceRow,
)
from createos_mcp.contract.schema_files import SchemaFile
from createos_mcp.contract.values import Json

SCHEME = "createos://"

_RESOURCE_KEYS: Mapping[str, type] = {
    "uri": str,
    "name": str,
    "title": str,
    "description": str,
    "operation": str,
}
_RESOURCE_OPTIONS: Mapping[str, type] = {"arguments": dict, "pick": str, "watch": str}

_COMPLETION_KEYS: Mapping[str, type] = {
    "argument": str,
    "operation": str,
    "scope": list,
    "member": str,
}
_COMPLETION_OPTIONS: Mapping[str, type] = {"where": dict}

_VARIABLE = re.compile(r"\{(\w+)\}")
PLACE = re.compile(r"\{\{(\w+)\}\}")
"""Where a prompt's text takes an argument."""

_FENCE = "+++\n"


class ContextFile(SchemaFile):
    """One of the lists beside the tools."""

    def read_resources(self, operations: Mapping[str, Operation]) -> tuple[ResourceRow, ...]:
        """What `resources.json` says."""
        return tuple(self._resource(entry, operations) for entry in self.read_list())

    def read_completions(
        self, operations: Mapping[str, Operation]
    ) -> Mapping[str, CompletionSource]:
        """What `completions.json` says, by argument."""
        sources = (self._source(entry, operations) for entry in self.read_list())
        return {source.argument: source for source in sources}

    def _resource(self, entry: Json, operations: Mapping[str, Operation]) -> ResourceRow:
        self.check_object(entry, "a resource", _RESOURCE_KEYS, _RESOURCE_OPTIONS)
        row = ResourceRow(
            **{key: entry[key] for key in _RESOURCE_KEYS},
            arguments=entry.get("arguments", {}),
            pick=entry.get("pick", ""),
            watch=entry.get("watch", ""),
        )
        if not row.uri.startswith(SCHEME):
            self.refuse(f"the resource {row.name!r} does not begin with {SCHEME}")
        variables = _VARIABLE.findall(row.uri)
        if row.pick and row.pick not in variables:
            self.refuse(f"the resource {row.name!r} picks by {row.pick!r}, which is not in its URI")
        given = [name for name in variables if name != row.pick]
        self._check_call(row.operation, [*given, *row.arguments], operations)
        return row

    def _source(self, entry: Json, operations: Mapping[str, Operation]) -> CompletionSource:
        self.check_object(entry, "a completion", _COMPLETION_KEYS, _COMPLETION_OPTIONS)
        self._check_call(entry["operation"], entry["scope"], operations)
        return CompletionSource(
            argument=entry["argument"],
            operation=entry["operation"],
            scope=tuple(entry["scope"]),
            member=entry["member"],
            where=entry.get("where", {}),
        )

    def _check_call(
        self, name: str, arguments: list[str], operations: Mapping[str, Operation]
    ) -> None:
        operation = operations.get(name)
        if operation is None:
            self.refuse(f"{name!r} is not an operation")
        if not operation.annotations.read_only:
            self.refuse(f"{name!r} is not read-only")
        for argument in arguments:
            if argument not in operation.input_schema["properties"]:
                self.refuse(f"{name!r} has no argument {argument!r}")
        for argument in operation.input_schema.get("required", ()):
            if argument not in arguments:
                self.refuse(f"{name!r} requires the argument {argument!r}")


def read_prompt(root: Path, file: Path) -> PromptRow:
    """Read one prompt: TOML between two lines of `+++`, then its text.

    Raises:
        CatalogError: It cannot be read, or its places are not its arguments.
    """
    label = file.relative_to(root).as_posix()
    try:
        _, head, text = file.read_text(encoding="utf-8").split(_FENCE, 2)
        facts = tomllib.loads(head)
        arguments = tuple(map(_read_argument, facts.get("arguments", ())))
        row = PromptRow(
            name=file.stem,
            title=facts["title"],
            description=facts["description"],
            arguments=arguments,
            text=text.strip(),
        )
    except KeyError as error:
        raise CatalogError(label, f"missing {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise CatalogError(label, str(error)) from error
    for name in set(PLACE.findall(text)) ^ {argument.name for argument in arguments}:
        raise CatalogError(label, f"{name!r} is not both an argument and a place in the text")
    return row


def _read_argument(entry: Mapping[str, str]) -> PromptArgument:
    return PromptArgument(
        name=entry["name"], description=entry["description"], default=entry.get("default")
    )
