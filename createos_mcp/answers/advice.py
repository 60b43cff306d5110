"""Advice: the one next step after a failed call, where it depends on the tool or on references.

Errors own their remedies; only a response of the API is explained here, by what its operation is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from createos_mcp.contract.errors import ApiError, BackendError, CallError, ResponseTooLargeError
from createos_mcp.contract.operations import Operation, Reference, Tool

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SERVER_ERROR = 500
_NAMES = ("uniqueName", "name")

_RENEWAL = (
    "A token is valid for 6 hours and can be used once: ask the project's owner for a new one. "
    "If the credentials are the problem: "
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
        references: Tell which operation lists the IDs of an argument.
    """
    if isinstance(tool, Operation) and isinstance(error, ApiError):
        otherwise = _retry_or_look if error.status >= _SERVER_ERROR else _correct
        return _AFTER_STATUS.get(error.status, otherwise)(tool, error, references)
    may_have_happened = isinstance(error, BackendError) and error.sent
    if isinstance(tool, Operation) and may_have_happened and not tool.http.retry:
        return _look_first(tool, references)
    if isinstance(error, ResponseTooLargeError):
        less = narrowing(tool)
        return f"Call again with {less}." if less else "Read single records instead of all."
    return error.remedy


def narrowing(tool: Tool) -> str | None:
    """How the tool's own arguments ask for less, `a smaller limit`."""
    arguments = tool.input_schema.get("properties", {})
    return next((phrase for name, phrase in _NARROWER.items() if name in arguments), None)


def _authenticate(operation: Operation, _: ApiError, __: Sequence[Reference]) -> str:
    takes_token = "token" in operation.input_schema.get("properties", {})
    return (_RENEWAL if takes_token else "") + (
        "Set CREATEOS_API_KEY to a valid key and restart this server (a remote server takes the "
        "key as the X-Api-Key header). Keys are created in the dashboard under Profile, "
        "https://createos.nodeops.network/profile."
    )


def _ask_owner(operation: Operation, _: ApiError, references: Sequence[Reference]) -> str:
    nearest = _nearest(operation, references)
    reach = f" {nearest[1].list_operation} lists what this key can access." if nearest else ""
    return f"Use the key of the owner, or ask the owner to do it.{reach}"


def _check_id(operation: Operation, error: ApiError, references: Sequence[Reference]) -> str:
    said = error.message.lower()
    listed = list(_listed_arguments(operation, references))
    named = [(argument, one) for argument, one in listed if one.resource.lower() in said]
    nearest = next(iter(named or listed), None)
    if nearest is None:
        return "Check the IDs and names in the arguments; one of them does not exist."
    argument, reference = nearest
    return f"Call {reference.list_operation} and check {argument} against its result."


def _choose_name(operation: Operation, _: ApiError, __: Sequence[Reference]) -> str:
    arguments = operation.input_schema.get("properties", {})
    name = next((name for name in _NAMES if name in arguments), None)
    if name is None:
        return "It already exists; continue with the existing one."
    return f"Choose another {name} and call again."


def _await_state(operation: Operation, _: ApiError, references: Sequence[Reference]) -> str:
    if not _PLACEHOLDER.search(operation.http.path):
        return "Do what the message says, then call again."
    place = _list_of(operation, references)
    look = f"Call {place} to see" if place else "Check"
    return f"{look} its type and state; call again once they allow this."


def _make_room(operation: Operation, error: ApiError, references: Sequence[Reference]) -> str:
    if error.retry_after_s is not None:
        return f"Wait {error.retry_after_s:g} s, then call again."
    if operation.http.retry:
        return "Too many calls; wait a minute, then call again."
    place = _list_of(operation, references)
    shown = f" ({place} lists what there is)" if place else ""
    return f"A limit is reached; delete what is no longer needed{shown}, then call again."


def _correct(_: Operation, __: ApiError, ___: Sequence[Reference]) -> str:
    return "Correct the arguments as the message says and call again."


def _retry_or_look(operation: Operation, error: ApiError, references: Sequence[Reference]) -> str:
    if not operation.http.retry:
        return _look_first(operation, references)
    pause = "a minute" if error.retry_after_s is None else f"{error.retry_after_s:g} s"
    return f"Retrying is safe; wait {pause}, then call again."


def _go_to_the_cloud(_: Operation, __: ApiError, ___: Sequence[Reference]) -> str:
    return (
        "Nothing was changed. The CreateOS cloud supports it; CREATEOS_API_KEY selects the cloud."
    )


_AFTER_STATUS: Mapping[int, Callable[[Operation, ApiError, Sequence[Reference]], str]] = {
    401: _authenticate,
    403: _ask_owner,
    404: _check_id,
    409: _choose_name,
    422: _await_state,
    429: _make_room,
    501: _go_to_the_cloud,
}
"""What helps after each status; after others the arguments or the platform are to blame."""


def _look_first(operation: Operation, references: Sequence[Reference]) -> str:
    place = _list_of(operation, references)
    look = f"Check with {place}" if place else "Check"
    return f"The change may have been applied. {look} before retrying."


def _nearest(operation: Operation, references: Sequence[Reference]) -> tuple[str, Reference] | None:
    """The ID argument that is closest to what the call is about, and where it is listed."""
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
