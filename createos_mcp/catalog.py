"""The catalogue: every operation of `tool_schemas/`; a wrong file is refused by name and reason."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from createos_mcp.errors import CatalogError
from createos_mcp.operations import Annotations, Endpoint, Json, Operation, Reference, Rule

BESIDE_THE_MODULE = Path(__file__).parent / "tool_schemas"
"""Where a wheel carries the schema files."""

BESIDE_THE_PACKAGE = Path(__file__).parent.parent / "tool_schemas"
"""Where a checkout has them."""

REFERENCES_FILE = "references.json"
INSTRUCTIONS_FILE = "instructions.md"

_HINTS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}

_TOOL_KEYS: Mapping[str, type] = {
    "name": str,
    "title": str,
    "group": str,
    "description": str,
    "annotations": dict,
    "http": dict,
    "inputSchema": dict,
    "outputSchema": dict,
}
_TOOL_OPTIONS: Mapping[str, type] = {"aliases": list, "answer": str, "rules": list}

_HTTP_KEYS: Mapping[str, type] = {
    "method": str,
    "path": str,
    "query": dict,
    "body": str,
    "success": int,
    "retry": bool,
    "errors": dict,
}
_HTTP_OPTIONS: Mapping[str, type] = {"nulls": list, "empty_on": int, "anonymous": bool}

_RULE_KEYS: Mapping[str, type] = {"when": dict, "at": str}
_RULE_OPTIONS: Mapping[str, type] = {"allowed": list, "required": list}

_REFERENCE_KEYS: Mapping[str, type] = {
    "arguments": list,
    "resource": str,
    "list_operation": str,
    "scope": list,
    "match": list,
    "id": str,
}
_REFERENCE_OPTIONS: Mapping[str, type] = {"latest": bool}

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_BODIES = frozenset({"none", "json", "multipart"})
_ANSWERS = frozenset({"data", "log"})

_ID_KINDS = frozenset({"uuid", "integer"})

_EVERYWHERE = frozenset({"type", "description", "default", "enum"})
_PORTABLE: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength", "format"}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
}
"""Keywords of the subset that Claude, Gemini and Cursor all accept, by type."""

_PATH_PARAMETER = re.compile(r"{([^{}]+)}")


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every operation, by name, and how names stand for ids."""

    operations: Mapping[str, Operation]
    """Sorted by name."""
    references: tuple[Reference, ...]
    instructions: str
    """What a client is told about the tools as a whole."""

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


def load_catalog(root: Path | None = None) -> Catalog:
    """Read every schema file.

    Args:
        root: A `tool_schemas` directory; by default the one that belongs to this package.

    Raises:
        CatalogError: A file is wrong; it names the file and the reason.
    """
    if root is None:
        root = BESIDE_THE_MODULE if BESIDE_THE_MODULE.is_dir() else BESIDE_THE_PACKAGE
    operations: dict[str, Operation] = {}
    taken: set[str] = set()
    for file in sorted(root.glob("*/*.json"), key=lambda file: file.stem):
        operation = _Document(root, file).read_operation()
        for name in (operation.name, *operation.aliases):
            if name in taken:
                raise CatalogError(_label(root, file), f"the name {name!r} is used twice")
            taken.add(name)
        operations[operation.name] = operation
    references = _Document(root, root / REFERENCES_FILE).read_references(operations)
    instructions = (root / INSTRUCTIONS_FILE).read_text(encoding="utf-8").strip()
    return Catalog(operations=operations, references=references, instructions=instructions)


