"""What runs on this machine: all of it for its owner, and to everybody else what is theirs."""

from collections.abc import Sequence

from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import Services
from createos_mcp.platform.engines.engine_health import check_engine
from createos_mcp.platform.errors import EngineMissingError
from createos_mcp.platform.gateway.addresses import app_url, environment_host
from createos_mcp.platform.gateway.traffic import SECONDS_PER_MINUTE, Window
from createos_mcp.platform.models import Deployment, Environment, Instance, Project, User
from createos_mcp.platform.sandbox.process_table import descendants, memory_of
from createos_mcp.platform.store.store import Store

SERVER_ERROR = 500


async def build_status_page(user: User, services: Services) -> Json:
    """Every environment that a user may see, and what serves it: `{"apps": [...], "engine": {}}`.

    `copy` tells the owner where the database is copied `to` and the `problem` with it; null for
    nowhere, and for others.

    `engine` has the `name` and `host` of the container engine that runs images and the `nodes` of
    its swarm (`name`, `address`, `ready`), or as `missing` why none does.

    Members of an app: `user`, `project`, `environment` and their ids, `status` and `version` of
    its deployment or null, `newest` (the newest deployment of the project: `id`, `version`,
    `status`, `reason`, `createdAt`) or null, `stopped`, `worker`, `endpoint` and `hostEndpoint`
    unless it is one, `replicas` (running and wanted), `nodes` (machines of a swarm that run
    them), `memoryBytes` (of all its processes here), `memoryMb` and `cpuMillicores` (its limits),
    `isolation` and `limits` as its deployment shows them, `requests` (of the last minute: `total`
    and `failed`, those answered 5xx).
    """
    owner = await services.store.accounts.first_user()
    apps = await list_apps(None if user.id == owner.id else user, services)
    copy = _copy(services) if user.id == owner.id else None
    return {"apps": apps, "engine": await _engine(services), "copy": copy}


async def list_apps(user: User | None, services: Services) -> list[Json]:
    """The environments of a user, or of all users, as `build_status_page` tells them."""
    names = {owner.id: owner.name for owner in await services.store.accounts.users()}
    apps = []
    for environment in await services.store.environments.all():
        project = await services.store.projects.by_id(environment.project_id)
        if project is not None and (user is None or project.user_id == user.id):
            owner = names[project.user_id]
            apps.append(await _app(environment, project, owner, services))
    return apps


def _copy(services: Services) -> Json:
    if services.copy is None:
        return None
    return {"to": services.copy.place, "problem": services.copy.problem or None}


async def _engine(services: Services) -> Json:
    try:
        health = await check_engine(services.docker, services.config.engine)
    except EngineMissingError as error:
        return {"missing": str(error)}
    nodes = [
        {"name": node.name, "address": node.address, "ready": node.is_ready}
        for node in health.nodes
    ]
    return {"name": health.name, "host": health.host, "nodes": nodes}


async def _app(environment: Environment, project: Project, owner: str, services: Services) -> Json:
    deployment = await _served_by(environment, services.store)
    newest, _ = await services.store.deployments.page(project.id, limit=1, offset=0)
    instances = environment_instances(environment, services)
    isolation, limits = _kinds(instances)
    host = environment_host(environment)
    is_worker = deployment is not None and deployment.is_worker
    return {
        "user": owner,
        "project": project.unique_name,
        "projectId": project.id,
        "environment": environment.unique_name,
        "environmentId": environment.id,
        "deploymentId": environment.deployment_id,
        "status": deployment.status if deployment else None,
        "version": deployment.version if deployment else None,
        "newest": _newest(newest[0]) if newest else None,
        "stopped": environment.is_stopped,
        "worker": is_worker,
        "endpoint": None if is_worker else app_url(environment.port),
        "hostEndpoint": None if is_worker else f"http://{host}:{services.gateway_port}",
        "requests": await _last_minute(environment, services),
        "replicas": {"running": len(instances), "wanted": environment.resources["replicas"]},
        "memoryBytes": await to_thread.run_sync(_memory_bytes, instances),
        "memoryMb": environment.resources["memory"],
        "cpuMillicores": environment.resources["cpu"],
        "nodes": [one.node for one in instances if one.node],
        "isolation": isolation,
        "limits": limits,
    }


async def _last_minute(environment: Environment, services: Services) -> Json:
    now = services.traffic.now_s()
    window = Window(start=now - SECONDS_PER_MINUTE + 1, end=now)
    statuses = await services.traffic.statuses(environment.id, window)
    failed = sum(count for status, count in statuses.items() if status >= SERVER_ERROR)
    return {"total": sum(statuses.values()), "failed": failed}


def _newest(deployment: Deployment) -> Json:
    return {
        "id": deployment.id,
        "version": deployment.version,
        "status": deployment.status,
        "reason": deployment.reason,
        "createdAt": deployment.created_at,
    }


async def _served_by(environment: Environment, store: Store) -> Deployment | None:
    if environment.deployment_id is None:
        return None
    return await store.deployments.get(environment.deployment_id)


def environment_instances(environment: Environment, services: Services) -> Sequence[Instance]:
    """The running replicas behind an environment: where their number and pids come from."""
    replicas = services.supervisor.active_at(environment.id)
    return replicas.instances if replicas is not None else ()


def _kinds(instances: Sequence[Instance]) -> tuple[str | None, str | None]:
    first = next(iter(instances), None)
    return (first.isolation, first.limits) if first else (None, None)


def _memory_bytes(instances: Sequence[Instance]) -> int:
    """What the processes of an app use; the launchers are the platform's own."""
    return sum(memory_of(descendants(one.process.pid)[1:]) for one in instances)
