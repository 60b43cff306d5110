"""Places: the project and the environment that a workflow is about."""

from collections.abc import Mapping, Sequence

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Json

PRODUCTION = "production"


async def find_project(call: ToolCall, name: str) -> Json:
    """The project of that name or id.

    Raises:
        CallError: There is none.
    """
    return await call.operate("GetProject", project_id=name)


async def find_environments(call: ToolCall, project_id: str) -> list[Json]:
    """The environments of a project."""
    listed = await call.operate("ListProjectEnvironments", project_id=project_id)
    return listed or []


async def find_environment(call: ToolCall, project: Mapping[str, Json], name: str | None) -> Json:
    """The environment of that name or id; without one the only one, or `production`.

    Raises:
        InvalidArgumentsError: There is none, or several and none of them is meant.
    """
    listed = await find_environments(call, project["id"])
    if name is not None:
        found = [row for row in listed if name in {row["id"], row["uniqueName"]}]
    elif len(listed) == 1:
        found = listed
    else:
        found = [row for row in listed if row["uniqueName"] == PRODUCTION]
    if len(found) != 1:
        raise InvalidArgumentsError(
            [Problem(path="environment_id", message=_invalid_reference(project, listed))]
        )
    return found[0]


def _invalid_reference(project: Mapping[str, Json], listed: Sequence[Mapping[str, Json]]) -> str:
    names = ", ".join(row["uniqueName"] for row in listed)
    if not names:
        return f"{project['uniqueName']} has no environment; CreateProjectEnvironment creates one"
    return f"expected one of {names}; CreateProjectEnvironment adds another"
