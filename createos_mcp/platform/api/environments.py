"""Environments: where a project's deployments answer, with variables and resources of their own."""

from collections.abc import Mapping, Sequence

from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, Services, log_text
from createos_mcp.platform.api.variables import keep_replaced, restoring
from createos_mcp.platform.build.build_settings import check_build_settings
from createos_mcp.platform.errors import InvalidRequestError, NotFoundError, WrongStateError
from createos_mcp.platform.gateway.addresses import app_url, environment_host
from createos_mcp.platform.models import Deployment, Environment, Project
from createos_mcp.platform.run.replicas import Replicas
from createos_mcp.platform.run.usage import Usage
from createos_mcp.platform.sandbox.app_logs import files_of
from createos_mcp.platform.services.volumes import read_volumes, refuse_sharing
from createos_mcp.platform.states import ASSIGNABLE, EnvironmentStatus, ProjectType
from createos_mcp.platform.store.environments import host_label, is_reserved


def serialize_environment(
    environment: Environment,
    serving: Deployment | None,
    services: Services,
    *,
    custom_domains: Sequence[str],
    usage: Usage | None,
    volumes: Sequence[Json],
) -> dict[str, Json]:
    """An environment as the API shows it; `extra.endpoint` is its address, if it has one."""
    return {
        "id": environment.id,
        "projectId": environment.project_id,
        "uniqueName": environment.unique_name,
        "displayName": environment.display_name,
        "description": environment.description,
        "branch": environment.branch,
        "isAutoPromoteEnabled": environment.is_auto_promote_enabled,
        "status": environment.status,
        "projectDeploymentId": environment.deployment_id,
        "resources": environment.resources,
        "settings": environment.settings,
        "extra": {
            **_addresses(environment, serving, services),
            "customDomains": list(custom_domains),
            "message": environment.message,
            **_running(environment, services),
            **({"stopped": True} if environment.is_stopped else {}),
            **(_usage(environment, usage) if usage else {}),
            **_latency(environment, services),
            **({"volumes": list(volumes)} if volumes else {}),
        },
        "createdAt": environment.created_at,
        "updatedAt": environment.updated_at,
    }


def _addresses(
    environment: Environment, serving: Deployment | None, services: Services
) -> dict[str, Json]:
    if serving is not None and serving.is_worker:
        return {"worker": True}
    return {
        "endpoint": app_url(environment.port),
        "hostEndpoint": f"http://{environment_host(environment)}:{services.gateway_port}",
    }


def _running(environment: Environment, services: Services) -> dict[str, Json]:
    """How many replicas answer now, and how they are kept apart and limited."""
    replicas = services.supervisor.active_at(environment.id)
    instances = replicas.instances if replicas is not None else []
    kinds = {(instance.isolation, instance.limits) for instance in instances}
    isolation, limits = next(iter(kinds), (None, None))
    return {
        "runningReplicas": len(instances),
        **_exits(replicas),
        "isolation": isolation,
        "limits": limits,
        "notEnforced": dict(services.gaps),
    }


async def _read_usage(environment: Environment, services: Services) -> Usage | None:
    replicas = services.supervisor.active_at(environment.id)
    instances = replicas.instances if replicas is not None else []
    return await to_thread.run_sync(services.usage.read, instances) if instances else None


def _usage(environment: Environment, usage: Usage) -> dict[str, Json]:
    """What the busiest replica uses, next to what one may use."""
    return {
        "usage": {
            "memoryMb": usage.memory_mb,
            "memoryLimitMb": environment.resources["memory"],
            "cpuMillicores": usage.cpu_millicores,
            "cpuLimitMillicores": environment.resources["cpu"],
        }
    }


def _latency(environment: Environment, services: Services) -> dict[str, Json]:
    """How long the last hour's requests took; nothing where there were none."""
    shares = {"p50Ms": 0.5, "p95Ms": 0.95}
    found = {
        name: services.traffic.latencies.quantile(environment.id, share)
        for name, share in shares.items()
    }
    shown = {name: round(s * 1000) for name, s in found.items() if s is not None}
    return {"latency": shown} if shown else {}


