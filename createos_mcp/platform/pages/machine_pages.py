"""Pages about the user and the machine: keys, databases, git, templates, the platform itself."""

import shutil
from importlib.metadata import version
from pathlib import Path

from anyio import to_thread
from starlette.types import ASGIApp

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.auth import add_account
from createos_mcp.platform.api.status_page import build_status_page
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION
from createos_mcp.platform.errors import ForbiddenError, NotFoundError
from createos_mcp.platform.pages.project_pages import read_projects
from createos_mcp.platform.pages.visits import PageRoute, Visit, go_to
from createos_mcp.platform.sandbox.detection import MEASURES

LOG_BYTES = 64 * 1024
"""Of the platform's own log."""

RECENT = 10


async def show_account(visit: Visit) -> ASGIApp:
    """The user's API keys."""
    return visit.show("account.html", keys=await _keys(visit), secret=None)


async def _keys(visit: Visit) -> Json:
    try:
        return await visit.perform("ListAPIKeys")
    except NotFoundError:
        return []


async def create_key(visit: Visit) -> ASGIApp:
    """Make a key, and show its secret on this one page."""
    form = await visit.form()
    made = await visit.perform(
        "CreateAPIKey", name=str(form.get("name", "")), expiryAt=f"{form.get('until')}T00:00:00Z"
    )
    return visit.show("account.html", keys=await _keys(visit), secret=made["secret"])


async def show_services(visit: Visit) -> ASGIApp:
    """Databases and caches: state, version, size, connections, last backup."""
    services = [
        await visit.perform("GetService", service_id=one["id"])
        for one in await visit.perform("ListServices")
    ]
    return visit.show("services.html", services=services, projects=await read_projects(visit))


async def show_git(visit: Visit) -> ASGIApp:
    """Repositories of this machine, and what was pushed to them lately."""
    place = {"installation_id": LOCAL_INSTALLATION}
    pushes = []
    for project in await read_projects(visit):
        if project["type"] == "vcs":
            page = await visit.perform("ListDeployments", project_id=project["id"], limit=RECENT)
            pushes += [{**one, "project": project} for one in page["data"]]
    return visit.show(
        "git.html",
        repositories=await visit.perform("ListGithubRepositories", **place),
        pushes=sorted(pushes, key=lambda one: one["createdAt"], reverse=True)[:RECENT],
        git_url=f"http://127.0.0.1:{visit.performer.services.config.api_port}/git",
    )


async def show_templates(visit: Visit) -> ASGIApp:
    """What can be taken as a start, what was taken, and the user's own templates."""
    return visit.show(
        "templates.html",
        taken=(await visit.perform("ListProjectTemplatePurchases", limit=20))["purchases"],
        offered=(await visit.perform("ListPublishedProjectTemplates", limit=20))["templates"],
        own=(await visit.perform("ListMyProjectTemplates", limit=20))["templates"],
    )


async def fetch_template(visit: Visit) -> ASGIApp:
    """The files of a template that was taken."""
    return go_to((await visit.perform("DownloadProjectTemplate", **visit.place))["downloadUri"])


async def show_platform(visit: Visit) -> ASGIApp:
    """Isolation measure by measure, disk, versions, users and the platform's own log.

    Raises:
        ForbiddenError: The user is not the owner of the machine.
    """
    _check_owner(visit)
    return await _tell_platform(visit)


async def let_user_in(visit: Visit) -> ASGIApp:
    """Add another user, and show their key on this one page.

    Raises:
        ForbiddenError: The user is not the owner of the machine.
        Refusal: The name is taken, or of a form that is not allowed.
    """
    _check_owner(visit)
    form = await visit.form()
    accounts = visit.performer.services.store.accounts
    user, key = await add_account(accounts, str(form.get("name", "")).strip())
    return await _tell_platform(visit, added=user, key=key)


def _check_owner(visit: Visit) -> None:
    if not visit.is_owner:
        raise ForbiddenError("Only the owner of the machine can see this page.")


async def _tell_platform(visit: Visit, added: Json = None, key: str | None = None) -> ASGIApp:
    services = visit.performer.services
    root = services.config.data_dir.root
    page = await build_status_page(visit.user, services)
    return visit.show(
        "platform.html",
        version=version("createos-mcp"),
        root=str(root),
        disk=shutil.disk_usage(root),
        measures={name: services.gaps.get(name) for name in MEASURES},
        engine=page["engine"],
        apps=page["apps"],
        settings=services.config.choices(),
        api_port=services.config.api_port,
        gateway_port=services.gateway_port,
        users=await services.store.accounts.users(),
        log=await to_thread.run_sync(_read_own_log, services.config.data_dir.log_file),
        added=added,
        key=key,
    )


def _read_own_log(file: Path) -> list[str]:
    if not file.exists():
        return []
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - LOG_BYTES, 0))
        return opened.read().decode(errors="replace").split("\n")[-200:]


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/account", show_account),
    PageRoute("/services", show_services),
    PageRoute("/git", show_git),
    PageRoute("/templates", show_templates),
    PageRoute("/templates/purchases/{purchase_id}/download", fetch_template),
    PageRoute("/platform", show_platform),
    PageRoute("/platform/users", let_user_in, "POST"),
    PageRoute("/account/keys", create_key, "POST"),
)
