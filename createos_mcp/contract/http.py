"""HTTP as plain data: where an operation lives, and a bound call; tied to no library."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

from createos_mcp.contract.values import Json

STRICT = ConfigDict(extra="forbid", strict=True, validate_by_name=True)
"""How nouns are read from a file: every field of its type, and none that is not known."""

BodyKind: TypeAlias = Literal["none", "json", "multipart"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where an operation lives on the REST API and what it answers with."""

    __pydantic_config__ = STRICT

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, Field(pattern="^/v1/")]
    """Template with one `{argument}` per path parameter, `/v1/projects/{project_id}`."""
    query: Mapping[str, str]
    """Argument to wire name, `{"since-seconds": "since-seconds"}`."""
    body: BodyKind
    success: int
    """Status of a successful answer."""
    retry: bool
    """Whether sending the request twice does no more than sending it once."""
    errors: Mapping[Annotated[int, Field(strict=False, ge=400, le=599)], str]
    """What each documented failure status means for this operation."""
    nulls: tuple[str, ...] = ()
    """Body arguments that are sent as JSON null when they are left out."""
    empty_on: int | None = None
    """A failure status by which the API says that a list is empty."""
    anonymous: bool = False
    """Whether the API answers without credentials."""
    unsent: tuple[str, ...] = ()
    """Arguments that are meant for this side and are not part of the request."""
    slow: bool = False
    """Whether the answer may take minutes."""
    local_query: Mapping[str, str] = field(default_factory=dict)
    """Options that only the local platform takes and no tool offers, to their wire names."""


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
