"""Advice: the one next step after a call that failed."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from createos_mcp.contract.errors import (
    AnswerTooLargeError,
    ApiError,
    BackendError,
    CallError,
    ConnectionFailedError,
    DeclinedError,
    InvalidArgumentsError,
    KeyFileError,
    LocalReadError,
    NoEarlierDeploymentError,
    NoPlatformHereError,
    PlatformNotStartedError,
    SwitchFailedError,
    UnconfirmedError,
    UnreadableAnswerError,
    UnresolvedNameError,
)
from createos_mcp.contract.operations import Operation, Reference, Tool

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SERVER_FAULT = 500
_NAMES = ("uniqueName", "name")

_RENEWAL = (
    "a token is valid for 6 hours and once: ask the project's owner for a new one. If the "
    "credentials are at fault: "
)

_NARROWER: Mapping[str, str] = {
    "limit": "a smaller limit",
    "per-page": "a smaller per-page",
    "since-seconds": "a smaller since-seconds",
    "skip": "a higher skip",
    "start": "a shorter window from start to end",
}
"""Arguments by which a caller asks for less."""


def next_step(tool: Tool, error: CallError, references: Sequence[Reference]) -> str:
    """Say in one sentence what to do now.

    Args:
        tool: What failed.
        error: Why it failed.
        references: Tell which operation lists the ids of an argument.
    """
    if isinstance(tool, Operation) and isinstance(error, ApiError):
        otherwise = _repeat_or_look if error.status >= _SERVER_FAULT else _correct
        return _AFTER_STATUS.get(error.status, otherwise)(tool, error, references)
    may_have_happened = isinstance(error, BackendError) and error.sent
    if isinstance(tool, Operation) and may_have_happened and not tool.http.retry:
        return _look_first(tool, references)
    return next(_AFTER[kind] for kind in type(error).__mro__ if kind in _AFTER)(tool)


def narrowing(tool: Tool) -> str | None:
    """How the tool's own arguments ask for less, `a smaller limit`."""
    arguments = tool.input_schema.get("properties", {})
    return next((phrase for name, phrase in _NARROWER.items() if name in arguments), None)


def _authenticate(operation: Operation, _: ApiError, __: Sequence[Reference]) -> str:
    takes_token = "token" in operation.input_schema.get("properties", {})
    return (_RENEWAL if takes_token else "") + (
        "set CREATEOS_API_KEY to a valid key and restart this server (a remote server takes the "
        "key as the X-Api-Key header). Keys are made in the dashboard under Profile, "
        "https://createos.nodeops.network/profile."
    )


def _ask_owner(operation: Operation, _: ApiError, references: Sequence[Reference]) -> str:
    nearest = _nearest(operation, references)
    reach = f" {nearest[1].list_operation} shows what this key can reach." if nearest else ""
    return f"use the key of the owner, or ask the owner to do it.{reach}"


def _check_id(operation: Operation, _: ApiError, references: Sequence[Reference]) -> str:
    nearest = _nearest(operation, references)
    if nearest is None:
        return "check the ids and names in the arguments; nothing has one of them."
    argument, reference = nearest
    return f"call {reference.list_operation} and check {argument} against its answer."


def _choose_name(operation: Operation, _: ApiError, __: Sequence[Reference]) -> str:
    arguments = operation.input_schema.get("properties", {})
    name = next((name for name in _NAMES if name in arguments), None)
    if name is None:
        return "it exists already; go on with the one that exists."
    return f"choose another {name} and call again."


def _await_state(operation: Operation, _: ApiError, references: Sequence[Reference]) -> str:
    place = _list_of(operation, references)
    look = f"call {place} to see" if place else "look at"
    return f"{look} its type and state now; call again once they allow this."


def _make_room(operation: Operation, error: ApiError, references: Sequence[Reference]) -> str:
    if error.retry_after_s is not None:
        return f"wait {error.retry_after_s:g} s, then call again."
    if operation.http.retry:
        return "calls came too fast; wait a minute, then call again."
    place = _list_of(operation, references)
    shown = f" ({place} shows what there is)" if place else ""
    return f"a limit is reached; delete what is no longer needed{shown}, then call again."


def _correct(_: Operation, __: ApiError, ___: Sequence[Reference]) -> str:
    return "correct the arguments as the message says and call again."


