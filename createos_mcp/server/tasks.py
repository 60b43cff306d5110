"""Tasks: calls that take long, answered at once with a handle that the client asks again.

The extension `io.modelcontextprotocol/tasks` of the second era (SEP-2663): a client that declares
it needs no request that stays open for minutes. Calls that end soon are answered as ever.
https://modelcontextprotocol.io/extensions/tasks
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast

import mcp_types
from mcp.server import Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from createos_mcp.contract.values import Json

EXTENSION = "io.modelcontextprotocol/tasks"

SOON_S = 0.5
"""A call that ends within this time is answered with its result."""

KEPT_S = 3600.0
"""How long a task can be asked for after it began; one that is under way is kept longer."""

POLL_INTERVAL_MS = 1_000
MAX_TASKS = 1_000
"""Tasks that are kept; calls beyond are answered when they end."""

MAX_OWN_TASKS = 32
"""Of them those of one caller that are under way."""

Context: TypeAlias = ServerRequestContext[Any, Any]
Status: TypeAlias = Literal["working", "input_required", "completed", "failed", "cancelled"]

_ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})

_logger = logging.getLogger(__name__)


class TaskParams(mcp_types.RequestParams):
    """Of `tasks/get` and `tasks/cancel`."""

    task_id: str


class TaskUpdateParams(TaskParams):
    """Of `tasks/update`."""

    input_responses: dict[str, Any]


@dataclass(kw_only=True)
class _Task:
    """One call and what has become of it."""

    owner: str | None
    work: asyncio.Future[Any]
    task_id: str = field(default_factory=lambda: secrets.token_hex(16))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status = "working"
    message: str | None = None
    outcome: dict[str, Json] = field(default_factory=dict)
    """`result` or `error`."""
    questions: dict[str, tuple[str, Json]] = field(default_factory=dict)
    """What still has to be answered, by a key of this task: the call's own key and the request."""
    answers: dict[str, Json] = field(default_factory=dict)
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self, status: Status, **outcome: Json) -> None:
        """Go on to another status; an end is final."""
        if self.status not in _ENDED:
            self.status = status
            self.outcome = outcome
            self.updated = datetime.now(UTC)

    def say(self, message: str | None) -> None:
        """Note what goes on."""
        self.message = message
        self.updated = datetime.now(UTC)

    @property
    def is_stale(self) -> bool:
        """Whether it may be forgotten."""
        age = datetime.now(UTC) - self.created
        return self.status in _ENDED and age.total_seconds() > KEPT_S

    @property
    def row(self) -> dict[str, Json]:
        """The task as it is told."""
        told: dict[str, Json] = {
            "taskId": self.task_id,
            "status": self.status,
            "createdAt": self.created.isoformat(),
            "lastUpdatedAt": self.updated.isoformat(),
            "ttlMs": int(KEPT_S * 1000),
            "pollIntervalMs": POLL_INTERVAL_MS,
        }
        if self.message is not None:
            told["statusMessage"] = self.message
        if self.questions:
            told["inputRequests"] = {key: asked for key, (_, asked) in self.questions.items()}
        return {**told, **self.outcome}


