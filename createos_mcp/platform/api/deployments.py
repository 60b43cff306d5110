"""Deployments: three kinds of upload, their states, logs and files."""

import shutil
from collections.abc import Callable
from pathlib import Path

from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import (
    ApiRequest,
    Handler,
    Handlers,
    Services,
    log_text,
    page,
    page_bounds,
)
from createos_mcp.platform.build.archive import unpack_zip, write_base64_files, write_text_files
from createos_mcp.platform.deploy.pushes import as_refusal
from createos_mcp.platform.engines.engine_health import check_engine
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.errors import (
    GitFailedError,
    InvalidRequestError,
    NotFoundError,
    Refusal,
    StorageError,
    WrongStateError,
)
from createos_mcp.platform.gateway.addresses import app_url, deployment_host
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import IMAGE_SOURCE, NO_ENVIRONMENT, Deployment, Project, Reason
from createos_mcp.platform.sandbox.app_logs import files_of
from createos_mcp.platform.states import LIVE, DeploymentStatus, ProjectStatus, ProjectType

COMMAND_TIMEOUT_S = 60


def serialize_deployment(deployment: Deployment, services: Services) -> dict[str, Json]:
    """A deployment as the API shows it; `extra.endpoint` answers while it is live."""
    cancelled = deployment.status is DeploymentStatus.CANCELLED
    return {
        "id": deployment.id,
        "projectId": deployment.project_id,
        "versionNumber": deployment.version,
        "status": deployment.status,
        "reason": deployment.reason,
        "reasonCode": deployment.reason_code,
        "source": _source(deployment),
        "settings": deployment.settings,
        "artifactImage": (deployment.release or {}).get("image"),
        "extra": _extra(deployment, services),
        "cancelReason": deployment.reason if cancelled else None,
        "cancelledAt": deployment.updated_at if cancelled else None,
        "createdAt": deployment.created_at,
        "updatedAt": deployment.updated_at,
    }


def _source(deployment: Deployment) -> dict[str, Json]:
    revision = deployment.revision
    if revision is not None:
        return {
            "kind": deployment.source,
            "branch": revision["branch"],
            "commit": revision["sha"],
            "commitMessage": revision["message"],
            "commitAuthor": revision["author"],
        }
    image = deployment.settings.get("image")
    return {"kind": deployment.source, **({"image": image} if image else {})}


def _extra(deployment: Deployment, services: Services) -> dict[str, Json]:
    if deployment.status not in LIVE or (deployment.port is None and not deployment.is_worker):
        return {"worker": True} if deployment.is_worker else {}
    instances = services.supervisor.instances_of(deployment.id)
    kinds = {(instance.isolation, instance.limits) for instance in instances}
    isolation, limits = next(iter(kinds), (None, None))
    return {
        **_addresses(deployment, services),
        "runningReplicas": len(instances),
        "isolation": isolation,
        "limits": limits,
        "notEnforced": dict(services.gaps),
    }


def _addresses(deployment: Deployment, services: Services) -> dict[str, Json]:
    if deployment.is_worker or deployment.port is None:
        return {"worker": True}
    host = deployment_host(deployment.id)
    return {
        "endpoint": app_url(deployment.port),
        "hostEndpoint": f"http://{host}:{services.gateway_port}",
    }


def _submit_upload(kind: str, argument: str, write: Callable[[Json, Path], None]) -> Handler:
    """A handler that writes an upload to disk, stores its deployment and queues it."""

    async def upload(request: ApiRequest) -> Json:
        project = await request.active_project()
        await request.services.users.check(request.user.id)
        if project.type is not ProjectType.UPLOAD:
            raise WrongStateError(
                f"The project's type is {project.type}; "
                "files can only be deployed to an upload project."
            )
        promote = await _promotion(request, project)
        deployment_id = new_id()
        source = request.services.config.data_dir.source(deployment_id)
        try:
            await to_thread.run_sync(write, request.arguments[argument], source)
        except OSError as error:
            raise StorageError(source.parent, error.strerror or str(error)) from error
        try:
            deployment = await request.services.store.deployments.add(
                deployment_id=deployment_id,
                project_id=project.id,
                source=kind,
                settings=project.settings,
                promote=promote,
                max_pending=request.services.config.max_uploads_pending,
            )
        except Refusal:
            await to_thread.run_sync(shutil.rmtree, source)
            raise
        await request.services.deployer.submit(deployment)
        return {"id": deployment.id}

    return upload


