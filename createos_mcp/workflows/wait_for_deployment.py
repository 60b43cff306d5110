"""WaitForDeployment: the rest of a deployment that began before."""

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_project
from createos_mcp.workflows.verdicts import describe_result
from createos_mcp.workflows.waiting import wait_for_deployment
from createos_mcp.workflows.workspace import Workspace


async def wait_for_verdict(call: ToolCall, _: Workspace, arguments: Arguments) -> Json:
    """Wait until a deployment is live or has failed, or the time is over.

    Returns:
        A verdict (see `verdicts.describe_result`).
    """
    project = await find_project(call, arguments["project_id"])
    deployment = await wait_for_deployment(
        call,
        project["id"],
        arguments.get("deployment_id", "latest"),
        arguments.get("timeoutSeconds"),
    )
    return await describe_result(call, project, deployment)
