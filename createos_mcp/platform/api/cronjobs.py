"""Cron jobs: create, change, pause, delete, and how their runs went."""

from collections.abc import Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.cron.cron_requests import check_request
from createos_mcp.platform.cron.schedules import Schedule
from createos_mcp.platform.errors import InvalidRequestError, WrongStateError
from createos_mcp.platform.models import Activity, Cronjob, Environment, Project
from createos_mcp.platform.states import EnvironmentStatus
from createos_mcp.platform.timestamps import format_time

HTTP = "http"


def serialize_cronjob(job: Cronjob) -> dict[str, Json]:
    """A cron job as the API shows it."""
    return {
        "id": job.id,
        "projectId": job.project_id,
        "environmentId": job.environment_id,
        "name": job.name,
        "schedule": job.schedule,
        "type": HTTP,
        "status": job.status,
        "settings": job.settings,
        "metadata": None,
        "suspendedAt": job.suspended_at,
        "suspendedByOwner": None if job.suspended_at is None else True,
        "suspendText": None,
        "userRequestTerminatedAt": None,
        "createdAt": job.created_at,
        "updatedAt": job.updated_at,
    }


def activity_view(activity: Activity) -> dict[str, Json]:
    """A run as the API shows it."""
    return {
        "id": activity.id,
        "cronJobId": activity.cronjob_id,
        "scheduledAt": activity.scheduled_at,
        "success": activity.success,
        "statusCode": activity.status_code,
        "log": activity.log,
        "createdAt": activity.created_at,
    }


async def create_cronjob(request: ApiRequest) -> Json:
    """Store a job, which runs from its next moment on."""
    project = await request.active_project()
    if request.arguments["type"] != HTTP:
        raise InvalidRequestError(
            f"type: the local platform runs jobs of the type {HTTP!r}, "
            f"not {request.arguments['type']!r}."
        )
    schedule = _checked_schedule(request)
    settings = _checked_settings(request)
    if settings is None:
        raise InvalidRequestError(
            f"settings: required for the type {HTTP!r}, an object with path and method."
        )
    environment = await _cronjob_environment(request, project)
    job_id = await request.services.store.cronjobs.add(
        project_id=project.id,
        environment_id=environment.id,
        name=request.arguments["name"],
        schedule=schedule,
        settings=settings,
    )
    due = Schedule(schedule).after(request.services.now())
    return {"id": job_id, "nextRunAt": format_time(due)}


async def list_cronjobs(request: ApiRequest) -> Json:
    """All cron jobs of a project."""
    project = await request.project()
    return [serialize_cronjob(job) for job in await request.services.store.cronjobs.of(project.id)]


async def get_cronjob(request: ApiRequest) -> Json:
    """One cron job."""
    return serialize_cronjob(await _job(request))


async def update_cronjob(request: ApiRequest) -> Json:
    """Change a job; settings that are left out stay."""
    job = await _job(request)
    settings = _checked_settings(request)
    await request.services.store.cronjobs.update(
        job.id,
        name=request.arguments["name"],
        schedule=_checked_schedule(request),
        settings=job.settings if settings is None else settings,
    )
    return "Cron job updated. The new schedule applies from now on."


async def suspend_cronjob(request: ApiRequest) -> Json:
    """Pause a job."""
    job = await _job(request)
    await request.services.store.cronjobs.suspend(job.id)
    return "Cron job suspended."


async def unsuspend_cronjob(request: ApiRequest) -> Json:
    """Let a paused job run again; what it missed stays missed."""
    job = await _job(request)
    await request.services.store.cronjobs.unsuspend(job.id)
    return "Cron job resumed; it runs at its next scheduled time."


async def run_cronjob(request: ApiRequest) -> Json:
    """Begin a run of a job now, whatever its schedule says."""
    await request.active_project()
    await request.services.scheduler.run_now(await _job(request))
    return "The run has begun; ListCronjobActivities shows how it ends."


async def delete_cronjob(request: ApiRequest) -> Json:
    """Forget a job and its activities."""
    job = await _job(request)
    await request.services.store.cronjobs.remove(job.id)
    return "Cron job deleted."


async def list_activities(request: ApiRequest) -> Json:
    """The last ten runs of a job, newest first."""
    job = await _job(request)
    return [
        activity_view(activity)
        for activity in await request.services.store.cronjobs.activities(job.id)
    ]


async def _job(request: ApiRequest) -> Cronjob:
    project = await request.project()
    return await request.services.store.cronjobs.get(project.id, request.arguments["cronjob_id"])


async def _cronjob_environment(request: ApiRequest, project: Project) -> Environment:
    """The environment that the arguments name, which has to serve something."""
    environment = await request.environment_of(project, request.arguments["environmentId"])
    if environment.status is EnvironmentStatus.DELETING or environment.deployment_id is None:
        raise WrongStateError(
            f"environmentId: environment inactive: deploy to {environment.unique_name!r} first."
        )
    return environment


def _checked_schedule(request: ApiRequest) -> str:
    schedule: str = request.arguments["schedule"]
    Schedule(schedule)
    return schedule


def _checked_settings(request: ApiRequest) -> Mapping[str, Json] | None:
    settings: Mapping[str, Json] | None = request.arguments.get("settings")
    if settings is not None:
        check_request(settings)
    return settings


HANDLERS: Handlers = {
    "CreateCronjob": create_cronjob,
    "ListCronjobs": list_cronjobs,
    "GetCronjob": get_cronjob,
    "UpdateCronjob": update_cronjob,
    "SuspendCronjob": suspend_cronjob,
    "UnsuspendCronjob": unsuspend_cronjob,
    "RunCronjob": run_cronjob,
    "DeleteCronjob": delete_cronjob,
    "ListCronjobActivities": list_activities,
}
