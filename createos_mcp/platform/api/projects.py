"""Projects: create, find, change, delete."""

from collections.abc import Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, page, page_bounds
from createos_mcp.platform.api.variables import keep_replaced, restoring
from createos_mcp.platform.build.build_settings import check_build_settings
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION
from createos_mcp.platform.engines.engine_health import check_engine
from createos_mcp.platform.errors import InvalidRequestError, NotFoundError
from createos_mcp.platform.gateway.addresses import app_url
from createos_mcp.platform.models import Project
from createos_mcp.platform.services.volumes import check_volumes, read_volumes, refuse_sharing
from createos_mcp.platform.states import ProjectStatus, ProjectType

_FILTERS = ("name", "type", "status", "app")


def serialize_project(project: Project) -> dict[str, Json]:
    """A project as the API shows it."""
    return {
        "id": project.id,
        "userId": project.user_id,
        "uniqueName": project.unique_name,
        "displayName": project.display_name,
        "description": project.description,
        "type": project.type,
        "status": project.status,
        "source": project.source,
        "settings": project.settings,
        "appId": project.app_id,
        "enabledSecurityScan": project.enabled_security_scan,
        "expireAt": None,
        "createdAt": project.created_at,
        "updatedAt": project.updated_at,
        "deletedAt": None,
    }


async def check_project_name(request: ApiRequest) -> Json:
    """Whether the user has no project of that name."""
    named = await request.services.store.projects.named(
        request.user.id, request.arguments["uniqueName"]
    )
    return {"isAvailable": named is None}


async def create_project(request: ApiRequest) -> Json:
    """Store a project; its `production` environment listens when this returns."""
    arguments = request.arguments
    check_build_settings(arguments["settings"])
    if arguments["type"] == ProjectType.IMAGE:
        services = request.services
        await check_engine(services.docker, services.config.engine)
    if "appId" in arguments:
        await request.services.store.groups.get(request.user.id, arguments["appId"])
    source = arguments.get("source", {})
    if arguments["type"] == ProjectType.VCS:
        source = await _repository_source(request, source)
    project, environment = await request.services.store.projects.add(
        user_id=request.user.id,
        unique_name=arguments["uniqueName"],
        display_name=arguments["displayName"],
        description=arguments.get("description"),
        type=ProjectType(arguments["type"]),
        source=source,
        settings=arguments["settings"],
        enabled_security_scan=arguments.get("enabledSecurityScan", False),
        app_id=arguments.get("appId"),
        limit=request.services.config.max_projects,
    )
    endpoint = await request.services.addresses.open_environment(environment)
    if project.type == ProjectType.VCS:
        request.services.background.start(request.services.mirrors.begin, project)
    return {"id": project.id, "endpoint": endpoint}


async def _repository_source(request: ApiRequest, given: Mapping[str, Json]) -> dict[str, Json]:
    """What a vcs project is built from, by number or by name; a new name makes a repository.

    Raises:
        NotFoundError: The user has no such repository or installation.
    """
    wanted = str(given["vcsRepoId"])
    if given["vcsInstallationId"] != LOCAL_INSTALLATION:
        followed = await request.services.mirrors.follow(
            request.user, given["vcsInstallationId"], wanted
        )
        return {**given, "vcsFullName": followed.full_name}
    repositories = request.services.store.repositories
    if wanted.isdecimal():
        repository = await repositories.get(int(wanted))
    else:
        repository = await request.services.repositories.ensure(request.user.id, wanted)
    if repository is None or repository.user_id != request.user.id:
        raise NotFoundError("repository", wanted)
    return {
        "vcsName": given["vcsName"],
        "vcsFullName": repository.full_name,
        "vcsInstallationId": LOCAL_INSTALLATION,
        "vcsRepoId": str(repository.id),
    }


