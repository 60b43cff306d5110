"""Templates: files and settings that users offer to others, bought once and deployed at will."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers, page_bounds
from createos_mcp.platform.api.template_configurations import check_configuration
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION
from createos_mcp.platform.errors import (
    ForbiddenError,
    GitFailedError,
    InvalidRequestError,
    NameTakenError,
    NotFoundError,
    Refusal,
    StorageError,
    WrongStateError,
)
from createos_mcp.platform.git.bare_repositories import BareRepository
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Project
from createos_mcp.platform.states import ProjectType, TemplateStatus
from createos_mcp.platform.store.repositories import DEFAULT_BRANCH, Repository
from createos_mcp.platform.store.templates import NewTemplate, Purchase, Template, TemplateText

_CONFIGURATIONS = (
    *("projectConfiguration", "environmentConfiguration"),
    *("buildResources", "deploymentResources"),
)
_HOUSE = "createos"
"""Author of what comes with the platform."""

_EDITABLE = (TemplateStatus.DRAFT, TemplateStatus.REJECTED, TemplateStatus.LISTED)
_MAX_NAME, _MIN_NAME = 32, 4
_NAME_ATTEMPTS = 100


async def create_template(request: ApiRequest) -> Json:
    """Store a draft with the files that an environment's deployment was built from."""
    arguments = request.arguments
    check_configuration(arguments["projectConfiguration"])
    project = await request.services.store.projects.get(request.user.id, arguments["projectId"])
    if project is None:
        raise NotFoundError("project", arguments["projectId"])
    environment = await request.services.store.environments.get(arguments["environmentId"])
    owns = environment is not None and await request.services.store.projects.get(
        request.user.id, environment.project_id
    )
    if environment is None or not owns:
        raise NotFoundError("environment", arguments["environmentId"])
    if environment.project_id != project.id:
        raise WrongStateError("The environment belongs to another project.")
    source = request.services.config.data_dir.source(environment.deployment_id or "none")
    if not source.is_dir():
        raise WrongStateError(
            "The environment serves nothing that was built from files. Deploy to it first."
        )
    template_id = new_id()
    files = request.services.template_files
    try:
        await to_thread.run_sync(files.keep, template_id, source)
    except OSError as error:
        raise StorageError(source, error.strerror or str(error)) from error
    try:
        await request.services.store.templates.add(
            NewTemplate(
                id=template_id,
                user_id=request.user.id,
                project_id=project.id,
                environment_id=environment.id,
                text=_text(arguments),
                status=TemplateStatus.DRAFT,
                configurations={name: arguments[name] for name in _CONFIGURATIONS},
            )
        )
    except Refusal:
        await to_thread.run_sync(files.forget, template_id)
        raise
    return {"id": template_id}


async def update_template(request: ApiRequest) -> Json:
    """Replace what is written about a template."""
    template = await _own(request)
    if template.status not in _EDITABLE:
        raise WrongStateError(f"The template is {template.status} and cannot be changed now.")
    given = {"categories": template.text.categories, **request.arguments}
    given.setdefault("amount", template.text.amount_cents / 100)
    await request.services.store.templates.update(template.id, _text(given))
    return {"id": template.id}


async def send_for_review(request: ApiRequest) -> Json:
    """Hand a draft to the owner of the machine."""
    template = await _own(request)
    await request.services.store.templates.move(
        template.id,
        TemplateStatus.UNDER_REVIEW,
        allowed=(TemplateStatus.DRAFT, TemplateStatus.REJECTED),
    )
    return {"status": TemplateStatus.UNDER_REVIEW}


async def delete_template(request: ApiRequest) -> Json:
    """Offer a template no more; who bought it keeps it."""
    template = await _own(request)
    await request.services.store.templates.move(
        template.id,
        TemplateStatus.DELETED,
        allowed=[status for status in TemplateStatus if status is not TemplateStatus.DELETED],
    )
    return "The template was deleted. Those who bought it keep it."


async def get_template(request: ApiRequest) -> Json:
    """A listed template, or one of the user's own."""
    template = await _find(request)
    if template.status is not TemplateStatus.LISTED and template.user_id != request.user.id:
        raise ForbiddenError("The template is not listed, and is not yours.")
    return await _view(request, template)


async def list_published(request: ApiRequest) -> Json:
    """A page of what everybody may have."""
    limit, offset = page_bounds(request)
    wanted = request.arguments.get("categories")
    categories = [one.strip() for one in wanted.split(",") if one.strip()] if wanted else None
    found, total = await request.services.store.templates.listed(
        name=request.arguments.get("name"), categories=categories, limit=limit, offset=offset
    )
    return _page("templates", [await _view(request, one) for one in found], total, request)


