"""Schema files: one file of `tool_schemas/` read into nouns; a wrong one is refused by name.

The nouns declare the shape of a file, and pydantic holds a file to it. Each file names the JSON
Schema that follows from its noun in `$schema`, so that editors complete and check it.
"""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, NoReturn, TypeAlias, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.operations import (
    Absence,
    CompletionSource,
    Lookup,
    Operation,
    Reference,
    ResourceRow,
    Rule,
    SecretMembers,
    Tool,
    Utterances,
)
from createos_mcp.contract.portability import find_fault
from createos_mcp.contract.values import Json, Schema

Noun = TypeVar("Noun")

Groups: TypeAlias = frozenset[str]

SCHEME = "createos://"

_PATH_PARAMETER = re.compile(r"{([^{}]+)}")
_VARIABLE = re.compile(r"\{(\w+)\}")
_OWN_SCHEMA = "$schema"

OPERATION: TypeAdapter[Operation] = TypeAdapter(Operation)
WORKFLOW: TypeAdapter[Tool] = TypeAdapter(Tool)
REFERENCES: TypeAdapter[tuple[Reference, ...]] = TypeAdapter(tuple[Reference, ...])
RESOURCES: TypeAdapter[tuple[ResourceRow, ...]] = TypeAdapter(tuple[ResourceRow, ...])
COMPLETIONS: TypeAdapter[tuple[CompletionSource, ...]] = TypeAdapter(tuple[CompletionSource, ...])
SECRETS: TypeAdapter[SecretMembers] = TypeAdapter(SecretMembers)
ABSENCES: TypeAdapter[tuple[Absence, ...]] = TypeAdapter(tuple[Absence, ...])
UTTERANCES: TypeAdapter[tuple[Utterances, ...]] = TypeAdapter(tuple[Utterances, ...])
ON_REQUEST: TypeAdapter[Groups] = TypeAdapter(Annotated[Groups, Field(strict=False)])

_REASONS: Mapping[str, str] = {
    "missing": "{place} is missing",
    "unexpected_keyword_argument": "{place} is not known",
}
"""Sentences for the problems that authors meet most; pydantic's own for the others."""


