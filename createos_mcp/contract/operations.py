"""The nouns of the contract: a tool, and an operation as `tool_schemas/` defines it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from createos_mcp.contract.http import STRICT, Endpoint
from createos_mcp.contract.values import Arguments, Json, Schema

AnswerKind: TypeAlias = Literal["data", "log"]
CardName: TypeAlias = Literal["deployment", "traffic"]

Text: TypeAlias = Annotated[str, Field(pattern=r"\S")]
"""A text that says something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """The four hints of MCP, each one explicit."""

    __pydantic_config__ = STRICT

    read_only: Annotated[bool, Field(alias="readOnlyHint")]
    destructive: Annotated[bool, Field(alias="destructiveHint")]
    idempotent: Annotated[bool, Field(alias="idempotentHint")]
    open_world: Annotated[bool, Field(alias="openWorldHint")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What one object argument may and must hold when facts of the call have given values.

    `Rule(when={"type": "image"}, at="settings", allowed=("port", "runEnvs"), required=("port",))`
    """

    __pydantic_config__ = STRICT

    when: Mapping[str, str]
    at: str
    """Argument that the rule is about; empty for the arguments themselves."""
    allowed: tuple[str, ...] | None = None
    """Fields that may be present; None allows all."""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """One row of the list of tools, whatever does its work."""

    __pydantic_config__ = STRICT

    name: Text
    title: Text
    group: str
    description: Text
    annotations: Annotations
    input_schema: Annotated[Schema, Field(alias="inputSchema")]
    output_schema: Annotated[Schema, Field(alias="outputSchema")]
    aliases: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    answer: AnswerKind = "data"
    """`log` answers are lines for reading and reach the model as plain text."""
    untrusted: tuple[str, ...] = ()
    """Members of the answer, at any depth, that hold text of other people. A log always does."""
    keywords: str = ""
    """Words that people use for it and its description does not; for searching alone."""
    local: bool = False
    """Whether the local platform alone has it, so that it is not offered for the cloud."""
    card: CardName | None = None
    """What a host that draws cards shows of its answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """Which record, or which rows of a list, another operation tells.

    `Lookup(operation="ListDomains", where={"environmentId": "environment_id"})` are the domains
    whose `environmentId` is the call's `environment_id`.
    """

    __pydantic_config__ = STRICT

    operation: str
    where: Mapping[str, str] = field(default_factory=dict)
    """Member of a row to the argument of the call that it equals; empty for all rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SideEffect:
    """What goes with the thing that a call ends: `3 domains`."""

    __pydantic_config__ = STRICT

    noun: str
    """In the plural, `running replicas`."""
    lookup: Lookup
    count: str = ""
    """Member that is added up, `resources.replicas`; empty to count rows."""
    present: str = ""
    """Member without which a row does not count; empty for all rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """Names that are in the subject of a call and not in what the call puts in its place."""

    __pydantic_config__ = STRICT

    member: str
    """Of the subject, `settings.runEnvs`."""
    argument: str
    """Of the call, `runEnvs`."""
    noun: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """What a person is asked before a call that cannot be undone."""

    __pydantic_config__ = STRICT

    question: str
    """With members of the subject in braces: `Permanently delete the project {uniqueName}?`."""
    subject: Lookup | None = None
    """Record that the call is about."""
    typed: str = ""
    """Member of the subject that the user types; empty when yes is enough."""
    losses: tuple[SideEffect, ...] = ()
    if_given: str = ""
    """Argument without which nobody is asked."""
    removed: tuple[Removal, ...] = ()
    """Names that the call would remove; without any, nobody is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question that only a person may answer."""

    text: str
    typed: str
    """What the person has to type; empty when yes is enough."""


SecretDelivery: TypeAlias = Literal["file", "result"]
"""Where a new secret is shown: in a file of its owner, or in the result."""


_PRINTED = frozenset({"log", "output"})
"""Members of answers that have what an app or a command printed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Tool):
    """A tool that is one operation of the REST API."""

    http: Endpoint
    summary: tuple[str, ...] = ()
    """Members of a list's rows that are shown, `extra.endpoint`; empty for all."""
    repeats: tuple[str, ...] = ()
    """Members of rows that are left out where they equal those of the row before."""
    issues: Mapping[str, SecretDelivery] = field(default_factory=dict)
    """Members of the answer that hold a secret made by this call."""
    confirmation: Confirmation | None = None

    @property
    def shows_output(self) -> bool:
        """Whether an answer has what an app or a command printed, and so may have its variables."""
        return self.answer == "log" or not _PRINTED.isdisjoint(self.untrusted)


FetchOperation: TypeAlias = Callable[[Operation, Arguments], Awaitable[Json]]
"""Calls an operation with ids in place of names and returns its `data`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """How a name given in place of an id is looked up.

    `Reference(arguments=("environment_id", "environmentId"), resource="environment",
    list_operation="ListProjectEnvironments", scope=("project_id",), match=("uniqueName",),
    latest=False, id_kind="uuid")`
    """

    __pydantic_config__ = STRICT

    arguments: tuple[str, ...]
    """Arguments, or arrays of them, that hold such an id."""
    resource: str
    list_operation: str
    """Operation that lists the candidates."""
    scope: tuple[str, ...]
    """Arguments of the call that the list operation needs."""
    match: tuple[str, ...]
    """Fields of a row that hold a name."""
    id_kind: Annotated[Literal["uuid", "integer"], Field(alias="id")]
    """What an id looks like; anything else is taken for a name."""
    latest: bool = False
    """Whether `latest` stands for the newest row."""
    local: bool = False
    """Whether the local platform alone has what it lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRow:
    """A resource, or a template of many: an operation that is read at an address."""

    __pydantic_config__ = STRICT

    uri: str
    """`createos://projects/{project_id}`; each variable is an argument of the operation."""
    name: str
    title: str
    description: str
    operation: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    """Further arguments, `{"limit": 20}`."""
    pick: str = ""
    """Variable that names one row of the list which the operation answers; empty for all."""
    watch: str = ""
    """Member whose change subscribers are told of; empty where nothing can be watched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptArgument:
    """One argument of a prompt."""

    name: str
    description: str
    default: str | None
    """None where the argument is required."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptRow:
    """A prompt: a text with places for arguments."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgument, ...]
    text: str
    """With each argument's place as `{{name}}`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionSource:
    """Where the values of an argument come from that is no id.

    `CompletionSource(argument="framework", operation="GetSupportedProjectTypes", scope=(),
    member="name", where={"type": "framework"})`
    """

    __pydantic_config__ = STRICT

    argument: str
    operation: str
    scope: tuple[str, ...]
    """Arguments that the operation needs, taken from those that are filled in already."""
    member: str
    """Of a row: the value, or a list of values."""
    where: Mapping[str, str] = field(default_factory=dict)
    """What the rows have that count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterances:
    """What people say who want the same, for searching."""

    __pydantic_config__ = STRICT

    tools: tuple[str, ...]
    """All that are right for it; none where no tool does it."""
    said: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """Something that people ask for and no tool does."""

    __pydantic_config__ = STRICT

    topic: str
    """What it is, `notifications`."""
    words: tuple[str, ...]
    """Beginnings of words, phrases of them, that a request for it holds; regular expressions."""
    instead: str
    """The nearest honest way."""
    nearest: tuple[str, ...] = ()
    """Tools that this way takes."""
    cloud: bool = False
    """Whether it is missing on the cloud alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretPattern:
    """One well-known kind of secret."""

    __pydantic_config__ = STRICT

    kind: str
    """Whose it is, `GitHub`."""
    holds: str
    """Letters that each of them holds, so that most texts need no closer look."""
    pattern: str
    """The regular expression that it matches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretMembers:
    """Which members of arguments and answers hold secrets, whatever operation they belong to."""

    __pydantic_config__ = STRICT

    maps: tuple[str, ...]
    """Members whose every value is a secret, `runEnvs`."""
    values: tuple[str, ...]
    """Members that are a secret themselves, `secret`."""
    public: tuple[str, ...]
    """Members that hold no secret however their own members are called, `editables`."""
    plain: tuple[str, ...]
    """Members that are shown even when a variable has the same value, `uniqueName`."""
    ordinary: tuple[str, ...]
    """Values that are nobody's secret, `production`."""
    about: tuple[str, ...]
    """How names end that tell something of a secret and are none, `TOKEN_TTL`."""
    patterns: tuple[SecretPattern, ...]
    """What secrets look like wherever they stand."""
    shown_by: Annotated[tuple[str, ...], Field(alias="shownBy")]
    """Operations that show the variables of a project, of which its logs may hold the values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a call's arguments."""

    path: str
    """`settings.port`, `files[3].path`; empty for the arguments as a whole."""
    message: str
    """What was expected, what came, and the nearest known name when one is near."""
