"""Services: create, look, bind, back up, restore, delete; for the local platform alone."""

import contextlib

import psutil
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, page, page_bounds
from createos_mcp.platform.engines.engine_health import check_service_engine
from createos_mcp.platform.errors import (
    InvalidRequestError,
    NotFoundError,
    ServiceFailedError,
    WrongStateError,
)
from createos_mcp.platform.models import Environment, Group
from createos_mcp.platform.paths import tree_bytes
from createos_mcp.platform.services.backups import ASKED_FOR
from createos_mcp.platform.services.image_kinds import IMAGE_KINDS, ImageKind, choose_kind, kind_of
from createos_mcp.platform.services.service_host import new_password
from createos_mcp.platform.states import EnvironmentStatus
from createos_mcp.platform.store.services import MAX_SERVICES, Backup, Bound, Service

DEFAULT_CPU_MILLICORES, DEFAULT_SIZE_MB = 1000, 1024
MB = 2**20


def serialize_service(service: Service) -> dict[str, Json]:
    """A service as lists show it; its password is told to nobody."""
    return {
        "id": service.id,
        "name": service.name,
        "kind": service.kind,
        "version": service.version,
        "image": service.package if service.kind in IMAGE_KINDS else None,
        "status": service.status,
        "reason": service.reason,
        "memory": service.memory_mb,
        "cpu": service.cpu_millicores,
        "sizeMb": service.size_mb,
        "appId": service.app_id,
        "createdAt": service.created_at,
        "updatedAt": service.updated_at,
    }


async def create_service(request: ApiRequest) -> Json:
    """Store a service; it starts in the background."""
    await request.services.users.check(request.user.id)
    arguments = request.arguments
    image = arguments.get("image", {})
    kind = choose_kind(arguments["kind"], image)
    if isinstance(kind, ImageKind):
        await check_service_engine(request.services.docker)
    size_mb = arguments.get("sizeMb", DEFAULT_SIZE_MB)
    _check_size(request, size_mb)
    service = await request.services.store.services.add(
        user_id=request.user.id,
        name=arguments["name"],
        kind=kind.name,
        version=str(image.get("reference", kind.version)),
        memory_mb=arguments.get("memory", kind.memory_mb),
        cpu_millicores=arguments.get("cpu", DEFAULT_CPU_MILLICORES),
        size_mb=size_mb,
        secret=new_password(),
        limit=MAX_SERVICES,
        image=image if isinstance(kind, ImageKind) else None,
    )
    request.services.managed.host.start(service.id)
    return {"id": service.id, "status": service.status, "variable": kind.variable}


async def list_services(request: ApiRequest) -> Json:
    """Everything of the user's, oldest first."""
    found = await request.services.store.services.of(request.user.id)
    return [serialize_service(one) for one in found]


async def get_service(request: ApiRequest) -> Json:
    """One service with what uses it, what it takes, and its backups."""
    service = await _find(request)
    host, rows = request.services.managed.host, request.services.store.services
    data = request.services.config.data_dir.service(service.id) / "data"
    data_bytes = await to_thread.run_sync(tree_bytes, data)
    connections = None
    if host.is_running(service.id):
        with contextlib.suppress(ServiceFailedError, IndexError, ValueError):
            connections = int((await host.script(service, "connections"))[0])
    return {
        **serialize_service(service),
        "dataMb": round(data_bytes / MB, 1),
        "memoryUsedMb": await _memory_mb(request, service),
        "connections": connections,
        "bindings": [_binding(one) for one in await rows.bound(service.id)],
        "backups": [_backup(one) for one in await rows.backups_of(service.id)],
    }