async def list_own(request: ApiRequest) -> Json:
    """A page of the user's own, whatever their state."""
    limit, offset = page_bounds(request)
    found, total = await request.services.store.templates.of(
        request.user.id, limit=limit, offset=offset
    )
    return _page("templates", [await _view(request, one) for one in found], total, request)


async def count_templates(request: ApiRequest) -> Json:
    """How many are listed, in all and by category."""
    name = request.arguments.get("name")
    templates = request.services.store.templates
    _, total = await templates.listed(name=name, categories=None, limit=1, offset=0)
    counts = await templates.counts(name)
    return {
        "total": total,
        "categoryCounts": [{"name": name, "count": count} for name, count in counts.items()],
    }


async def list_rejections(request: ApiRequest) -> Json:
    """Why reviews did not list one of the user's templates."""
    template = await _find(request)
    if template.user_id != request.user.id:
        raise NotFoundError("template", template.id)
    found = await request.services.store.templates.rejections(template.id)
    return {
        "rejections": [
            {
                "id": row.id,
                "projectTemplateId": row.template_id,
                "rejectionReason": row.reason,
                "createdAt": row.created_at,
                "updatedAt": row.created_at,
            }
            for row in found
        ]
    }


async def buy_template(request: ApiRequest) -> Json:
    """Buy a listed template, once."""
    bought = await request.services.store.templates.buy(
        request.arguments["template_id"], request.user.id
    )
    return {"id": bought.id}


async def list_purchases(request: ApiRequest) -> Json:
    """A page of what the user has bought."""
    limit, offset = page_bounds(request)
    found, total = await request.services.store.templates.purchases(
        request.user.id, limit=limit, offset=offset
    )
    rows = [await _serialize_purchase(request, one) for one in found]
    return _page("purchases", rows, total, request)


async def download_template(request: ApiRequest) -> Json:
    """A signed link to the files of a template that the user has bought."""
    bought = await _bought(request)
    base_url = f"http://127.0.0.1:{request.services.config.api_port}"
    return {"downloadUri": request.services.downloads.link(base_url, bought.template_id)}


async def deploy_template(request: ApiRequest) -> Json:
    """Put a bought template's files into a repository of the user, and deploy a project of it."""
    bought = await _bought(request)
    given = str(request.arguments["installationId"])
    if given != LOCAL_INSTALLATION:
        raise WrongStateError(
            f"Installation {given} is not connected here; {LOCAL_INSTALLATION} is this machine."
        )
    services = request.services
    await services.users.check(request.user.id)
    template = await services.store.templates.get(bought.template_id)
    if template is None:
        raise NotFoundError("template", bought.template_id)
    project, repository = await _make_project(request, template)
    bare = BareRepository(services.config.data_dir.repository(repository.id))
    files = services.template_files.of(template.id)
    try:
        await to_thread.run_sync(
            bare.commit_files, files, DEFAULT_BRANCH, f"Begin with {template.text.name}"
        )
        outcome = await services.pushes.look(repository)
    except GitFailedError as error:
        raise WrongStateError(f"The repository cannot be filled: {error}.") from error
    begun = [deployment.id for of, deployment in outcome.deployments if of.id == project.id]
    return {"jobId": begun[0] if begun else project.id}


async def _make_project(request: ApiRequest, template: Template) -> tuple[Project, Repository]:
    """A repository and a project, both called as the template, or with a number behind it."""
    services = request.services
    for attempt in range(1, _NAME_ATTEMPTS):
        name = _project_name(template.text.name, attempt)
        if await services.store.projects.named(request.user.id, name):
            continue
        try:
            repository = await services.repositories.create(request.user.id, name)
        except NameTakenError:
            continue
        project, environment = await services.store.projects.add(
            user_id=request.user.id,
            unique_name=name,
            display_name=name,
            description=None,
            type=ProjectType.VCS,
            source={
                "vcsName": "github",
                "vcsFullName": repository.full_name,
                "vcsInstallationId": LOCAL_INSTALLATION,
                "vcsRepoId": str(repository.id),
            },
            settings={
                "useBuildAI": True,
                **template.configurations["projectConfiguration"],
            },
            enabled_security_scan=False,
            app_id=None,
            limit=services.config.max_projects,
        )
        await services.addresses.open_environment(environment)
        return project, repository
    raise NameTakenError("project", template.text.name)


