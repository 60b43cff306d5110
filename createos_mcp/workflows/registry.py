"""The table of workflows: what does the work of each tool that is no operation."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from typing import TypeAlias

from createos_mcp.calls.pipeline import ToolCall, Workflow
from createos_mcp.contract.catalog import Catalog
from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.operations import Tool
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.deploy import deploy
from createos_mcp.workflows.diagnose import diagnose
from createos_mcp.workflows.follow_logs import follow_logs
from createos_mcp.workflows.rollback import roll_back
from createos_mcp.workflows.set_environment_variables import set_environment_variables
from createos_mcp.workflows.status import show_status
from createos_mcp.workflows.wait_for_deployment import wait_for_verdict
from createos_mcp.workflows.workspace import Workspace

Run: TypeAlias = Callable[[ToolCall, Workspace, Arguments], Awaitable[Json]]

RUNS: Mapping[str, Run] = {
    "Deploy": deploy,
    "Diagnose": diagnose,
    "FollowLogs": follow_logs,
    "Rollback": roll_back,
    "SetEnvironmentVariables": set_environment_variables,
    "Status": show_status,
    "WaitForDeployment": wait_for_verdict,
}

LASTING = frozenset({"Deploy", "FollowLogs", "WaitForDeployment"})
"""Workflows that may take minutes."""


def build_workflows(catalog: Catalog, workspace: Workspace) -> tuple[Workflow, ...]:
    """Join what the catalog says of each workflow with what does its work.

    Raises:
        CatalogError: One of the two is missing.
    """
    for name in sorted(catalog.workflows.keys() ^ RUNS.keys()):
        raise CatalogError(
            f"workflows/{name}.json", "the schema file or its implementation is missing"
        )
    return tuple(_build_workflow(tool, workspace) for tool in catalog.workflows.values())


def _build_workflow(tool: Tool, workspace: Workspace) -> Workflow:
    row = {field.name: getattr(tool, field.name) for field in fields(Tool)}

    def run(call: ToolCall, arguments: Arguments) -> Awaitable[Json]:
        return RUNS[tool.name](call, workspace, arguments)

    return Workflow(**row, run=run, lasts=tool.name in LASTING)