class TaskExtension:
    """Makes tasks of calls, as a middleware of the server, and answers for them.

    Args:
        lasts: Whether calls of a tool of this name may take long.
        principal: Tells whose a request is; nobody else learns of a task.
    """

    def __init__(
        self, lasts: Callable[[str], bool], principal: Callable[[Context], str | None]
    ) -> None:
        self.lasts = lasts
        self._principal = principal
        self._tasks: dict[str, _Task] = {}

    def install(self, server: Server[Any]) -> None:
        """Offer the extension."""
        server.extensions[EXTENSION] = {}
        server.middleware.append(self.intercept)
        server.add_request_handler("tasks/get", TaskParams, self.get)
        server.add_request_handler("tasks/update", TaskUpdateParams, self.update)
        server.add_request_handler("tasks/cancel", TaskParams, self.cancel)

    async def intercept(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a call with its result if it ends soon, otherwise with a task."""
        owner = self._principal(ctx)
        if not (self._is_lasting(ctx) and declares_tasks(ctx) and self._has_room(owner)):
            return await call_next(ctx)
        session = _TellingSession(ctx.session)
        # Nobody waits at an open request: what lasts may last as with a client that shows progress.
        meta = {"progress_token": "task", **(ctx.meta or {})}
        told = replace(
            ctx,
            session=cast("ServerSession", session),
            meta=cast("mcp_types.RequestParamsMeta", meta),
        )
        first = asyncio.ensure_future(call_next(told))
        try:
            done, _ = await asyncio.wait({first}, timeout=SOON_S)
        except asyncio.CancelledError:
            first.cancel()
            raise
        if done:
            return first.result()
        task = _Task(owner=owner, work=first)
        session.task = task
        self._tasks[task.task_id] = task
        task.work = asyncio.create_task(self._follow(task, first, told, call_next))
        return {"resultType": "task", **task.row}

    async def get(self, context: Context, params: TaskParams) -> dict[str, Json]:
        """What has become of a task."""
        return {"resultType": "complete", **self._find(context, params).row}

    async def update(self, context: Context, params: TaskUpdateParams) -> dict[str, Json]:
        """Take answers to what a task asks; it goes on when all are there."""
        task = self._find(context, params)
        for key, answer in params.input_responses.items():
            if key in task.questions:
                inner, _ = task.questions.pop(key)
                task.answers[inner] = answer
        if task.status == "input_required" and not task.questions:
            task.turn("working")
            task.is_answered.set()
        return {"resultType": "complete"}

    async def cancel(self, context: Context, params: TaskParams) -> dict[str, Json]:
        """End a task; one that has ended stays as it is."""
        task = self._find(context, params)
        task.questions.clear()
        task.turn("cancelled")
        task.work.cancel()
        return {"resultType": "complete"}

    async def _follow(
        self, task: _Task, first: asyncio.Future[HandlerResult], context: Context, next_: CallNext
    ) -> None:
        try:
            result = _dump(await first)
            while result.get("resultType") == "input_required":
                params = {**(context.params or {}), **await _ask(task, result)}
                result = _dump(await next_(replace(context, params=params)))
            task.turn("completed", result=result)
        except MCPError as error:
            task.turn("failed", error=error.error.model_dump(mode="json", exclude_none=True))
        except asyncio.CancelledError:
            first.cancel()
            task.turn("cancelled")
            raise
        except Exception:
            _logger.exception("a task failed")
            reason = "Internal error. Details are in this server's log."
            task.turn("failed", error={"code": mcp_types.INTERNAL_ERROR, "message": reason})

    def _find(self, context: Context, params: TaskParams) -> _Task:
        require_tasks(context)
        request = context.request
        if request is not None and request.headers.get("mcp-name") != params.task_id:
            raise MCPError(
                mcp_types.HEADER_MISMATCH, "The Mcp-Name header does not match taskId in the body."
            )
        task = self._tasks.get(params.task_id)
        if task is None or task.owner != self._principal(context):
            raise MCPError(mcp_types.INVALID_PARAMS, f"There is no task {params.task_id[:64]!r}")
        return task

    def _is_lasting(self, context: Context) -> bool:
        name = (context.params or {}).get("name")
        return context.method == "tools/call" and isinstance(name, str) and self.lasts(name)

    def _has_room(self, owner: str | None) -> bool:
        for task_id in [key for key, task in self._tasks.items() if task.is_stale]:
            del self._tasks[task_id]
        under_way = [task for task in self._tasks.values() if task.status not in _ENDED]
        own = sum(task.owner == owner for task in under_way)
        return len(self._tasks) < MAX_TASKS and own < MAX_OWN_TASKS


def declares_tasks(context: Context) -> bool:
    """Whether the client of a request takes tasks."""
    declared = context.session.client_capabilities
    extensions = declared.extensions if declared is not None else None
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in (extensions or {})


def require_tasks(context: Context) -> None:
    """Refuse a client that takes no tasks.

    Raises:
        MCPError: It does not declare the extension.
    """
    if not declares_tasks(context):
        raise MCPError(
            mcp_types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            f"This needs a client that declares the extension {EXTENSION}.",
            {"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
        )


async def _ask(task: _Task, result: Mapping[str, Json]) -> dict[str, Json]:
    """Wait for the answers to what a result asks, as members of the next call's parameters."""
    task.answers = {}
    task.is_answered.clear()
    task.questions = {
        secrets.token_hex(8): (key, asked) for key, asked in result["inputRequests"].items()
    }
    task.turn("input_required")
    await task.is_answered.wait()
    state = result.get("requestState")
    return {"inputResponses": task.answers, **({} if state is None else {"requestState": state})}


def _dump(result: HandlerResult) -> dict[str, Json]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dict(result or {})


class _TellingSession:
    """A session whose progress is the task's message, too."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self.task: _Task | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a session has
        return getattr(self._session, name)

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        if self.task is not None:
            self.task.say(message)
        # After its answer a request has no stream for notices.
        with suppress(Exception):
            await self._session.report_progress(progress, total, message)
