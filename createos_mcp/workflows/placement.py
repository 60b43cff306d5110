"""Placement: which environments a new deployment goes to, settled before anything is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_environment, find_environments

_NO_ENVIRONMENT = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a deployment goes."""

    options: Arguments = field(default_factory=dict)
    """What the local platform is told of it."""
    assigned: Mapping[str, Json] | None = None
    """Environment that is given the deployment once it is live, where the platform is not told."""


BY_ITSELF = Placement()
"""To every environment that promotes each good deployment."""


async def find_placement(
    call: ToolCall, project: Mapping[str, Json] | None, arguments: Arguments
) -> Placement:
    """What `environment_id` and `promote` ask for.

    Args:
        call: The call that deploys.
        project: Where to; None for one that is made for it.
        arguments: Those of the call.

    Raises:
        InvalidArgumentsError: They contradict each other, there is no such environment, or
            another environment would take the deployment, too.
    """
    named, promotes = arguments.get("environment_id"), arguments.get("promote", True)
    if named is not None and not promotes:
        raise _refusal("promote", "false goes to no environment; leave environment_id out")
    if named is None and promotes:
        return BY_ITSELF
    if project is None:
        if named is None and call.is_local:
            return Placement(options={"promote": _NO_ENVIRONMENT})
        raise _refusal(
            "promote" if named is None else "environment_id",
            "the project does not exist yet: deploy it once without this, which makes production",
        )
    target = await find_environment(call, project, named) if named is not None else None
    if call.is_local:
        return Placement(options={"promote": target["id"] if target else _NO_ENVIRONMENT})
    await _refuse_others(call, project, target)
    return Placement(assigned=target)


async def _refuse_others(
    call: ToolCall, project: Mapping[str, Json], target: Mapping[str, Json] | None
) -> None:
    """The cloud promotes by the environments' own rule alone, so that has to be off."""
    for row in await find_environments(call, project["id"]):
        if row.get("isAutoPromoteEnabled") and (target is None or row["id"] != target["id"]):
            name = row["uniqueName"]
            raise _refusal(
                "promote" if target is None else "environment_id",
                f"{name} takes each good deployment by itself; first UpdateProjectEnvironment "
                f'{{"environment_id": "{name}", "isAutoPromoteEnabled": false}}',
            )


def _refusal(argument: str, message: str) -> InvalidArgumentsError:
    return InvalidArgumentsError([Problem(path=argument, message=message)])
