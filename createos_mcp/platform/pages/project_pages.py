"""Pages of one project: its environments, history, domains and cron jobs."""

from starlette.types import ASGIApp

from createos_mcp.contract.values import Json
from createos_mcp.platform.pages.visits import PageRoute, Visit, read_number

ROWS = 20

SHOWN_SETTINGS = (
    "runtime",
    "framework",
    "port",
    "directoryPath",
    "installCommand",
    "buildCommand",
    "runCommand",
    "healthPath",
    "worker",
    "previewBranches",
    "previewCopies",
)
"""Settings whose values a page shows; of variables it shows the names."""


async def show_project(visit: Visit) -> ASGIApp:
    """What the project serves, and what was deployed."""
    place = visit.place
    offset = read_number(visit.request.query_params.get("offset", "")) or 0
    project = await visit.perform("GetProject", **place)
    deployments = await visit.perform("ListDeployments", **place, limit=ROWS, offset=offset)
    return visit.show(
        "project.html",
        project=project,
        environments=await visit.perform("ListProjectEnvironments", **place),
        deployments=deployments["data"],
        pages=deployments["pagination"],
        domains=await visit.perform("ListDomains", **place),
        cronjobs=await visit.perform("ListCronjobs", **place),
        settings={
            name: project["settings"][name]
            for name in SHOWN_SETTINGS
            if project["settings"].get(name) not in (None, "")
        },
        build_variables=sorted(project["settings"].get("buildVars") or {}),
    )


async def show_domains(visit: Visit) -> ASGIApp:
    """Custom domains with the records to set and what the last check showed."""
    place = visit.place
    return visit.show(
        "domains.html",
        project=await visit.perform("GetProject", **place),
        environments=await visit.perform("ListProjectEnvironments", **place),
        domains=await visit.perform("ListDomains", **place),
    )


async def show_cronjobs(visit: Visit) -> ASGIApp:
    """Cron jobs of all projects in one table, with their last runs."""
    projects = []
    for project in await read_projects(visit):
        jobs = []
        for job in await visit.perform("ListCronjobs", project_id=project["id"]):
            place = {"project_id": project["id"], "cronjob_id": job["id"]}
            jobs.append({**job, "runs": await visit.perform("ListCronjobActivities", **place)})
        if jobs:
            projects.append({**project, "jobs": jobs})
    return visit.show("cron.html", projects=projects)


async def read_projects(visit: Visit) -> list[Json]:
    """Every project of the user."""
    found: list[Json] = []
    while True:
        page = await visit.perform("ListProjects", limit=ROWS, offset=len(found))
        found += page["data"]
        if len(page["data"]) < ROWS:
            return found


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/projects/{project_id}", show_project),
    PageRoute("/projects/{project_id}/domains", show_domains),
    PageRoute("/cron", show_cronjobs),
)