def _project_name(title: str, attempt: int) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "template"
    mark = "" if attempt == 1 else f"-{attempt}"
    return f"{readable[: _MAX_NAME - len(mark)].strip('-')}{mark}".ljust(_MIN_NAME, "x")


def _text(given: Mapping[str, Json]) -> TemplateText:
    return TemplateText(
        name=given["name"],
        description=given["description"],
        overview=given["overview"],
        use_cases=given["useCases"],
        video_url=given.get("videoUrl", ""),
        image_uri=given["imageUri"],
        categories=given.get("categories") or [],
        amount_cents=in_cents(given.get("amount", 0)),
    )


def in_cents(amount: float) -> int:
    """An amount of credits, exactly.

    Raises:
        InvalidRequestError: It has more than two decimals.
    """
    cents = Decimal(str(amount)) * 100
    if cents != cents.to_integral_value():
        raise InvalidRequestError("amount: at most two decimals.")
    return int(cents)


async def _find(request: ApiRequest) -> Template:
    template_id = request.arguments["template_id"]
    template = await request.services.store.templates.get(template_id)
    if template is None or template.status is TemplateStatus.DELETED:
        raise NotFoundError("template", template_id)
    return template


async def _own(request: ApiRequest) -> Template:
    """A template of the user's own.

    Raises:
        NotFoundError: It is nobody's, or another user's and not listed.
        ForbiddenError: It is another user's.
    """
    template = await _find(request)
    if template.user_id != request.user.id:
        if template.status is TemplateStatus.LISTED:
            raise ForbiddenError("The template is not yours.")
        raise NotFoundError("template", template.id)
    return template


async def _bought(request: ApiRequest) -> Purchase:
    purchase_id = request.arguments["purchase_id"]
    found = await request.services.store.templates.purchase(purchase_id, request.user.id)
    if found is None:
        raise NotFoundError("purchase", purchase_id)
    return found


async def _view(request: ApiRequest, template: Template) -> dict[str, Json]:
    """A template with what the user has to do with it."""
    bought = await request.services.store.templates.purchase_of(template.id, request.user.id)
    return {
        **_serialize(template),
        "author": {"id": template.user_id or _HOUSE, "name": template.author or _HOUSE},
        "hasUserPurchased": bought is not None,
        "templatePurchasedId": bought.id if bought else None,
    }


def _serialize(template: Template) -> dict[str, Json]:
    text = template.text
    return {
        "id": template.id,
        "userId": template.user_id or _HOUSE,
        "projectId": template.project_id,
        "environmentId": template.environment_id,
        "name": text.name,
        "description": text.description,
        "overview": text.overview,
        "useCases": text.use_cases,
        "videoUrl": text.video_url,
        "imageUri": text.image_uri,
        "categories": [*text.categories],
        "amount": text.amount_cents / 100,
        "status": template.status,
        **{name: template.configurations.get(name, {}) for name in _CONFIGURATIONS},
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    }


async def _serialize_purchase(request: ApiRequest, bought: Purchase) -> dict[str, Json]:
    template = await request.services.store.templates.get(bought.template_id)
    return {
        "id": bought.id,
        "userId": bought.user_id,
        "projectTemplateId": bought.template_id,
        "purchasedAmount": bought.amount_cents / 100,
        "template": _serialize(template) if template else {},
        "createdAt": bought.created_at,
        "updatedAt": bought.created_at,
    }


def _page(member: str, rows: Sequence[Json], total: int, request: ApiRequest) -> Json:
    limit, offset = page_bounds(request)
    pagination = {"total": total, "limit": limit, "offset": offset, "count": len(rows)}
    return {member: rows, "pagination": pagination}


HANDLERS: Handlers = {
    "CreateProjectTemplate": create_template,
    "UpdateProjectTemplate": update_template,
    "UpdateProjectTemplateStatus": send_for_review,
    "DeleteProjectTemplate": delete_template,
    "GetProjectTemplate": get_template,
    "ListPublishedProjectTemplates": list_published,
    "ListMyProjectTemplates": list_own,
    "ListProjectTemplateCounts": count_templates,
    "ListProjectTemplateRejections": list_rejections,
    "BuyProjectTemplate": buy_template,
    "ListProjectTemplatePurchases": list_purchases,
    "DownloadProjectTemplate": download_template,
    "DeployProjectTemplateViaGithub": deploy_template,
}
