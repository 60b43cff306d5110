"""Deploy: from a source to a URL that was requested, or to the reason why there is none."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError, UnresolvedNameError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.lookups import find_project
from createos_mcp.workflows.managed_services import bind_services, check_services
from createos_mcp.workflows.placement import find_placement
from createos_mcp.workflows.repositories import find_repository
from createos_mcp.workflows.source import DeploymentSource, new_settings, prepare
from createos_mcp.workflows.switching import assign_and_wait
from createos_mcp.workflows.verdicts import describe_result
from createos_mcp.workflows.waiting import wait_for_deployment
from createos_mcp.workflows.workspace import Workspace

_LATEST = "latest"
_SECRET_BYTES = 32
_VARIABLES = ("runEnvs", "buildVars")
"""Settings that are variables, of the app and of its build."""


async def deploy(call: ToolCall, workspace: Workspace, arguments: Arguments) -> Json:
    """Deploy a source to a project, which is made when there is none of that name.

    Returns:
        A verdict (see `verdicts.describe_result`) with `created` and `source`.

    Raises:
        CallError: Nothing was deployed.
    """
    shipment = await prepare(call, workspace, arguments)
    settings = arguments.get("settings", {})
    found = await _find(call, arguments, shipment)
    placement = await find_placement(call, found, arguments)
    wanted = arguments.get("services", ())
    await check_services(call, found, str(arguments["project_id"]), wanted)
    project = found or await _create(call, arguments, shipment, settings)
    if found is not None:
        await _change_settings(call, project, settings, shipment.generated)
    await bind_services(call, project, wanted, arguments.get("environment_id"))
    answer = await call.operate_with(
        shipment.operation, placement.options, project_id=project["id"], **shipment.arguments
    )
    call.done.append("the deployment was started")
    started = str(answer.get("id") or _LATEST) if isinstance(answer, dict) else _LATEST
    deployment = await wait_for_deployment(
        call,
        project["id"],
        started,
        arguments.get("timeoutSeconds"),
        whole_build=workspace.whole_build,
    )
    if placement.assigned is not None and deployment.get("status") == "deployed":
        await assign_and_wait(call, project, placement.assigned, deployment["id"])
    verdict = await describe_result(call, project, deployment)
    source = dict(shipment.facts)
    if found is None and shipment.generated:
        source["generatedVariables"] = _left_to_us(shipment, settings)
    return {**verdict, "created": found is None, "source": source}


async def _find(call: ToolCall, arguments: Arguments, shipment: DeploymentSource) -> Json | None:
    """The project, or None when it has to be made.

    Raises:
        InvalidArgumentsError: It does not take such a source.
    """
    name = arguments["project_id"]
    try:
        project = await find_project(call, name)
    except UnresolvedNameError:
        return None
    if project["type"] != shipment.project_type:
        raise _invalid_source(
            "project_id",
            f"{name} is a project of type {project['type']}, but this source needs one of type "
            f"{shipment.project_type}; use another name or another source",
        )
    return project


async def _source(call: ToolCall, arguments: Arguments) -> dict[str, str]:
    if "repository" not in arguments:
        name = arguments["project_id"]
        raise _invalid_source(
            "repository", f"{name} does not exist; give owner/repo to create it from"
        )
    return await find_repository(call, arguments["repository"])


async def _create(
    call: ToolCall, arguments: Arguments, shipment: DeploymentSource, settings: Mapping[str, Json]
) -> Json:
    name = arguments["project_id"]
    source = await _source(call, arguments) if shipment.project_type == "vcs" else {}
    names = _left_to_us(shipment, settings)
    generated = {variable: secrets.token_urlsafe(_SECRET_BYTES) for variable in names}
    call.redaction.register_secrets({"runEnvs": generated})
    try:
        created = await call.operate(
            "CreateProject",
            uniqueName=name,
            displayName=name,
            type=shipment.project_type,
            source=source,
            settings=_with_variables(new_settings(shipment, settings), generated),
        )
    except InvalidArgumentsError as error:
        raise InvalidArgumentsError(_as_given(error.problems)) from error
    call.done.append(f"the project {name} was created")
    if generated:
        call.done.append(f"{', '.join(generated)} got a random value, as the files ask for")
    return await find_project(call, created["id"])


def _left_to_us(shipment: DeploymentSource, settings: Mapping[str, Json]) -> list[str]:
    """The variables that a new project gets a random value for."""
    given = {name for group in _VARIABLES for name in settings.get(group, {})}
    return [name for name in shipment.generated if name not in given]


def _with_variables(
    settings: Mapping[str, Json], variables: Mapping[str, str]
) -> Mapping[str, Json]:
    """Settings with variables of the build and the app, under those that they have."""
    if not variables:
        return settings
    given = {name: {**variables, **settings.get(name, {})} for name in _VARIABLES}
    return {**settings, **given}


async def _change_settings(
    call: ToolCall,
    project: Mapping[str, Json],
    settings: Mapping[str, Json],
    generated: Iterable[str],
) -> None:
    """Lay settings over those of a project, where they differ; what was made up stays."""
    stored = project.get("settings") or {}
    kept = {
        group: {name: stored[group][name] for name in generated if name in stored[group]}
        for group in _VARIABLES
        if group in settings and stored.get(group)
    }
    wanted = {**settings, **{group: {**kept[group], **settings[group]} for group in kept}}
    changed = {name: value for name, value in wanted.items() if stored.get(name) != value}
    if changed:
        await call.operate("UpdateProjectSettings", project_id=project["id"], **changed)
        call.done.append(f"the settings {', '.join(changed)} were changed")


def _as_given(problems: Iterable[Problem]) -> list[Problem]:
    """Problems of a new project by the arguments of the call: its name is given once."""
    return [
        replace(problem, path="project_id") if problem.path == "uniqueName" else problem
        for problem in problems
        if problem.path != "displayName"
    ]


def _invalid_source(argument: str, message: str) -> InvalidArgumentsError:
    return InvalidArgumentsError([Problem(path=argument, message=message)])
