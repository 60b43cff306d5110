"""SetEnvironmentVariables: single ones changed where the API replaces all of them."""

from collections.abc import Mapping

from anyio import to_thread

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.env_text import EnvTextError, read_env_text
from createos_mcp.contract.errors import InvalidArgumentsError, LocalReadError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import MASK, Arguments, Json
from createos_mcp.workflows.lookups import find_environment, find_project
from createos_mcp.workflows.switching import assign_and_wait
from createos_mcp.workflows.verdicts import describe_result
from createos_mcp.workflows.waiting import wait_for_deployment
from createos_mcp.workflows.workspace import Workspace

OWN: Mapping[str, str] = {
    "PORT": "to change it, set `port` with UpdateProjectSettings",
    "HOME": "it is the app's own directory",
    "PATH": "name programs in runCommand by their whole path",
    "REPLICA_ID": "it tells replicas apart",
}
"""Variables that an app gets from the platform, and what to do in their place."""

_MAX_FILE_BYTES = 256_000
_LATER = "They take effect with the next deployment; redeploy: true restarts the current one."
_NEVER = "Nothing has been deployed yet; they take effect with the first deployment."
_NOW = "They are in effect."
_UNDERWAY = "The environment is being restarted with them; call Diagnose to see it."


async def set_environment_variables(
    call: ToolCall, workspace: Workspace, arguments: Arguments
) -> Json:
    """Set and unset variables; the others stay as they are.

    Returns:
        Names, never values: `{"environment", "added", "changed", "removed", "unchanged", "names",
        "effective", "next"}`; `notSet` names what was to be unset and was not there, `leftOut`
        what a file has and the platform sets itself.

    Raises:
        InvalidArgumentsError: Nothing is to be changed, or a value is a mask.
        LocalReadError: A file or variable of this machine cannot or may not be read.
    """
    wanted, left_out = await _read_values(call, workspace, arguments)
    # Whatever fails from here on must not repeat a value.
    call.redaction.register_secrets({"runEnvs": wanted})
    unset = set(arguments.get("unset", ()))
    _check(wanted, unset)
    project = await find_project(call, arguments["project_id"])
    environment = await find_environment(call, project, arguments.get("environment_id"))
    held: Mapping[str, str] = (environment.get("settings") or {}).get("runEnvs") or {}
    merged = {name: value for name, value in {**held, **wanted}.items() if name not in unset}
    if merged != held:
        await _replace(call, project, environment, merged)
        call.done.append("the variables were set")
    changes = _compare(held, merged, wanted)
    absent = sorted(unset - held.keys())
    outcome = await _redeploy(call, project, environment, arguments)
    return {
        "environment": environment["uniqueName"],
        **changes,
        **({"notSet": absent} if absent else {}),
        **({"leftOut": left_out} if left_out else {}),
        **outcome,
    }


async def _read_values(
    call: ToolCall, workspace: Workspace, arguments: Arguments
) -> tuple[dict[str, str], list[str]]:
    """What is set by file, by variable and in the call, the later one wins; and what is left out.

    Raises:
        InvalidArgumentsError: A variable is named that the platform sets itself.
    """
    told = {*arguments.get("fromEnv", {}), *arguments.get("set", {})}
    problems = [
        Problem(path=name, message=f"the platform sets {name} itself; {OWN[name]}")
        for name in sorted(told & OWN.keys())
    ]
    if problems:
        raise InvalidArgumentsError(problems)
    values: dict[str, str] = {}
    if "envFile" in arguments:
        values |= await _read_env_file(call, workspace, arguments["envFile"])
    left_out = sorted(values.keys() & OWN.keys())
    kept = {name: value for name, value in values.items() if name not in OWN}
    for name, own_name in arguments.get("fromEnv", {}).items():
        kept[name] = workspace.find_variable(call, own_name)
    return {**kept, **arguments.get("set", {})}, left_out


async def _read_env_file(call: ToolCall, workspace: Workspace, path: str) -> Mapping[str, str]:
    file = await workspace.find_file(call, "envFile", path)
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise LocalReadError("envFile", f"{file} is too large for an env file")
        text = await to_thread.run_sync(file.read_text)
    except (OSError, UnicodeDecodeError) as error:
        raise LocalReadError("envFile", f"{file} cannot be read ({error})") from error
    try:
        return read_env_text(text)
    except EnvTextError as error:
        raise LocalReadError("envFile", f"{file} {error}") from error


def _check(wanted: Mapping[str, str], unset: set[str]) -> None:
    problems = [
        Problem(path=name, message="this is the mask of a secret, not its value")
        for name, value in wanted.items()
        if value == MASK
    ]
    problems += [
        Problem(path=name, message="cannot be both set and unset")
        for name in sorted(wanted.keys() & unset)
    ]
    if not wanted and not unset:
        message = "expected at least one of set, unset, envFile, fromEnv with a variable in it"
        problems.append(Problem(path="", message=message))
    if problems:
        raise InvalidArgumentsError(problems)


async def _replace(
    call: ToolCall,
    project: Mapping[str, Json],
    environment: Mapping[str, Json],
    merged: Mapping[str, str],
) -> None:
    port = (environment.get("settings") or {}).get("port")
    kept = {"port": port} if project["type"] == "image" and port else {}
    await call.operate_named(
        "UpdateProjectEnvironmentEnvironmentVariables",
        project_id=project["id"],
        environment_id=environment["id"],
        runEnvs=dict(merged),
        **kept,
    )


def _compare(
    held: Mapping[str, str], merged: Mapping[str, str], wanted: Mapping[str, str]
) -> dict[str, Json]:
    both = held.keys() & merged.keys()
    return {
        "added": sorted(merged.keys() - held.keys()),
        "changed": sorted(name for name in both if held[name] != merged[name]),
        "removed": sorted(held.keys() - merged.keys()),
        "unchanged": sorted(name for name in wanted.keys() & both if held[name] == merged[name]),
        "names": sorted(merged),
    }


async def _redeploy(
    call: ToolCall,
    project: Mapping[str, Json],
    environment: Mapping[str, Json],
    arguments: Arguments,
) -> dict[str, Json]:
    present = environment.get("projectDeploymentId")
    if not arguments.get("redeploy"):
        return {"effective": False, "next": _LATER}
    if not present:
        return await _deploy_last(call, project)
    outcome = await assign_and_wait(call, project, environment, present)
    is_done = "url" in outcome
    return {**outcome, "effective": is_done, "next": _NOW if is_done else _UNDERWAY}


async def _deploy_last(call: ToolCall, project: Mapping[str, Json]) -> dict[str, Json]:
    """Deploy the last version again, where none is live that could be restarted."""
    page = await call.operate("ListDeployments", project_id=project["id"], limit=1)
    rows = (page or {}).get("data") or []
    if not rows:
        return {"effective": False, "next": _NEVER}
    again = await call.operate(
        "RetriggerDeployment", project_id=project["id"], deployment_id=rows[0]["id"]
    )
    call.done.append("the last version was deployed again")
    deployment = await wait_for_deployment(call, project["id"], str(again["id"]), None)
    verdict: dict[str, Json] = await describe_result(call, project, deployment)
    return {**verdict, "effective": bool(verdict["live"])}
