"""What runs on this machine, whoever owns it: for the owner of the machine alone."""

import contextlib
from collections.abc import Iterator, Sequence

import psutil
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import Services
from createos_mcp.platform.engines.engine_health import check_engine
from createos_mcp.platform.errors import EngineMissingError, ForbiddenError
from createos_mcp.platform.gateway.addresses import app_url, environment_host
from createos_mcp.platform.models import Deployment, Environment, Instance, Project, User
from createos_mcp.platform.store.store import Store


async def build_status_page(user: User, services: Services) -> Json:
    """Every environment of every user, and what serves it: `{"apps": [{...}], "engine": {...}}`.

    `engine` has the `name` and `host` of the container engine that runs images, or as `missing`
    why none does.

    Members of an app: `user`, `project`, `environment` and their ids, `status` of its deployment
    or null, `worker`, `endpoint` and `hostEndpoint` unless it is one, `replicas` (running and
    wanted), `memoryBytes` (resident, of all its processes), `memoryMb` and `cpuMillicores` (its
    limits), `isolation` and `limits` as its deployment shows them.

    Raises:
        ForbiddenError: The user is not the owner of the machine.
    """
    accounts = services.store.accounts
    if user.id != (await accounts.first_user()).id:
        raise ForbiddenError("Only the owner of the machine can see everything that runs on it.")
    names = {owner.id: owner.name for owner in await accounts.users()}
    apps = []
    for environment in await services.store.environments.all():
        project = await services.store.projects.by_id(environment.project_id)
        if project is not None:
            owner = names[project.user_id]
            apps.append(await _app(environment, project, owner, services))
    return {"apps": apps, "engine": await _engine(services)}


async def _engine(services: Services) -> Json:
    try:
        health = await check_engine(services.docker)
    except EngineMissingError as error:
        return {"missing": str(error)}
    return {"name": health.name, "host": health.host}


async def _app(environment: Environment, project: Project, owner: str, services: Services) -> Json:
    deployment = await _served_by(environment, services.store)
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
        "worker": is_worker,
        "endpoint": None if is_worker else app_url(environment.port),
        "hostEndpoint": None if is_worker else f"http://{host}:{services.gateway_port}",
        "replicas": {"running": len(instances), "wanted": environment.resources["replicas"]},
        "memoryBytes": await to_thread.run_sync(_resident_bytes, instances),
        "memoryMb": environment.resources["memory"],
        "cpuMillicores": environment.resources["cpu"],
        "isolation": isolation,
        "limits": limits,
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


def _resident_bytes(instances: Sequence[Instance]) -> int:
    """Resident memory of the launchers and all that descends from them."""
    total = 0
    for process in _processes(instances):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def _processes(instances: Sequence[Instance]) -> Iterator[psutil.Process]:
    for instance in instances:
        with contextlib.suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(instance.process.pid)
            yield from (launcher, *launcher.children(recursive=True))
