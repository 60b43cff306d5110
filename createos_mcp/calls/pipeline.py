"""Calls: the way of one call through all steps."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
from platformdirs import user_data_path

from createos_mcp.answers.framing import Frame
from createos_mcp.answers.redaction import Redaction, SecretTable, find_masks
from createos_mcp.answers.results import ToolResult, failure_result, success_result
from createos_mcp.answers.sanitizing import Sanitized, clean_text, sanitize
from createos_mcp.answers.summaries import omit_repeats, project_fields
from createos_mcp.calls.binding import bind
from createos_mcp.calls.client_requests import ClientRequest
from createos_mcp.calls.confirmation import Confirmations
from createos_mcp.calls.key_files import key_file
from createos_mcp.calls.large_values import is_large, run_beside
from createos_mcp.calls.policy import Policy
from createos_mcp.calls.references import References
from createos_mcp.calls.repair import repair
from createos_mcp.calls.roots import client_roots
from createos_mcp.client.backend import Backend
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import (
    ApiError,
    BackendError,
    CallError,
    ConfirmationNeededError,
    CreateosError,
    InternalError,
    InvalidArgumentsError,
    RootsNeededError,
)
from createos_mcp.contract.operations import Confirmation, Operation, Problem, Reference, Tool
from createos_mcp.contract.quotation import quote
from createos_mcp.contract.validation import Validation
from createos_mcp.contract.values import Arguments, Json

_LOG_LINES = 100
_SINCE = "since-seconds"
ANY_TIME_S = 30 * 24 * 3600
"""The API itself shows the last minute of a log: what went wrong is mostly older."""

_PROGRESS_BYTES = 500
"""How much of a text one notice of progress shows."""

_INTERNAL_ERROR = "Internal error in createos-mcp. Details are in its stderr log."

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow(Tool):
    """A tool that takes several operations to do its work."""

    run: Callable[["ToolCall", Arguments], Awaitable[Json]]
    """Given the call and its checked arguments; answers with data as an operation does."""
    lasts: bool = False
    """Whether it may take minutes."""


class ToolPipeline:
    """Takes the calls of all sessions; it remembers nothing between them.

    Args:
        catalog: What the operations are.
        backend: Where they go.
        confirmations: Ask a person before what cannot be undone.
        key_directory: Where new secrets are kept; None for the user's data directory.
        result_budget_bytes: Limit for one result.
        is_local: Whether the platform is this machine.
        on_failure: Told why a call failed, while the call is still under way.
    """

    def __init__(
        self,
        catalog: Catalog,
        backend: Backend,
        *,
        confirmations: Confirmations,
        key_directory: Path | None,
        result_budget_bytes: int,
        is_local: bool = False,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.catalog = catalog
        self.confirmations = confirmations
        self._key_directory = key_directory
        self.references = References(catalog)
        self.policy = Policy(catalog)
        self.secrets = SecretTable(catalog.secrets)
        self._backend = backend
        self.result_budget_bytes = result_budget_bytes
        self.is_local = is_local
        self._on_failure = on_failure
        self._validation = Validation()

    async def attempt(
        self,
        tool: Tool,
        given: Mapping[str, Json],
        client: ClientRequest,
        pinned: Mapping[str, str],
    ) -> tuple[ToolResult, CreateosError | None]:
        """Make a call; what came of it, and why that is a failure.

        Args:
            tool: What is called: an operation or a workflow.
            given: Arguments as the client sent them.
            client: The way to the person who may have to allow it.
            pinned: Arguments that the caller's choice of a project fills in.

        Raises:
            ConfirmationNeededError: A person has to answer first.
            RootsNeededError: The client has to list its roots first.
        """
        call = ToolCall(self, tool, given, client)
        try:
            arguments = self._check(tool, given, pinned)
            if arguments != given:
                call.redaction.register_secrets(sanitize(arguments).value)
            answer = await call.run(arguments)
            show = partial(self._show, call, answer, arguments)
            result = await run_beside(show, is_long=call.is_large)
        except (ConfirmationNeededError, RootsNeededError):
            raise
        except CallError as error:
            return self._failure(call, error), error
        except Exception as error:  # noqa: BLE001 - logged below, masked like any other text
            self._on_failure(error)
            trace = call.redaction.mask_text(traceback.format_exc())
            _logger.error("%s failed unexpectedly\n%s", tool.name, trace)  # noqa: TRY400
            return ToolResult(text=_INTERNAL_ERROR, is_error=True), InternalError(tool.name)
        return result, None

    def _show(self, call: "ToolCall", answer: Sanitized, arguments: Arguments) -> ToolResult:
        return success_result(
            call.tool,
            replace(answer, value=call.redaction.mask(answer.value)),
            arguments=arguments,
            log_lines=_LOG_LINES,
            budget_bytes=self.result_budget_bytes,
            frame=Frame(),
            mask=call.redaction.mask_text,
        )

    @property
    def own_secrets(self) -> Json:
        """What the calls of this caller are authenticated with."""
        return [{"token": secret} for secret in self._backend.secrets]

    @property
    def key_directory(self) -> Path:
        """Where new secrets are kept."""
        # A server for others may run as a user without a home, and keeps none.
        return self._key_directory or user_data_path("createos-mcp", appauthor=False) / "keys"

    def check(self, tool: Tool, given: Mapping[str, Json]) -> Arguments:
        """The arguments as the tool takes them.

        Raises:
            InvalidArgumentsError: They do not fit its schema.
        """
        return self._valid(tool, repair(tool, given))

    def _valid(self, tool: Tool, arguments: Arguments) -> Arguments:
        problems = self._validation.check(tool, arguments)
        if problems:
            raise InvalidArgumentsError(problems)
        return arguments

    def refuse(self, tool: Tool, error: CallError) -> ToolResult:
        """The answer to a call that has not begun."""
        self._on_failure(error)
        return failure_result(tool, error, ())

    async def send(self, operation: Operation, arguments: Arguments) -> Json:
        """Send an operation whose arguments hold ids."""
        return await self._backend.send(bind(operation, arguments), operation.http)

    def _check(self, tool: Tool, given: Mapping[str, Json], pinned: Mapping[str, str]) -> Arguments:
        repaired = repair(tool, given)
        others = [
            Problem(path=name, message="this server is pinned to one project; omit this argument")
            for name, project in pinned.items()
            if repaired.get(name, project) != project
        ]
        problems = [*others, *find_masks(self.secrets, repaired)]
        if problems:
            raise InvalidArgumentsError(problems)
        return self._valid(tool, {**repaired, **pinned})

    def _failure(self, call: "ToolCall", error: CallError) -> ToolResult:
        self._on_failure(error)
        if isinstance(error, ApiError):
            call.redaction.register_secrets(sanitize(error.body).value)
        at = call.current if isinstance(error, ApiError | BackendError) else None
        references = self._references_of(at or call.tool)
        mask = call.redaction.mask_text
        return failure_result(call.tool, error, references, at=at, done=call.done, mask=mask)

    def _references_of(self, tool: Tool) -> Sequence[Reference]:
        named = tool.input_schema["properties"]
        return [r for r in self.catalog.references if set(r.arguments) & named.keys()]


class ToolCall:
    """One call on its way. A workflow makes its operations through it."""

    def __init__(
        self, calls: ToolPipeline, tool: Tool, given: Mapping[str, Json], client: ClientRequest
    ) -> None:
        self._calls = calls
        self._client = client
        self.tool = tool
        self.is_local = calls.is_local
        """Whether the platform is this machine."""
        self.current: Operation | None = None
        """The operation that a failure is about."""
        self.done: list[str] = []
        """What a workflow has changed so far, `the project my-app was created`."""
        self.started_at = anyio.current_time()
        """On the clock of the event loop."""
        self._reported = 0
        self._learned: set[Json] = set()
        self.redaction = Redaction(
            calls.secrets, reveal=_revealed(tool, given), shown=self._shown(tool)
        )
        self._is_cut = self.is_large = False
        self.redaction.register_secrets(sanitize(dict(given)).value)

    async def run(self, arguments: Arguments) -> Sanitized:
        """Do what the tool does, with arguments that fit it."""
        if isinstance(self.tool, Workflow):
            # What a workflow composes holds more than responses of the API: names of files, pages.
            composed = sanitize(await self.tool.run(self, arguments))
            return Sanitized(value=composed.value, is_cut=composed.is_cut or self._is_cut)
        if not isinstance(self.tool, Operation):
            raise TypeError(f"{self.tool.name} has no implementation")
        if _SINCE in self.tool.input_schema["properties"]:
            arguments = {_SINCE: ANY_TIME_S, **arguments}
        data = project_fields(self.tool.summary, await self.perform(self.tool, arguments))
        data = omit_repeats(self.tool.repeats, data)
        return Sanitized(value=data, is_cut=self._is_cut)

    async def _confirm(
        self, operation: Operation, asked: Confirmation, arguments: Arguments
    ) -> None:
        """Have a person allow a call, if it is one that takes or shows something."""
        if asked.if_given and asked.if_given not in arguments:
            return
        if asked.removed and not any(one.argument in arguments for one in asked.removed):
            return
        confirmations = self._calls.confirmations
        # What costs no request comes first.
        if not asked.removed and not confirmations.must_ask(self._client, operation):
            return
        question = await self._calls.policy.question(operation, arguments, self._fetch)
        if question is None or not confirmations.must_ask(self._client, operation):
            return
        question = replace(question, text=self.redaction.mask_text(question.text))
        await confirmations.require(self._client, operation, arguments, question)

    async def perform(
        self, operation: Operation, arguments: Arguments, *, is_named: bool = False
    ) -> Json:
        """Make one operation: names become ids, and a person is asked where that is due.

        Args:
            operation: What is called.
            arguments: As its schema has them.
            is_named: Whether the caller named everything that is lost, so that nobody is asked.

        Raises:
            CallError: It failed, or a person did not allow it.
        """
        self.current = operation
        ids = await self._calls.references.resolve(arguments, self._fetch)
        if operation.confirmation is not None and not is_named:
            await self._confirm(operation, operation.confirmation, ids)
        if operation.shows_output:
            await self._learn_variables(ids["project_id"])
        return await self._hand_over(operation, ids)

    async def operate(self, name: str, /, **arguments: Json) -> Json:
        """Make the operation of this name, with arguments that are checked like a model's."""
        operation = self._calls.catalog.operations[name]
        return await self.perform(operation, self._calls.check(operation, arguments))

    async def operate_with(self, name: str, options: Arguments, /, **arguments: Json) -> Json:
        """The same, with options that the local platform alone takes."""
        operation = self._calls.catalog.operations[name]
        return await self.perform(operation, {**self._calls.check(operation, arguments), **options})

    async def operate_named(self, name: str, /, **arguments: Json) -> Json:
        """The same, where the caller has named everything that is lost by it."""
        operation = self._calls.catalog.operations[name]
        checked = self._calls.check(operation, arguments)
        return await self.perform(operation, checked, is_named=True)

    async def report(self, message: str) -> None:
        """Tell a client that asked for progress how far this is; secrets are masked."""
        self._reported += 1
        text = quote(self.redaction.mask_text(clean_text(message)), limit_bytes=_PROGRESS_BYTES)
        await self._client.report(self._reported, text)

    @property
    def shows_progress(self) -> bool:
        """Whether the client asked for progress, and so waits longer."""
        return self._client.shows_progress

    @property
    def is_remote(self) -> bool:
        """Whether the caller sits at another machine, where a file of this one is no use."""
        return self._client.is_remote

    async def client_roots(self) -> tuple[Path, ...]:
        """Directories that the client lets this server read.

        Raises:
            RootsNeededError: The client has to call again and say which.
        """
        return await client_roots(self._client)

    async def _hand_over(self, operation: Operation, arguments: Arguments) -> Json:
        """Send an operation and put the secrets that it makes where only their owner reads them."""
        kept = tuple(name for name, place in operation.issues.items() if place == "file")
        if not kept or self.is_remote:
            return await self._fetch(operation, arguments)
        label = str(arguments.get("name", operation.group))
        with key_file(self._calls.key_directory, label) as file:
            return file.keep(await self._fetch(operation, arguments), kept)

    async def _learn_variables(self, project_id: Json) -> None:
        """Know the values of a project's variables, which its logs may hold."""
        if project_id in self._learned:
            return
        self._learned.add(project_id)

        async def learn(operation: Operation) -> None:
            # Whoever may read a log may be refused the variables.
            with suppress(CallError):
                await self._fetch(operation, {"project_id": project_id})

        catalog = self._calls.catalog
        async with anyio.create_task_group() as tasks:
            for name in catalog.secrets.shown_by:
                tasks.start_soon(learn, catalog.operations[name])

    async def _fetch(self, operation: Operation, arguments: Arguments) -> Json:
        answer = await self._calls.send(operation, arguments)
        self.redaction.register_secrets(self._calls.own_secrets)
        self.is_large = self.is_large or is_large(answer)
        return await run_beside(partial(self._take, answer), is_long=self.is_large)

    def _take(self, answer: Json) -> Json:
        """An answer of the platform made harmless; its secrets are known from here on."""
        fetched = sanitize(answer)
        self._is_cut = self._is_cut or fetched.is_cut
        self.redaction.register_secrets(fetched.value)
        return fetched.value

    def _shown(self, tool: Tool) -> frozenset[str]:
        issues = tool.issues if isinstance(tool, Operation) else {}
        return frozenset(n for n, place in issues.items() if place == "result" or self.is_remote)


def _revealed(tool: Tool, given: Mapping[str, Json]) -> str | None:
    """The one variable that is asked for in clear, where the tool offers that."""
    name = given.get("reveal") if "reveal" in tool.input_schema["properties"] else None
    return name if isinstance(name, str) else None