def _label(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


class _Document:
    """One file being read; every refusal carries its name."""

    def __init__(self, root: Path, file: Path) -> None:
        self._label = _label(root, file)
        self._file = file
        try:
            self._json: Json = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogError(self._label, str(error)) from error

    def read_operation(self) -> Operation:
        document = self._object(self._json, "the file", _TOOL_KEYS, _TOOL_OPTIONS)
        for key in ("name", "title", "description"):
            if not document[key].strip():
                self._refuse(f"{key} is empty")
        if document["name"] != self._file.stem:
            self._refuse(f"name {document['name']!r} differs from the file's name")
        if document["group"] != self._file.parent.name:
            self._refuse(f"group {document['group']!r} differs from the folder's name")
        answer = document.get("answer", "data")
        self._one_of("answer", answer, _ANSWERS)
        self._check_root(document["inputSchema"], "inputSchema")
        self._check_schema(document["inputSchema"], "inputSchema")
        if document["inputSchema"].get("additionalProperties") is not False:
            self._refuse("inputSchema must refuse unknown arguments")
        self._check_root(document["outputSchema"], "outputSchema")
        arguments = document["inputSchema"]["properties"]
        operation = Operation(
            name=document["name"],
            title=document["title"],
            group=document["group"],
            description=document["description"],
            aliases=tuple(document.get("aliases", ())),
            annotations=self._annotations(document["annotations"]),
            http=self._endpoint(document["http"], arguments),
            answer=answer,
            rules=tuple(self._rule(rule, arguments) for rule in document.get("rules", ())),
            input_schema=document["inputSchema"],
            output_schema=document["outputSchema"],
        )
        self._check_places(operation)
        return operation

    def read_references(self, operations: Mapping[str, Operation]) -> tuple[Reference, ...]:
        if not isinstance(self._json, list):
            self._refuse("it is not a list")
        known = {name for o in operations.values() for name in o.input_schema["properties"]}
        return tuple(self._reference(entry, operations, known) for entry in self._json)

    def _annotations(self, hints: Json) -> Annotations:
        self._object(hints, "annotations", dict.fromkeys(_HINTS, bool), {})
        return Annotations(**{field: hints[hint] for hint, field in _HINTS.items()})

    def _endpoint(self, http: Json, arguments: Mapping[str, Json]) -> Endpoint:
        self._object(http, "http", _HTTP_KEYS, _HTTP_OPTIONS)
        self._one_of("http.method", http["method"], _METHODS)
        self._one_of("http.body", http["body"], _BODIES)
        if not http["path"].startswith("/v1/"):
            self._refuse(f"http.path {http['path']!r} does not start with /v1/")
        for argument in http["query"]:
            if argument not in arguments:
                self._refuse(f"http.query names {argument!r}, which is no argument")
        if not all(code.isdigit() for code in http["errors"]):
            self._refuse("http.errors has a key that is no status")
        return Endpoint(
            method=http["method"],
            path=http["path"],
            query=http["query"],
            body=http["body"],
            success=http["success"],
            retry=http["retry"],
            errors={int(code): meaning for code, meaning in http["errors"].items()},
            nulls=tuple(http.get("nulls", ())),
            empty_on=http.get("empty_on"),
            anonymous=http.get("anonymous", False),
        )

    def _rule(self, rule: Json, arguments: Mapping[str, Json]) -> Rule:
        self._object(rule, "a rule", _RULE_KEYS, _RULE_OPTIONS)
        at = rule["at"]
        if at and at not in arguments:
            self._refuse(f"a rule is about {at!r}, which is no argument")
        fields = arguments[at].get("properties", {}) if at else arguments
        for field in (*rule.get("allowed", ()), *rule.get("required", ())):
            if field not in fields:
                self._refuse(f"a rule names {field!r}, which {at or 'the tool'} does not have")
        allowed = tuple(rule["allowed"]) if "allowed" in rule else None
        return Rule(
            when=rule["when"], at=at, allowed=allowed, required=tuple(rule.get("required", ()))
        )

    def _reference(
        self, entry: Json, operations: Mapping[str, Operation], known: set[str]
    ) -> Reference:
        self._object(entry, "a reference", _REFERENCE_KEYS, _REFERENCE_OPTIONS)
        for argument in (*entry["arguments"], *entry["scope"]):
            if argument not in known:
                self._refuse(f"a reference names {argument!r}, which no tool takes")
        if entry["list_operation"] not in operations:
            self._refuse(f"a reference lists by {entry['list_operation']!r}, which is no tool")
        self._one_of("id of a reference", entry["id"], _ID_KINDS)
        return Reference(
            arguments=tuple(entry["arguments"]),
            resource=entry["resource"],
            list_operation=entry["list_operation"],
            scope=tuple(entry["scope"]),
            match=tuple(entry["match"]),
            latest=entry.get("latest", False),
            id_kind=entry["id"],
        )

    def _check_places(self, operation: Operation) -> None:
        arguments = operation.input_schema["properties"]
        required = operation.input_schema.get("required", ())
        in_path = set(_PATH_PARAMETER.findall(operation.http.path))
        for parameter in sorted(in_path):
            if parameter not in arguments:
                self._refuse(f"the path parameter {parameter!r} is no argument")
            if parameter not in required:
                self._refuse(f"the path parameter {parameter!r} is not required")
        in_body = set(arguments) - in_path - set(operation.http.query)
        if operation.http.body == "none" and in_body:
            self._refuse(f"the argument {min(in_body)!r} has no place in the request")
        if operation.http.body == "multipart" and len(in_body) != 1:
            self._refuse("a multipart body takes exactly one argument")
        for argument in operation.http.nulls:
            if argument not in in_body or argument in required:
                self._refuse(f"http.nulls names {argument!r}, which is no optional body argument")

    def _check_root(self, schema: Json, where: str) -> None:
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            self._refuse(f"{where} is not an object with properties")

    def _check_schema(self, schema: Json, where: str) -> None:
        if not isinstance(schema, dict) or not isinstance(schema.get("type"), str):
            self._refuse(f"{where} has no single type")
        keywords = _PORTABLE.get(schema["type"])
        if keywords is None:
            self._refuse(f"{where} has the unknown type {schema['type']!r}")
        for keyword in schema:
            if keyword not in keywords and keyword not in _EVERYWHERE:
                self._refuse(f"{where} uses {keyword!r}, which not every client understands")
        for name in schema.get("required", ()):
            if name not in schema.get("properties", {}):
                self._refuse(f"{where} requires {name!r}, which it does not define")
        for child, path in _children(schema, where):
            self._check_schema(child, path)

    def _object(
        self, value: Json, what: str, keys: Mapping[str, type], options: Mapping[str, type]
    ) -> Mapping[str, Json]:
        if not isinstance(value, dict):
            self._refuse(f"{what} is not an object")
        for key in keys:
            if key not in value:
                self._refuse(f"{what} lacks {key!r}")
        for key, held in value.items():
            kind = keys.get(key) or options.get(key)
            if kind is None:
                self._refuse(f"{what} has the unknown key {key!r}")
            if not isinstance(held, kind) or (kind is int and isinstance(held, bool)):
                self._refuse(f"{key!r} of {what} is not of type {kind.__name__}")
        return value

    def _one_of(self, what: str, value: str, known: frozenset[str]) -> None:
        if value not in known:
            self._refuse(f"{what} is {value!r}, not one of {', '.join(sorted(known))}")

    def _refuse(self, reason: str) -> NoReturn:
        raise CatalogError(self._label, reason)


def _children(schema: Mapping[str, Json], where: str) -> Iterator[tuple[Json, str]]:
    for name, child in schema.get("properties", {}).items():
        yield child, f"{where}.{name}"
    if "items" in schema:
        yield schema["items"], f"{where}[]"
    extra = schema.get("additionalProperties", False)
    if not isinstance(extra, bool):
        yield extra, f"{where}.*"