def _repeat_or_look(operation: Operation, error: ApiError, references: Sequence[Reference]) -> str:
    if not operation.http.retry:
        return _look_first(operation, references)
    pause = "a minute" if error.retry_after_s is None else f"{error.retry_after_s:g} s"
    return f"repeating is safe; wait {pause}, then call again."


def _go_to_the_cloud(_: Operation, __: ApiError, ___: Sequence[Reference]) -> str:
    return "the cloud serves it, and CREATEOS_API_KEY leads there; here it did nothing."


_AFTER_STATUS: Mapping[int, Callable[[Operation, ApiError, Sequence[Reference]], str]] = {
    401: _authenticate,
    403: _ask_owner,
    404: _check_id,
    409: _choose_name,
    422: _await_state,
    429: _make_room,
    501: _go_to_the_cloud,
}
"""What helps after each status; other ones are to be corrected, or are the platform's fault."""


def _look_first(operation: Operation, references: Sequence[Reference]) -> str:
    place = _list_of(operation, references)
    look = f"call {place} to see" if place else "find out"
    return f"it may have happened all the same; {look} what is there, and repeat it only if not."


def _repair(_: Tool) -> str:
    return "nothing was sent; correct these arguments and call again."


def _choose(_: Tool) -> str:
    return "nothing was sent; use one of the candidates or an id, or create it first."


def _connect(_: Tool) -> str:
    return "nothing was sent; check the network and CREATEOS_API_URL, then call again."


def _start(_: Tool) -> str:
    return "nothing was sent; read that log, or set CREATEOS_API_KEY to use the cloud instead."


def _use_cloud(_: Tool) -> str:
    return "nothing was sent; set CREATEOS_API_KEY to use the cloud instead."


def _check_address(_: Tool) -> str:
    return "check that CREATEOS_API_URL is the address of a CreateOS API, then call again."


def _ask_for_less(tool: Tool) -> str:
    less = narrowing(tool)
    return f"call again with {less}." if less else "read single records in place of all at once."


def _respect(_: Tool) -> str:
    return "nothing was done; do not repeat it unless the person asks for it."


def _allow(_: Tool) -> str:
    return (
        "let the person do it in the dashboard or with a client that can ask; the operator of this "
        "server can allow it without asking with CREATEOS_CONFIRM=proceed."
    )


def _make_directory(_: Tool) -> str:
    return "nothing was sent; make that directory writable for this user, then call again."


def _read_elsewhere(_: Tool) -> str:
    return "nothing was sent; correct that argument and call again."


def _deploy_again(_: Tool) -> str:
    return "deploy a version that works, or name one with deployment_id."


def _find_out(_: Tool) -> str:
    return "the one before goes on answering; the logs of the deployment say why."


def _repeat(_: Tool) -> str:
    return "repeating is safe; call again in a moment."


_AFTER: Mapping[type[BaseException], Callable[[Tool], str]] = {
    InvalidArgumentsError: _repair,
    UnresolvedNameError: _choose,
    ConnectionFailedError: _connect,
    PlatformNotStartedError: _start,
    NoPlatformHereError: _use_cloud,
    UnreadableAnswerError: _check_address,
    AnswerTooLargeError: _ask_for_less,
    DeclinedError: _respect,
    UnconfirmedError: _allow,
    KeyFileError: _make_directory,
    LocalReadError: _read_elsewhere,
    NoEarlierDeploymentError: _deploy_again,
    SwitchFailedError: _find_out,
    CallError: _repeat,
}
"""What helps after the other errors, where the call can be made again without harm."""


def _nearest(operation: Operation, references: Sequence[Reference]) -> tuple[str, Reference] | None:
    """The id argument that says most closely what the call is about, and where it is listed."""
    return next(_listed_arguments(operation, references), None)


def _listed_arguments(
    operation: Operation, references: Sequence[Reference]
) -> Iterator[tuple[str, Reference]]:
    in_path = reversed(_PLACEHOLDER.findall(operation.http.path))
    for argument in [*in_path, *operation.input_schema.get("properties", {})]:
        for reference in references:
            if argument in reference.arguments and reference.list_operation != operation.name:
                yield argument, reference


def _list_of(operation: Operation, references: Sequence[Reference]) -> str | None:
    """The operation that lists what this one changes: that of its group, or the nearest."""
    group = operation.group.replace("_", "")
    for reference in references:
        if f"{reference.resource}s".replace(" ", "").lower() == group:
            return reference.list_operation
    nearest = _nearest(operation, references)
    return nearest[1].list_operation if nearest else None