async def _show_volumes(
    environment: Environment, serving: Deployment | None, services: Services
) -> Sequence[Json]:
    """What its app keeps over versions."""
    volumes = read_volumes(serving.settings) if serving is not None else ()
    if not volumes:
        return ()
    return await to_thread.run_sync(services.managed.volumes.show, environment.id, volumes)


def _exits(replicas: Replicas | None) -> dict[str, Json]:
    """How often a replica ended by itself, and how the last time; nothing where none did."""
    if replicas is None or replicas.last_exit is None:
        return {}
    last = replicas.last_exit
    return {"restarts": replicas.restarts, "lastExit": {"reason": last.text, "at": last.at}}


async def check_environment_name(request: ApiRequest) -> Json:
    """Whether the project may have another environment of that name."""
    project = await request.project()
    name = request.arguments["uniqueName"]
    is_free = await request.services.store.environments.is_free(project.id, name)
    return {"isAvailable": is_free and not is_reserved(host_label(name, project.unique_name))}


async def create_environment(request: ApiRequest) -> Json:
    """Store an environment; it listens when this returns."""
    project = await request.active_project()
    arguments = request.arguments
    _check_branch(project, arguments)
    check_build_settings(arguments["settings"])
    environment = await request.services.store.environments.add(
        project_id=project.id,
        unique_name=arguments["uniqueName"],
        display_name=arguments["displayName"],
        description=arguments.get("description"),
        branch=arguments.get("branch"),
        is_auto_promote_enabled=arguments.get("isAutoPromoteEnabled", False),
        resources=arguments["resources"],
        settings={"runEnvs": {}, **arguments["settings"]},
        limit=request.services.config.max_environments,
    )
    endpoint = await request.services.addresses.open_environment(environment)
    return {"id": environment.id, "endpoint": endpoint}


def _check_branch(project: Project, arguments: Mapping[str, Json]) -> None:
    if project.type is ProjectType.VCS and "branch" not in arguments:
        raise InvalidRequestError("branch: required for an environment of a vcs project.")


async def list_environments(request: ApiRequest) -> Json:
    """All environments of a project."""
    project = await request.active_project()
    environments = await request.services.store.environments.of(project.id)
    store = request.services.store
    shown = []
    for environment in environments:
        serving = await store.deployments.get(environment.deployment_id or "")
        shown.append(
            serialize_environment(
                environment,
                serving,
                request.services,
                custom_domains=await store.domains.routed_to(environment.id),
                usage=await _read_usage(environment, request.services),
                volumes=await _show_volumes(environment, serving, request.services),
            )
        )
    return shown


async def update_environment(request: ApiRequest) -> Json:
    """Change what is given; the rest stays."""
    environment = await changeable(request)
    arguments = request.arguments
    await request.services.store.environments.update(
        environment.id,
        display_name=arguments["displayName"],
        description=arguments["description"],
        branch=arguments.get("branch", environment.branch),
        is_auto_promote_enabled=arguments.get(
            "isAutoPromoteEnabled", environment.is_auto_promote_enabled
        ),
    )
    return "Environment updated."


async def replace_variables(request: ApiRequest) -> Json:
    """Replace all variables; what is started from now on gets them."""
    project = await request.active_project()
    environment = await changeable(request)
    settings: dict[str, Json] = {"runEnvs": request.arguments["runEnvs"]}
    if "port" in request.arguments:
        if project.type is not ProjectType.IMAGE:
            raise InvalidRequestError(
                f"port: only for image projects; the {project.type} project's own "
                "port is changed with UpdateProjectSettings."
            )
        settings["port"] = request.arguments["port"]
    check_build_settings(settings)
    were_kept = await keep_replaced(request, project, environment, settings)
    await request.services.store.environments.set_settings(
        environment.id, {**environment.settings, **settings}
    )
    return (
        "Variables replaced. They take effect with the next deployment or start; "
        "RestartEnvironment restarts with them now."
        + (f" {restoring(environment)}" if were_kept else "")
    )