async def list_projects(request: ApiRequest) -> Json:
    """A page of the user's projects."""
    limit, offset = page_bounds(request)
    filters = {name: request.arguments.get(name) for name in _FILTERS}
    found, total = await request.services.store.projects.page(
        request.user.id, limit=limit, offset=offset, **filters
    )
    rows = [{**serialize_project(one), "extra": await _serving(request, one)} for one in found]
    return page(request, rows, total)


async def _serving(request: ApiRequest, project: Project) -> Json:
    """What each environment serves, and the state of the newest deployment."""
    store = request.services.store
    newest, _ = await store.deployments.page(project.id, limit=1, offset=0)
    serving = []
    for environment in await store.environments.of(project.id):
        deployment = await store.deployments.get(environment.deployment_id or "")
        if deployment is not None:
            url = None if deployment.is_worker else app_url(environment.port)
            serving.append(
                {
                    "environment": environment.unique_name,
                    "version": deployment.version,
                    "state": deployment.status,
                    "endpoint": url,
                }
            )
    return {"newest": newest[0].status if newest else "never deployed", "serving": serving}


async def get_project(request: ApiRequest) -> Json:
    """One project."""
    return serialize_project(await request.project())


async def update_project(request: ApiRequest) -> Json:
    """Change what is given; the rest stays."""
    project = await request.project()
    arguments = request.arguments
    await request.services.store.projects.update(
        project.id,
        display_name=arguments["displayName"],
        description=arguments.get("description", project.description),
        enabled_security_scan=arguments.get("enabledSecurityScan", project.enabled_security_scan),
    )
    return "Project updated."


async def update_settings(request: ApiRequest) -> Json:
    """Lay the given settings over the stored ones; the next deployment takes them."""
    project = await request.project()
    if project.status is not ProjectStatus.ACTIVE:
        raise InvalidRequestError(f"The project is {project.status}, not active.")
    given: Mapping[str, Json] = {k: v for k, v in request.arguments.items() if k != "project_id"}
    check_build_settings(given)
    were_kept = await keep_replaced(request, project, None, given)
    await request.services.store.projects.set_settings(project.id, {**project.settings, **given})
    return "Settings updated. They take effect with the next deployment." + (
        f" {restoring(None)}" if were_kept else ""
    )


async def update_runtime_settings(request: ApiRequest) -> Json:
    """Lay how an app is started and checked over the stored settings."""
    project = await request.active_project()
    given: Mapping[str, Json] = {k: v for k, v in request.arguments.items() if k != "project_id"}
    if not given:
        names = "healthPath, startTimeoutSeconds, worker, previewBranches, previewCopies, volumes"
        raise InvalidRequestError(f"Send at least one of {names}.")
    volumes = read_volumes(given)
    check_volumes(volumes)
    for environment in await request.services.store.environments.of(project.id):
        refuse_sharing(volumes, environment.resources["replicas"], environment.unique_name)
    await request.services.store.projects.set_settings(project.id, {**project.settings, **given})
    return "Settings updated. They take effect with the next deployment."


async def delete_project(request: ApiRequest) -> Json:
    """Mark a project for deletion; what belongs to it goes in the background."""
    project = await request.project()
    if project.status is not ProjectStatus.DELETING:
        await request.services.store.projects.set_status(project.id, ProjectStatus.DELETING)
        await request.services.deployer.delete_project(project)
    return "The project is being deleted."


async def suspend_project(request: ApiRequest) -> Json:
    """End everything that a project runs, and start nothing of it until it is resumed."""
    await request.services.suspension.suspend(await request.project())
    return "The project is suspended."


async def unsuspend_project(request: ApiRequest) -> Json:
    """Run again what the environments of a suspended project serve."""
    await request.services.suspension.resume(await request.project())
    return "The project is active again."


HANDLERS: Handlers = {
    "CheckProjectUniqueName": check_project_name,
    "CreateProject": create_project,
    "ListProjects": list_projects,
    "GetProject": get_project,
    "UpdateProject": update_project,
    "UpdateProjectSettings": update_settings,
    "UpdateRuntimeSettings": update_runtime_settings,
    "DeleteProject": delete_project,
}