async def deploy_image(request: ApiRequest) -> Json:
    """Store a deployment of an image and queue it; it is pulled in the background."""
    project = await request.active_project()
    services = request.services
    await services.users.check(request.user.id)
    if project.type is not ProjectType.IMAGE:
        raise WrongStateError(
            f"The project's type is {project.type}; "
            "images can only be deployed to an image project."
        )
    image = request.arguments["image"]
    ImageReference.parse(image)
    await check_engine(services.docker, services.config.engine)
    deployment = await services.store.deployments.add(
        deployment_id=new_id(),
        project_id=project.id,
        source=IMAGE_SOURCE,
        settings={**project.settings, "image": image},
        promote=await _promotion(request, project),
        max_pending=services.config.max_uploads_pending,
    )
    await services.deployer.submit(deployment)
    return {"id": deployment.id}


async def deploy_latest(request: ApiRequest) -> Json:
    """Deploy the newest commit of a branch; a sentence where it is deployed already."""
    project = await request.project()
    await request.services.users.check(request.user.id)
    if project.type is not ProjectType.VCS or project.status is not ProjectStatus.ACTIVE:
        raise InvalidRequestError(
            f"The project is {project.status} and of type {project.type}; "
            "branches can only be deployed to an active vcs project."
        )
    try:
        await request.services.mirrors.refresh(project)
        told = await request.services.pushes.deploy_branch(
            project,
            request.arguments.get("branch"),
            promote=await _promotion(request, project),
        )
    except GitFailedError as error:
        raise as_refusal(error) from error
    return told if isinstance(told, str) else {"id": told.id}


async def _promotion(request: ApiRequest, project: Project) -> str | None:
    """Where the deployment goes: `?promote=` names an environment's id, or `none`.

    Raises:
        NotFoundError: The project has no such environment.
    """
    wanted: str | None = request.arguments.get("promote")
    if wanted is not None and wanted != NO_ENVIRONMENT:
        await request.environment_of(project, wanted)
    return wanted


async def list_deployments(request: ApiRequest) -> Json:
    """A page of a project's deployments, newest first."""
    project = await request.active_project()
    limit, offset = page_bounds(request)
    found, total = await request.services.store.deployments.page(
        project.id, limit=limit, offset=offset
    )
    return page(
        request, [serialize_deployment(deployment, request.services) for deployment in found], total
    )


async def get_deployment(request: ApiRequest) -> Json:
    """One deployment."""
    return serialize_deployment(await request.deployment(), request.services)


async def build_logs(request: ApiRequest) -> Json:
    """The lines that the build printed so far."""
    deployment = await request.deployment()
    lines = await request.services.store.deployments.build_log(
        deployment.id, skip=request.arguments.get("skip", 0)
    )
    texts = await request.mask_lines(deployment.project_id, [line.log for line in lines])
    return [
        {
            "deploymentId": line.deployment_id,
            "lineNumber": line.line_number,
            "stage": line.stage,
            "log": text,
            "ts": line.ts,
            "createdAt": line.ts,
        }
        for line, text in zip(lines, texts, strict=True)
    ]


