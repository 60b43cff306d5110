"""Apps, as the API calls groups of projects: create, change, fill, list, delete."""

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, page, page_bounds
from createos_mcp.platform.api.projects import serialize_project as project_view
from createos_mcp.platform.models import Group

DEFAULT_COLOR = "#6B7280"


def serialize_app(group: Group) -> dict[str, Json]:
    """A group as the API shows it."""
    return {
        "id": group.id,
        "userId": group.user_id,
        "name": group.name,
        "description": group.description,
        "color": group.color,
        "createdAt": group.created_at,
        "updatedAt": group.updated_at,
    }


async def create_group(request: ApiRequest) -> Json:
    """Store a group without members."""
    group = await request.services.store.groups.add(
        user_id=request.user.id,
        name=request.arguments["name"],
        description=request.arguments.get("description"),
        color=request.arguments.get("color", DEFAULT_COLOR),
        limit=request.services.config.max_apps,
    )
    return {"id": group.id}


async def list_groups(request: ApiRequest) -> Json:
    """All groups of the user."""
    return [
        serialize_app(group) for group in await request.services.store.groups.of(request.user.id)
    ]


async def update_group(request: ApiRequest) -> Json:
    """Change what is given; the rest stays."""
    group = await _find_group(request)
    await request.services.store.groups.update(
        group.id,
        name=request.arguments["name"],
        description=request.arguments.get("description", group.description),
        color=request.arguments.get("color", group.color),
    )
    return "App updated."


async def delete_group(request: ApiRequest) -> Json:
    """Forget a group; its projects stay."""
    group = await _find_group(request)
    await request.services.store.groups.remove(group.id)
    return "App deleted. Its projects remain."


async def add_projects(request: ApiRequest) -> Json:
    """Put projects in; one that was in another app leaves that."""
    group = await _find_group(request)
    await request.services.store.groups.take_in(group, request.arguments["projectIds"])
    return "Projects added to the app."


async def remove_projects(request: ApiRequest) -> Json:
    """Take projects out."""
    group = await _find_group(request)
    await request.services.store.groups.let_go(group, request.arguments["projectIds"])
    return "Projects removed from the app."


async def list_group_projects(request: ApiRequest) -> Json:
    """A page of a group's projects."""
    group = await _find_group(request)
    limit, offset = page_bounds(request)
    found, total = await request.services.store.projects.page(
        request.user.id, limit=limit, offset=offset, app=group.id
    )
    return page(request, [project_view(project) for project in found], total)


async def _find_group(request: ApiRequest) -> Group:
    return await request.services.store.groups.get(request.user.id, request.arguments["app_id"])


HANDLERS: Handlers = {
    "CreateApp": create_group,
    "ListApps": list_groups,
    "UpdateApp": update_group,
    "DeleteApp": delete_group,
    "AddProjectsToApp": add_projects,
    "RemoveProjectsFromApp": remove_projects,
    "ListProjectsByApp": list_group_projects,
}
