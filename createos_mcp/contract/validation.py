"""Checks arguments against a tool's schema and rules, and reports every problem at once."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from createos_mcp.contract.operations import Problem, Rule, Tool
from createos_mcp.contract.values import Json, Schema

SHOWN_CHARACTERS = 60

_SECRET = frozenset({"runEnvs", "buildVars", "buildFlags", "headers", "token", "code"})
"""Fields whose values are never repeated in a message."""

_BULKY = frozenset({"content", "file"})
"""Fields whose values are too long to be worth repeating."""

_PATTERNS = {
    "^[a-zA-Z0-9-]+$": "only letters, digits and hyphens",
    "^[a-zA-Z0-9 _-]+$": "only letters, digits, spaces, underscores and hyphens",
    "^#[0-9A-Fa-f]{6}$": "a color such as #3B82F6",
}
"""What the catalog's patterns mean, in words."""

_TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class Validation:
    """The checks of all tools, each compiled once, when it is first needed."""

    def __init__(self) -> None:
        self._validators: dict[str, Draft202012Validator] = {}

    def check(
        self,
        tool: Tool,
        arguments: Mapping[str, Json],
        *,
        facts: Mapping[str, str] | None = None,
    ) -> tuple[Problem, ...]:
        """Report what is wrong with the arguments of a call; nothing is converted or changed.

        Args:
            tool: What is called.
            arguments: Flat, as the tool takes them.
            facts: What the caller knows and the arguments do not say, `{"type": "upload"}` for a
                stored project. The tool's rules look here and at the arguments.

        Returns:
            Every problem, sorted by path; empty when the call is good.
        """
        problems = {
            problem
            for error in self._validator(tool).iter_errors(arguments)
            for problem in _describe_problem(error)
        }
        broken = {problem.path for problem in problems}
        stated = {name: value for name, value in arguments.items() if isinstance(value, str)}
        for rule in tool.rules:
            if rule.when.items() <= {**(facts or {}), **stated}.items():
                found = _break(rule, tool, arguments)
                problems.update(problem for problem in found if problem.path not in broken)
        return tuple(sorted(problems, key=lambda problem: (problem.path, problem.message)))

    def _validator(self, tool: Tool) -> Draft202012Validator:
        validator = self._validators.get(tool.name)
        if validator is None:
            validator = Draft202012Validator(tool.input_schema, format_checker=_FORMATS)
            self._validators[tool.name] = validator
        return validator


def _describe_problem(error: ValidationError) -> Iterator[Problem]:
    path = list(error.absolute_path)
    describe_members = _MEMBERS.get(str(error.validator))
    if describe_members is not None:
        for name, message in describe_members(error):
            yield Problem(path=_join_path([*path, name]), message=message)
        return
    expected = _EXPECTED[str(error.validator)](error.validator_value)
    came = _show_value(error.instance, path)
    yield Problem(
        path=_join_path(path), message=f"expected {expected}, got {came}{_nearest_value(error)}"
    )


def _missing_members(error: ValidationError) -> Iterator[tuple[str, str]]:
    schema: Json = error.schema
    names: Json = error.validator_value
    instance: Json = error.instance
    for name in names:
        if name not in instance:
            yield name, f"required, expected {_expected_type(schema['properties'][name])}"


def _unknown_members(error: ValidationError) -> Iterator[tuple[str, str]]:
    schema: Json = error.schema
    instance: Json = error.instance
    known = schema.get("properties", {})
    for name in instance:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            free = [other for other in known if other not in instance]
            advice = (
                f"did you mean {near[0]!r}?" if near else f"known: {_join_values(free or known)}"
            )
            yield name, f"unknown; {advice}"


_MEMBERS: Mapping[str, Callable[[ValidationError], Iterator[tuple[str, str]]]] = {
    "required": _missing_members,
    "additionalProperties": _unknown_members,
}
"""Keywords whose problems lie with members of the object that fails."""

_EXPECTED: Mapping[str, Callable[[Json], str]] = {
    "type": lambda kind: f"{_article(kind)} {kind}",
    "enum": lambda values: f"one of {_join_values(values)}",
    "pattern": lambda pattern: _PATTERNS.get(pattern, f"a match of {pattern}"),
    "minLength": lambda limit: f"at least {limit} character{'s' if limit > 1 else ''}",
    "maxLength": lambda limit: f"at most {limit} characters",
    "minimum": lambda limit: f"at least {limit}",
    "maximum": lambda limit: f"at most {limit}",
    "minItems": lambda limit: f"at least {limit} item{'s' if limit > 1 else ''}",
    "maxItems": lambda limit: f"at most {limit} items",
    "format": lambda _: "a date and time with zone such as 2030-12-31T23:59:59Z",
}


def _break(rule: Rule, tool: Tool, arguments: Mapping[str, Json]) -> Iterator[Problem]:
    held = arguments.get(rule.at, {}) if rule.at else arguments
    if not isinstance(held, dict):
        return
    prefix = [rule.at] if rule.at else []
    fact, value = next(iter(rule.when.items()))
    for name in rule.required:
        if name not in held:
            yield Problem(
                path=_join_path([*prefix, name]), message=f"required when {fact} is {value!r}"
            )
    known = _rule_fields(rule, tool.input_schema)
    for name in held:
        if rule.allowed is not None and name in known and name not in rule.allowed:
            takers = _takers(rule, name, tool)
            message = f"not for {fact} {value!r}; only {takers} takes it"
            yield Problem(path=_join_path([*prefix, name]), message=message)


def _takers(broken: Rule, field: str, tool: Tool) -> str:
    """The values of the rule's fact that allow a field: `vcs`, or `vcs and upload`."""
    (fact,) = broken.when
    refusing = {
        rule.when[fact]
        for rule in tool.rules
        if rule.at == broken.at and rule.allowed is not None and field not in rule.allowed
    }
    ruled = dict.fromkeys(rule.when[fact] for rule in tool.rules)
    every = tool.input_schema["properties"].get(fact, {}).get("enum", ["vcs", *ruled])
    return " or ".join(value for value in every if value not in refusing)


def _rule_fields(rule: Rule, schema: Schema) -> Mapping[str, Json]:
    fields: Mapping[str, Json] = schema["properties"]
    return fields[rule.at]["properties"] if rule.at else fields


def _nearest_value(error: ValidationError) -> str:
    values: Json = error.validator_value
    if error.validator != "enum" or not isinstance(error.instance, str):
        return ""
    near = get_close_matches(error.instance.lower(), map(str, values), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _show_value(value: Json, path: Iterable[str | int]) -> str:
    kind = _TYPES.get(type(value), "value")
    hidden = {part for part in path if isinstance(part, str)} & (_SECRET | _BULKY)
    if kind in {"object", "array"}:
        return f"{_article(kind)} {kind} of {len(value)}"
    if hidden and value is not None:
        return f"{_article(kind)} {kind}"
    text = json.dumps(value, ensure_ascii=False)
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return f"{short} ({kind})"


def _expected_type(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {_join_values(schema['enum'])}"
    return f"{_article(schema['type'])} {schema['type']}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" else "a"


def _join_values(values: Iterable[Json]) -> str:
    return ", ".join(str(value) for value in values)


def _join_path(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