async def update_resources(request: ApiRequest) -> Json:
    """Change CPU, memory and replicas; requests go on being answered meanwhile."""
    environment = await changeable(request)
    resources = {name: request.arguments[name] for name in ("cpu", "memory", "replicas")}
    project = await request.active_project()
    volumes = read_volumes(project.settings)
    refuse_sharing(volumes, resources["replicas"], environment.unique_name)
    await request.services.store.environments.set_resources(environment.id, resources)
    request.services.reconciler.start_reconciling(environment)
    return "The environment is being resized; it is active again when done."


async def assign_deployment(request: ApiRequest) -> Json:
    """Let another deployment answer; the one before goes on until it does."""
    environment = await changeable(request)
    await request.services.users.check(request.user.id)
    deployment_id = request.arguments["deploymentId"]
    deployment = await request.services.store.deployments.get(deployment_id)
    if deployment is None or deployment.project_id != environment.project_id:
        raise NotFoundError("deployment", deployment_id)
    if deployment.status not in ASSIGNABLE:
        raise WrongStateError(
            f"The deployment is {deployment.status}; one that is "
            f"{', '.join(sorted(ASSIGNABLE))} can be assigned."
        )
    await request.services.store.environments.set_next_deployment(environment.id, deployment.id)
    request.services.reconciler.start_reconciling(environment)
    return (
        "The deployment is being assigned; the environment is active again when the app responds."
    )


async def restart_environment(request: ApiRequest) -> Json:
    """Start what the environment serves once more; the one before answers until it does."""
    environment = await changeable(request)
    await request.services.users.check(request.user.id)
    if environment.deployment_id is None:
        raise WrongStateError("Nothing is deployed to this environment, so nothing can restart.")
    await request.services.store.environments.set_next_deployment(
        environment.id, environment.deployment_id
    )
    request.services.reconciler.start_reconciling(environment)
    return "The app is being restarted; the environment is active again when it answers."


async def stop_environment(request: ApiRequest) -> Json:
    """End what an environment runs, until someone starts it."""
    environment = await changeable(request)
    if environment.deployment_id is None:
        raise WrongStateError("Nothing is deployed to this environment, so nothing can stop.")
    await request.services.supervisor.halt(environment.id)
    return "Stopped. Requests get 503 until RestartEnvironment or the next deployment starts it."


async def delete_environment(request: ApiRequest) -> Json:
    """Mark an environment for deletion; what runs in it goes in the background."""
    environment = await changeable(request)
    await request.services.store.environments.mark_deleting(environment.id)
    request.services.reconciler.start_reconciling(environment)
    return "The environment is being deleted."


async def get_environment_logs(request: ApiRequest) -> Json:
    """What the replicas printed lately, as one text."""
    await request.active_project()
    environment = await request.environment()
    if environment.deployment_id is None:
        raise WrongStateError(
            "No deployment is assigned to this environment, so it has no logs. "
            "AssignDeploymentToProjectEnvironment gives it one."
        )
    directory = (
        request.services.config.data_dir.app_logs(environment.deployment_id) / environment.id
    )
    text = await to_thread.run_sync(log_text, files_of(directory), request.since_s)
    return await request.mask(environment.project_id, text)


async def changeable(request: ApiRequest) -> Environment:
    """The environment that the path names, unless it or its project is being deleted.

    Raises:
        NotFoundError: The project has no such environment.
        WrongStateError: It is being deleted, or the project is not active.
    """
    await request.active_project()
    environment = await request.environment()
    if environment.status is EnvironmentStatus.DELETING:
        raise WrongStateError("The environment is being deleted.")
    return environment


HANDLERS: Handlers = {
    "CheckProjectEnvironmentUniqueName": check_environment_name,
    "CreateProjectEnvironment": create_environment,
    "ListProjectEnvironments": list_environments,
    "UpdateProjectEnvironment": update_environment,
    "UpdateProjectEnvironmentEnvironmentVariables": replace_variables,
    "UpdateProjectEnvironmentResources": update_resources,
    "AssignDeploymentToProjectEnvironment": assign_deployment,
    "RestartEnvironment": restart_environment,
    "StopEnvironment": stop_environment,
    "DeleteProjectEnvironment": delete_environment,
    "GetProjectEnvironmentLogs": get_environment_logs,
}