async def update_service(request: ApiRequest) -> Json:
    """Change what a service may use; other memory or processor time restart it."""
    service = await _find(request)
    arguments = request.arguments
    if "sizeMb" in arguments:
        _check_size(request, arguments["sizeMb"] - service.size_mb)
    memory_mb = arguments.get("memory", service.memory_mb)
    cpu_millicores = arguments.get("cpu", service.cpu_millicores)
    await request.services.store.services.set_resources(
        service.id,
        memory_mb=memory_mb,
        cpu_millicores=cpu_millicores,
        size_mb=arguments.get("sizeMb", service.size_mb),
    )
    if (memory_mb, cpu_millicores) != (service.memory_mb, service.cpu_millicores):
        await request.services.managed.host.restart(service.id)
        return "The service was restarted with what it may use now."
    return "The service was updated."


async def restart_service(request: ApiRequest) -> Json:
    """End a service and start it; apps connect again by themselves."""
    service = await _find(request)
    await request.services.managed.host.restart(service.id)
    return "The service was restarted and answers."


async def delete_service(request: ApiRequest) -> Json:
    """Delete a service with its data and backups, unless something is bound to it."""
    service = await _find(request)
    bound = await request.services.store.services.bound(service.id)
    if bound:
        names = ", ".join(f"{one.project} ({one.environment})" for one in bound)
        raise WrongStateError(
            f"The service {service.name!r} is bound to {names}. UnbindService first."
        )
    await request.services.managed.host.remove(service)
    return "The service, its data and its backups were deleted."


async def bind_service(request: ApiRequest) -> Json:
    """Let an environment use a service; what runs there starts again with it."""
    service = await _find(request)
    environment = await _environment(request)
    variable = request.arguments.get("variable") or kind_of(service).variable
    project = await request.services.store.projects.by_id(environment.project_id)
    own = {
        **(project.settings.get("runEnvs", {}) if project is not None else {}),
        **environment.settings.get("runEnvs", {}),
    }
    if variable in own:
        raise InvalidRequestError(
            f"variable: {variable} is set in the variables of this environment or its project. "
            "Remove it there, or choose another name."
        )
    binding = await request.services.managed.bindings.bind(service, environment.id, variable)
    restarts = await _restart(request, environment)
    when = "the app starts again with it" if restarts else "it is there with the next deployment"
    return {"id": binding.id, "variable": variable, "message": f"Bound as {variable}; {when}."}


async def unbind_service(request: ApiRequest) -> Json:
    """Take a service from an environment; what it has open is ended."""
    service = await _find(request)
    bound = await _bound(request, service)
    await request.services.managed.bindings.unbind(bound.binding)
    return f"{bound.binding.variable} is gone from {bound.project} ({bound.environment})."


async def rotate_binding(request: ApiRequest) -> Json:
    """Give a binding another password; the old one works until the app has started again."""
    service = await _find(request)
    bound = await _bound(request, service)
    await request.services.managed.bindings.renew(service, bound.binding)
    environment = await request.services.store.environments.get(bound.binding.environment_id)
    restarts = environment is not None and await _restart(request, environment)
    if not restarts:
        await request.services.managed.bindings.drop_former(service, bound.binding.environment_id)
    return "The password was changed" + ("; the app starts again with it." if restarts else ".")


async def back_up_service(request: ApiRequest) -> Json:
    """Copy a service's data now."""
    service = await _find(request)
    return _backup(await request.services.managed.backups.make(service, ASKED_FOR))


async def restore_service(request: ApiRequest) -> Json:
    """Bring a backup back; what was there is kept as a backup, too."""
    service = await _find(request)
    backup = await request.services.managed.backups.restore(
        service, request.arguments["backup_id"], request.arguments.get("at")
    )
    at = request.arguments.get("at") or backup.created_at
    return f"The service is as it was at {at}; what it was just before is a backup, too."


async def add_services(request: ApiRequest) -> Json:
    """Put services into an app; one that was in another app leaves that."""
    group = await _group(request)
    await request.services.store.services.take_in(group, request.arguments["serviceIds"])
    return "Services added to the app."