async def get_app_logs(request: ApiRequest) -> Json:
    """What the app printed lately, as one text; also what one printed that runs no more."""
    deployment = await request.deployment()
    files = files_of(request.services.config.data_dir.app_logs(deployment.id))
    if not files and deployment.status not in LIVE:
        raise WrongStateError(
            f"The deployment is {deployment.status} and has no app logs. "
            "The build log has the last lines of an app that failed."
        )
    text = await to_thread.run_sync(log_text, files, request.since_s)
    return await request.mask(deployment.project_id, text)


async def retrigger_deployment(request: ApiRequest) -> Json:
    """Deploy the same files once more, as a new deployment."""
    deployment = await request.deployment()
    await request.services.users.check(request.user.id)
    again = await request.services.deployer.retrigger(
        deployment, settings=request.arguments.get("settings", "deployment")
    )
    return serialize_deployment(again, request.services)


async def cancel_deployment(request: ApiRequest) -> Json:
    """Stop a deployment that waits or builds."""
    await request.services.deployer.cancel(await request.deployment())
    return "Deployment cancelled."


async def wake_deployment(request: ApiRequest) -> Json:
    """Run a sleeping deployment again."""
    await request.services.users.check(request.user.id)
    await request.services.deployer.wake(await request.deployment())
    return "The deployment is being woken."


async def put_to_sleep(request: ApiRequest) -> Json:
    """Give back what a deployment uses, until the next request wakes it."""
    deployment = await request.deployment()
    sets = request.services.supervisor.sets_of(deployment.id)
    if not sets:
        raise WrongStateError(f"The deployment is {deployment.status}; nothing of it runs.")
    reason = Reason(code=ReasonCode.ASKED_TO_SLEEP, text="It was put to sleep on request")
    for replicas in sets:
        await request.services.supervisor.sleep(replicas.set.route_id, reason)
    return "The deployment sleeps. The next request wakes it."


async def run_app_command(request: ApiRequest) -> Json:
    """Run a command once in the release of a deployment, with the variables of where it serves."""
    deployment = await request.deployment()
    await request.services.users.check(request.user.id)
    deployment = await request.services.deployer.ensure_release(deployment)
    environments = await request.services.store.environments.of(deployment.project_id)
    serving = [one for one in environments if one.deployment_id == deployment.id]
    done = await request.services.commands.run(
        deployment,
        serving[0] if serving else None,
        request.arguments["command"],
        timeout_s=request.arguments.get("timeoutSeconds", COMMAND_TIMEOUT_S),
    )
    return {**done, "output": await request.mask(deployment.project_id, done["output"])}


async def delete_deployment(request: ApiRequest) -> Json:
    """Take a deployment down and delete it."""
    await request.services.deployer.delete(await request.deployment())
    return "The deployment is being deleted."


async def download(request: ApiRequest) -> Json:
    """A signed link to the files that were uploaded."""
    deployment = await request.deployment()
    if not request.services.config.data_dir.source(deployment.id).is_dir():
        raise NotFoundError("deployment with files", deployment.id)
    base_url = f"http://127.0.0.1:{request.services.config.api_port}"
    return {"downloadUri": request.services.downloads.link(base_url, deployment.id)}


HANDLERS: Handlers = {
    "UploadDeploymentFiles": _submit_upload("files", "files", write_text_files),
    "UploadDeploymentBase64Files": _submit_upload("base64", "files", write_base64_files),
    "UploadDeploymentZip": _submit_upload("zip", "file", unpack_zip),
    "CreateDeployment": deploy_image,
    "TriggerLatestDeployment": deploy_latest,
    "ListDeployments": list_deployments,
    "GetDeployment": get_deployment,
    "GetBuildLogs": build_logs,
    "GetDeploymentLogs": get_app_logs,
    "RetriggerDeployment": retrigger_deployment,
    "CancelDeployment": cancel_deployment,
    "WakeupDeployment": wake_deployment,
    "SleepDeployment": put_to_sleep,
    "RunCommand": run_app_command,
    "DeleteDeployment": delete_deployment,
    "DownloadDeployment": download,
}