class SchemaFile:
    """One file being read; every refusal carries its name.

    Raises:
        CatalogError: It is not a JSON object.
    """

    def __init__(self, root: Path, file: Path) -> None:
        self._label = file.relative_to(root).as_posix()
        self._file = file
        try:
            self._json: Json = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogError(self._label, str(error)) from error
        if not isinstance(self._json, dict):
            self.refuse("not a JSON object")
        self._json.pop(_OWN_SCHEMA, None)

    def read_operation(self) -> Operation:
        """An operation of the REST API."""
        operation = self._read(OPERATION, self._json)
        self._check_tool(operation)
        self._check_places(operation)
        if operation.confirmation is not None:
            self._check_lookups(operation)
        return operation

    def read_tool(self) -> Tool:
        """A tool that is not an operation, and so has no place on the REST API."""
        tool = self._read(WORKFLOW, self._json)
        self._check_tool(tool)
        return tool

    def read_references(
        self, operations: Mapping[str, Operation], *, local: bool
    ) -> tuple[Reference, ...]:
        """How names are looked up, of the local platform's own things where it is called."""
        every = self._read(REFERENCES, self._member("references"))
        references = tuple(row for row in every if local or not row.local)
        known = {name for o in operations.values() for name in o.input_schema["properties"]}
        for reference in references:
            for argument in (*reference.arguments, *reference.scope):
                if argument not in known:
                    self.refuse(f"a reference names {argument!r}, which no tool has")
            if reference.list_operation not in operations:
                self.refuse(
                    f"a reference lists by {reference.list_operation!r}, which is not a tool"
                )
        return references

    def read_resources(self, operations: Mapping[str, Operation]) -> tuple[ResourceRow, ...]:
        """The resources, each an operation that only reads."""
        rows = self._read(RESOURCES, self._member("resources"))
        for row in rows:
            self._check_resource(row, operations)
        return rows

    def read_completions(
        self, operations: Mapping[str, Operation]
    ) -> Mapping[str, CompletionSource]:
        """Where values come from, by argument."""
        sources = self._read(COMPLETIONS, self._member("completions"))
        for source in sources:
            self._check_read(source.operation, source.scope, operations)
        return {source.argument: source for source in sources}

    def read_secret_members(self, operations: Mapping[str, Operation]) -> SecretMembers:
        """Which members of answers hold secrets."""
        members = self._read(SECRETS, self._json)
        for row in members.patterns:
            try:
                re.compile(row.pattern)
            except re.error as error:
                self.refuse(f"the pattern {row.pattern!r} is not a regular expression: {error}")
        for name in members.shown_by:
            if name not in operations:
                self.refuse(f"shownBy: there is no operation {name!r}")
        return members

    def read_utterances(self, tools: Collection[str]) -> tuple[Utterances, ...]:
        """What people say, for searching."""
        rows = self._read(UTTERANCES, self._member("utterances"))
        for row in rows:
            for name in row.tools:
                if name not in tools:
                    self.refuse(f"there is no tool {name!r}, for which is said {row.said}")
        return rows

    def read_absences(self, tools: Collection[str]) -> tuple[Absence, ...]:
        """What no tool does."""
        absences = self._read(ABSENCES, self._member("absences"))
        for row in absences:
            for name in row.nearest:
                if name not in tools:
                    self.refuse(f"{row.topic}: there is no tool {name!r}")
            for words in row.words:
                try:
                    re.compile(words)
                except re.error as error:
                    self.refuse(f"{words!r} is not a regular expression: {error}")
        return absences

    def read_groups(self) -> Groups:
        """The groups that are listed only on request."""
        return self._read(ON_REQUEST, self._member("groups"))

    def _member(self, name: str) -> Json:
        if self._json.keys() != {name}:
            self.refuse(f"{name} has to be its only member")
        return self._json[name]

    def _read(self, adapter: TypeAdapter[Noun], document: Json) -> Noun:
        try:
            return adapter.validate_json(json.dumps(document))
        except ValidationError as error:
            self.refuse(_describe(error.errors(include_url=False)[0]))

    def _check_tool(self, tool: Tool) -> None:
        if tool.name != self._file.stem:
            self.refuse(f"name {tool.name!r} differs from the file's name")
        if tool.group != self._file.parent.name:
            self.refuse(f"group {tool.group!r} differs from the folder's name")
        self._check_root(tool.input_schema, "inputSchema")
        fault = find_fault(tool.input_schema, "inputSchema")
        if fault:
            self.refuse(fault)
        if tool.input_schema.get("additionalProperties") is not False:
            self.refuse("inputSchema must refuse unknown arguments")
        self._check_root(tool.output_schema, "outputSchema")
        for rule in tool.rules:
            self._check_rule(rule, tool.input_schema["properties"])

    def _check_root(self, schema: Schema, where: str) -> None:
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            self.refuse(f"{where} is not an object with properties")

    def _check_rule(self, rule: Rule, arguments: Mapping[str, Json]) -> None:
        if rule.at and rule.at not in arguments:
            self.refuse(f"a rule is about {rule.at!r}, which is not an argument")
        fields = arguments[rule.at].get("properties", {}) if rule.at else arguments
        for field in (*(rule.allowed or ()), *rule.required):
            if field not in fields:
                self.refuse(f"a rule names {field!r}, which {rule.at or 'the tool'} does not have")

    def _check_places(self, operation: Operation) -> None:
        """Every argument has one place in the request."""
        http, arguments = operation.http, operation.input_schema["properties"]
        for key, names in (("query", http.query), ("unsent", http.unsent)):
            for argument in names:
                if argument not in arguments:
                    self.refuse(f"http.{key} names {argument!r}, which is not an argument")
        in_path = set(_PATH_PARAMETER.findall(http.path))
        required = operation.input_schema.get("required", ())
        for parameter in sorted(in_path):
            if parameter not in arguments:
                self.refuse(f"the path parameter {parameter!r} is not an argument")
            if parameter not in required:
                self.refuse(f"the path parameter {parameter!r} is not required")
        self._check_body(operation, set(arguments) - {*in_path, *http.query, *http.unsent})

    def _check_body(self, operation: Operation, members: set[str]) -> None:
        http, required = operation.http, operation.input_schema.get("required", ())
        if http.body == "none" and members:
            self.refuse(f"the argument {min(members)!r} has no place in the request")
        if http.body == "multipart" and len(members) != 1:
            self.refuse("a multipart body takes exactly one argument")
        for argument in http.nulls:
            if argument not in members or argument in required:
                self.refuse(
                    f"http.nulls names {argument!r}, which is not an optional body argument"
                )

    def _check_lookups(self, operation: Operation) -> None:
        asked = operation.confirmation
        if asked is None:
            return
        if asked.typed and asked.subject is None:
            self.refuse("confirmation has typed but no subject")
        for lookup in lookups_of(operation):
            for argument in lookup.where.values():
                if argument not in operation.input_schema["properties"]:
                    self.refuse(f"a lookup compares with {argument!r}, which is not an argument")

    def _check_resource(self, row: ResourceRow, operations: Mapping[str, Operation]) -> None:
        if not row.uri.startswith(SCHEME):
            self.refuse(f"the resource {row.name!r} does not begin with {SCHEME}")
        variables = _VARIABLE.findall(row.uri)
        if row.pick and row.pick not in variables:
            self.refuse(f"the resource {row.name!r} picks by {row.pick!r}, which is not in its URI")
        given = [name for name in variables if name != row.pick]
        self._check_read(row.operation, (*given, *row.arguments), operations)

    def _check_read(
        self, name: str, arguments: tuple[str, ...], operations: Mapping[str, Operation]
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

    def refuse(self, reason: str) -> NoReturn:
        """Say what is wrong with the file.

        Raises:
            CatalogError: Always.
        """
        raise CatalogError(self._label, reason)


def lookups_of(operation: Operation) -> tuple[Lookup, ...]:
    """What is looked up before the user is asked about a call."""
    asked = operation.confirmation
    if asked is None:
        return ()
    subject = (asked.subject,) if asked.subject else ()
    return (*subject, *(loss.lookup for loss in asked.losses))


def _describe(problem: ErrorDetails) -> str:
    place = ".".join(map(str, problem["loc"])) or "the file"
    sentence = _REASONS.get(problem["type"])
    return sentence.format(place=repr(place)) if sentence else f"{place}: {problem['msg']}"