async def remove_services(request: ApiRequest) -> Json:
    """Take services out of an app."""
    group = await _group(request)
    await request.services.store.services.let_go(group, request.arguments["serviceIds"])
    return "Services removed from the app."


async def list_app_services(request: ApiRequest) -> Json:
    """A page of an app's services."""
    group = await _group(request)
    limit, offset = page_bounds(request)
    found = await request.services.store.services.in_app(group.id)
    rows = [serialize_service(one) for one in found[offset : offset + limit]]
    return page(request, rows, len(found))


async def _find(request: ApiRequest) -> Service:
    """The user's service that the path names.

    Raises:
        NotFoundError: The user has no such service.
    """
    service_id = request.arguments["service_id"]
    service = await request.services.store.services.get(service_id)
    if service.user_id != request.user.id:
        raise NotFoundError("service", service_id)
    return service


async def _environment(request: ApiRequest) -> Environment:
    """The user's environment that the body names, or the project's oldest.

    Raises:
        NotFoundError: The user has no such project or environment.
    """
    store = request.services.store
    project_id = request.arguments["projectId"]
    project = await store.projects.get(request.user.id, project_id)
    if project is None:
        raise NotFoundError("project", project_id)
    environments = await store.environments.of(project.id)
    wanted = request.arguments.get("environmentId")
    for environment in environments:
        if wanted in (None, environment.id):
            return environment
    raise NotFoundError("environment", str(wanted))


async def _bound(request: ApiRequest, service: Service) -> Bound:
    binding_id = request.arguments["binding_id"]
    for one in await request.services.store.services.bound(service.id):
        if one.binding.id == binding_id:
            return one
    raise NotFoundError("binding of this service", binding_id)


async def _restart(request: ApiRequest, environment: Environment) -> bool:
    """Start what runs in an environment again; whether anything does."""
    runs = request.services.supervisor.active_at(environment.id) is not None
    if not runs or environment.status is not EnvironmentStatus.ACTIVE:
        return False
    await request.services.store.environments.set_next_deployment(
        environment.id, str(environment.deployment_id)
    )
    request.services.reconciler.start_reconciling(environment)
    return True


async def _group(request: ApiRequest) -> Group:
    return await request.services.store.groups.get(request.user.id, request.arguments["app_id"])


def _check_size(request: ApiRequest, more_mb: int) -> None:
    config = request.services.config
    free_mb = psutil.disk_usage(str(config.data_dir.root)).free // MB - config.disk_floor_mb
    if more_mb > free_mb:
        raise InvalidRequestError(f"sizeMb: this machine's disk has room for {free_mb} MB more.")


async def _memory_mb(request: ApiRequest, service: Service) -> int | None:
    instance = request.services.managed.host.instance(service.id)
    if instance is None:
        return None
    used = await to_thread.run_sync(request.services.usage.read, [instance])
    return used.memory_mb if used is not None else None


def _binding(bound: Bound) -> dict[str, Json]:
    return {
        "id": bound.binding.id,
        "projectId": bound.project_id,
        "project": bound.project,
        "environmentId": bound.binding.environment_id,
        "environment": bound.environment,
        "variable": bound.binding.variable,
        "createdAt": bound.binding.created_at,
    }


def _backup(backup: Backup) -> dict[str, Json]:
    return {
        "id": backup.id,
        "cause": backup.cause,
        "sizeMb": round(backup.size_bytes / MB, 1),
        "createdAt": backup.created_at,
    }


HANDLERS: Handlers = {
    "CreateService": create_service,
    "ListServices": list_services,
    "GetService": get_service,
    "UpdateService": update_service,
    "RestartService": restart_service,
    "DeleteService": delete_service,
    "BindService": bind_service,
    "UnbindService": unbind_service,
    "RotateServicePassword": rotate_binding,
    "BackUpService": back_up_service,
    "RestoreService": restore_service,
    "AddServicesToApp": add_services,
    "RemoveServicesFromApp": remove_services,
    "ListServicesByApp": list_app_services,
}
