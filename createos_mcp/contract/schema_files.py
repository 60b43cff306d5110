"""Schema files: one file of `tool_schemas/` read into nouns; a wrong one is refused by name."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.http import Endpoint
from createos_mcp.contract.operations import (
    Annotations,
    Confirmation,
    Lookup,
    Operation,
    Reference,
    Rule,
    SecretDelivery,
    SecretMembers,
    SideEffect,
    Tool,
)
from createos_mcp.contract.portability import find_fault
from createos_mcp.contract.values import Json

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
    "inputSchema": dict,
    "outputSchema": dict,
}
_TOOL_OPTIONS: Mapping[str, type] = {
    "aliases": list,
    "answer": str,
    "rules": list,
    "keywords": str,
    "untrusted": list,
}
_OPERATION_KEYS: Mapping[str, type] = {"http": dict}
_OPERATION_OPTIONS: Mapping[str, type] = {"summary": list, "issues": dict, "confirmation": dict}

_HTTP_KEYS: Mapping[str, type] = {
    "method": str,
    "path": str,
    "query": dict,
    "body": str,
    "success": int,
    "retry": bool,
    "errors": dict,
}
_HTTP_OPTIONS: Mapping[str, type] = {
    "nulls": list,
    "empty_on": int,
    "anonymous": bool,
    "unsent": list,
}

_CONFIRMATION_KEYS: Mapping[str, type] = {"question": str}
_CONFIRMATION_OPTIONS: Mapping[str, type] = {"subject": dict, "typed": str, "losses": list}
_LOSS_KEYS: Mapping[str, type] = {"noun": str, "lookup": dict}
_LOSS_OPTIONS: Mapping[str, type] = {"count": str, "present": str}
_LOOKUP_KEYS: Mapping[str, type] = {"operation": str}
_LOOKUP_OPTIONS: Mapping[str, type] = {"where": dict}
_SECRET_KEYS: Mapping[str, type] = {
    "maps": list,
    "values": list,
    "public": list,
    "plain": list,
    "ordinary": list,
    "patterns": list,
}

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
_HANDOVERS = frozenset({"file", "result"})

_ID_KINDS = frozenset({"uuid", "integer"})

_PATH_PARAMETER = re.compile(r"{([^{}]+)}")


class SchemaFile:
    """One file being read; every refusal carries its name."""

    def __init__(self, root: Path, file: Path) -> None:
        self._label = file.relative_to(root).as_posix()
        self._file = file
        try:
            self._json: Json = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CatalogError(self._label, str(error)) from error

    def read_operation(self) -> Operation:
        """An operation of the REST API."""
        document = self._document(_OPERATION_KEYS, _OPERATION_OPTIONS)
        arguments = document["inputSchema"]["properties"]
        operation = Operation(
            **self._read_row(document),
            http=self._endpoint(document["http"], arguments),
            summary=tuple(document.get("summary", ())),
            issues=self._handovers(document.get("issues", {})),
            confirmation=self._confirmation(document, arguments),
        )
        self._check_places(operation)
        return operation

    def read_tool(self) -> Tool:
        """A tool that is no operation, and so has no place on the REST API."""
        return Tool(**self._read_row(self._document({}, {})))

    def _document(
        self, keys: Mapping[str, type], options: Mapping[str, type]
    ) -> Mapping[str, Json]:
        """The file's object, checked as far as every tool is alike."""
        document = self.check_object(
            self._json, "the file", {**_TOOL_KEYS, **keys}, {**_TOOL_OPTIONS, **options}
        )
        for key in ("name", "title", "description"):
            if not document[key].strip():
                self.refuse(f"{key} is empty")
        if document["name"] != self._file.stem:
            self.refuse(f"name {document['name']!r} differs from the file's name")
        if document["group"] != self._file.parent.name:
            self.refuse(f"group {document['group']!r} differs from the folder's name")
        self._one_of("answer", document.get("answer", "data"), _ANSWERS)
        self._check_root(document["inputSchema"], "inputSchema")
        fault = find_fault(document["inputSchema"], "inputSchema")
        if fault:
            self.refuse(fault)
        if document["inputSchema"].get("additionalProperties") is not False:
            self.refuse("inputSchema must refuse unknown arguments")
        self._check_root(document["outputSchema"], "outputSchema")
        return document

    def _read_row(self, document: Mapping[str, Json]) -> dict[str, Json]:
        """The fields that every tool has."""
        arguments = document["inputSchema"]["properties"]
        return {
            "name": document["name"],
            "title": document["title"],
            "group": document["group"],
            "description": document["description"],
            "aliases": tuple(document.get("aliases", ())),
            "annotations": self._annotations(document["annotations"]),
            "answer": document.get("answer", "data"),
            "rules": tuple(self._rule(rule, arguments) for rule in document.get("rules", ())),
            "keywords": document.get("keywords", ""),
            "untrusted": tuple(document.get("untrusted", ())),
            "input_schema": document["inputSchema"],
            "output_schema": document["outputSchema"],
        }

    def read_references(self, operations: Mapping[str, Operation]) -> tuple[Reference, ...]:
        entries = self.read_list()
        known = {name for o in operations.values() for name in o.input_schema["properties"]}
        return tuple(self._reference(entry, operations, known) for entry in entries)

    def read_secret_members(self) -> SecretMembers:
        """What `secrets.json` says about the members of answers."""
        entry = self.check_object(self._json, "the file", _SECRET_KEYS, {})
        for pattern in entry["patterns"]:
            try:
                re.compile(pattern)
            except re.error as error:
                self.refuse(f"the pattern {pattern!r} is not a regular expression: {error}")
        return SecretMembers(**{name: tuple(entry[name]) for name in _SECRET_KEYS})

    def read_synonyms(self) -> Mapping[str, tuple[str, ...]]:
        """What `synonyms.json` says: words that people use to words of the catalog."""
        entry = self.check_object(self._json, "the file", {}, dict.fromkeys(self._json, list))
        return {word: tuple(meant) for word, meant in entry.items()}

    def read_names(self) -> frozenset[str]:
        """The texts of a file that is a list of them."""
        return frozenset(self.read_list())

    def read_list(self) -> list[Json]:
        """The entries of a file that is a list."""
        if not isinstance(self._json, list):
            self.refuse("it is not a list")
        return self._json

    def _annotations(self, hints: Json) -> Annotations:
        self.check_object(hints, "annotations", dict.fromkeys(_HINTS, bool), {})
        return Annotations(**{field: hints[hint] for hint, field in _HINTS.items()})

    def _handovers(self, issues: Mapping[str, Json]) -> Mapping[str, SecretDelivery]:
        for place in issues.values():
            self._one_of("a place in issues", str(place), _HANDOVERS)
        return issues

    def _confirmation(
        self, document: Mapping[str, Json], arguments: Mapping[str, Json]
    ) -> Confirmation | None:
        if "confirmation" not in document:
            return None
        entry = self.check_object(
            document["confirmation"], "confirmation", _CONFIRMATION_KEYS, _CONFIRMATION_OPTIONS
        )
        subject = self._lookup(entry["subject"], arguments) if "subject" in entry else None
        if entry.get("typed") and subject is None:
            self.refuse("confirmation has typed but no subject")
        return Confirmation(
            question=entry["question"],
            subject=subject,
            typed=entry.get("typed", ""),
            losses=tuple(self._loss(loss, arguments) for loss in entry.get("losses", ())),
        )

    def _loss(self, loss: Json, arguments: Mapping[str, Json]) -> SideEffect:
        self.check_object(loss, "a loss", _LOSS_KEYS, _LOSS_OPTIONS)
        return SideEffect(
            noun=loss["noun"],
            lookup=self._lookup(loss["lookup"], arguments),
            count=loss.get("count", ""),
            present=loss.get("present", ""),
        )

    def _lookup(self, lookup: Json, arguments: Mapping[str, Json]) -> Lookup:
        self.check_object(lookup, "a lookup", _LOOKUP_KEYS, _LOOKUP_OPTIONS)
        where = lookup.get("where", {})
        for argument in where.values():
            if argument not in arguments:
                self.refuse(f"a lookup compares with {argument!r}, which is not an argument")
        return Lookup(operation=lookup["operation"], where=where)

    def _endpoint(self, http: Json, arguments: Mapping[str, Json]) -> Endpoint:
        self.check_object(http, "http", _HTTP_KEYS, _HTTP_OPTIONS)
        self._one_of("http.method", http["method"], _METHODS)
        self._one_of("http.body", http["body"], _BODIES)
        if not http["path"].startswith("/v1/"):
            self.refuse(f"http.path {http['path']!r} does not start with /v1/")
        for key in ("query", "unsent"):
            for argument in http.get(key, ()):
                if argument not in arguments:
                    self.refuse(f"http.{key} names {argument!r}, which is not an argument")
        if not all(code.isdigit() for code in http["errors"]):
            self.refuse("http.errors has a key that is not a status")
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
            unsent=tuple(http.get("unsent", ())),
        )

    def _rule(self, rule: Json, arguments: Mapping[str, Json]) -> Rule:
        self.check_object(rule, "a rule", _RULE_KEYS, _RULE_OPTIONS)
        at = rule["at"]
        if at and at not in arguments:
            self.refuse(f"a rule is about {at!r}, which is not an argument")
        fields = arguments[at].get("properties", {}) if at else arguments
        for field in (*rule.get("allowed", ()), *rule.get("required", ())):
            if field not in fields:
                self.refuse(f"a rule names {field!r}, which {at or 'the tool'} does not have")
        allowed = tuple(rule["allowed"]) if "allowed" in rule else None
        return Rule(
            when=rule["when"], at=at, allowed=allowed, required=tuple(rule.get("required", ()))
        )

    def _reference(
        self, entry: Json, operations: Mapping[str, Operation], known: set[str]
    ) -> Reference:
        self.check_object(entry, "a reference", _REFERENCE_KEYS, _REFERENCE_OPTIONS)
        for argument in (*entry["arguments"], *entry["scope"]):
            if argument not in known:
                self.refuse(f"a reference names {argument!r}, which no tool has")
        if entry["list_operation"] not in operations:
            self.refuse(f"a reference lists by {entry['list_operation']!r}, which is not a tool")
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
                self.refuse(f"the path parameter {parameter!r} is not an argument")
            if parameter not in required:
                self.refuse(f"the path parameter {parameter!r} is not required")
        elsewhere = {*in_path, *operation.http.query, *operation.http.unsent}
        in_body = set(arguments) - elsewhere
        if operation.http.body == "none" and in_body:
            self.refuse(f"the argument {min(in_body)!r} has no place in the request")
        if operation.http.body == "multipart" and len(in_body) != 1:
            self.refuse("a multipart body takes exactly one argument")
        for argument in operation.http.nulls:
            if argument not in in_body or argument in required:
                self.refuse(
                    f"http.nulls names {argument!r}, which is not an optional body argument"
                )

    def _check_root(self, schema: Json, where: str) -> None:
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            self.refuse(f"{where} is not an object with properties")

    def check_object(
        self, value: Json, what: str, keys: Mapping[str, type], options: Mapping[str, type]
    ) -> Mapping[str, Json]:
        """The value, which is an object with these keys and perhaps these options."""
        if not isinstance(value, dict):
            self.refuse(f"{what} is not an object")
        for key in keys:
            if key not in value:
                self.refuse(f"{what} has no {key!r}")
        for key, held in value.items():
            kind = keys.get(key) or options.get(key)
            if kind is None:
                self.refuse(f"{what} has the unknown key {key!r}")
            if not isinstance(held, kind) or (kind is int and isinstance(held, bool)):
                self.refuse(f"{key!r} of {what} is not of type {kind.__name__}")
        return value

    def _one_of(self, what: str, value: str, known: frozenset[str]) -> None:
        if value not in known:
            self.refuse(f"{what} is {value!r}, not one of {', '.join(sorted(known))}")

    def refuse(self, reason: str) -> NoReturn:
        """Say what is wrong with the file.

        Raises:
            CatalogError: Always.
        """
        raise CatalogError(self._label, reason)
