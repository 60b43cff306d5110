"""The nouns of the contract: an operation as `tool_schemas/` defines it, and a bound call."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value. The one alias through which untyped JSON enters the code."""

Arguments: TypeAlias = dict[str, Json]
"""A call's arguments, flat: `{"project_id": "...", "uniqueName": "...", "since-seconds": 60}`."""

Schema: TypeAlias = Mapping[str, Json]
"""A JSON Schema of the portable subset that `catalog` enforces."""

BodyKind: TypeAlias = Literal["none", "json", "multipart"]

AnswerKind: TypeAlias = Literal["data", "log"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """The four hints of MCP, each one explicit."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where an operation lives on the REST API and what it answers with."""

    method: str
    path: str
    """Template with one `{argument}` per path parameter, `/v1/projects/{project_id}`."""
    query: Mapping[str, str]
    """Argument to wire name, `{"since-seconds": "since-seconds"}`."""
    body: BodyKind
    success: int
    """Status of a successful answer."""
    retry: bool
    """Whether sending the request twice does no more than sending it once."""
    errors: Mapping[int, str]
    """What each documented failure status means for this operation."""
    nulls: tuple[str, ...] = ()
    """Body arguments that are sent as JSON null when they are left out."""
    empty_on: int | None = None
    """A failure status by which the API says that a list is empty."""
    anonymous: bool = False
    """Whether the API answers without credentials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What one object argument may and must hold when facts of the call have given values.

    `Rule(when={"type": "image"}, at="settings", allowed=("port", "runEnvs"), required=("port",))`
    """

    when: Mapping[str, str]
    at: str
    """Argument that the rule is about; empty for the arguments themselves."""
    allowed: tuple[str, ...] | None
    """Fields that may be present; None allows all."""
    required: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One tool and the REST operation behind it."""

    name: str
    title: str
    group: str
    description: str
    aliases: tuple[str, ...]
    annotations: Annotations
    http: Endpoint
    answer: AnswerKind
    """`log` answers are lines for reading and reach the model as plain text."""
    rules: tuple[Rule, ...]
    input_schema: Schema
    output_schema: Schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """How a name given in place of an id is looked up.

    `Reference(arguments=("environment_id", "environmentId"), resource="environment",
    list_operation="ListProjectEnvironments", scope=("project_id",), match=("uniqueName",),
    latest=False, id_kind="uuid")`
    """

    arguments: tuple[str, ...]
    """Arguments, or arrays of them, that hold such an id."""
    resource: str
    list_operation: str
    """Operation that lists the candidates."""
    scope: tuple[str, ...]
    """Arguments of the call that the list operation needs."""
    match: tuple[str, ...]
    """Fields of a row that hold a name."""
    latest: bool
    """Whether `latest` stands for the newest row."""
    id_kind: Literal["uuid", "integer"]
    """What an id looks like; anything else is taken for a name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with a call's arguments."""

    path: str
    """`settings.port`, `files[3].path`; empty for the arguments as a whole."""
    message: str
    """What was expected, what came, and the nearest known name when one is near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A bound call: plain data, tied to no HTTP library."""

    method: str
    path: str
    """Percent-encoded, `/v1/projects/3f0c.../deployments`."""
    query: tuple[tuple[str, str], ...]
    json: Json | None
    """Body as a JSON document; None sends no body."""
    parts: tuple[Part, ...]
    """Multipart body; empty unless the operation takes one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """A body that is sent as it comes."""

    content_type: str
    size_bytes: int | None
    """None: unknown until its end."""
    chunks: AsyncIterable[bytes] = field(repr=False)

    def headers(self) -> dict[str, str]:
        """What the receiver is told of it."""
        size = {} if self.size_bytes is None else {"Content-Length": str(self.size_bytes)}
        return {"Content-Type": self.content_type, **size}
