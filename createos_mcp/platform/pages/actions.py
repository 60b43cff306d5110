"""What the buttons of the pages do: a table of operations, and one way to perform each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData
from starlette.types import ASGIApp

from createos_mcp.contract.values import Json, Schema
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.pages.visits import Page, PageRoute, Visit, go_to, read_number

_PROJECT = "/projects/{project_id}"
_DEPLOYMENT = f"{_PROJECT}/deployments/{{deployment_id}}"
_ENVIRONMENT = f"{_PROJECT}/environments/{{environment_id}}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One form: where it is sent, what it does, and what is shown then."""

    path: str
    operation: str
    lands: str
    """Address of the next page; may name what the path names, and `id` of the answer."""
    fields: tuple[str, ...] = ()
    """Arguments that the form has."""
    fixed: Mapping[str, Json] = field(default_factory=dict)
    typed: str = ""
    """What of the thing has to be typed first: a member of what `shows` answers."""
    shows: str = ""
    """Operation that shows the thing, where something has to be typed."""
    loses: str = ""
    """What goes with it, in a sentence."""


ACTIONS = (
    Action(
        path=f"{_DEPLOYMENT}/redeploy",
        operation="RetriggerDeployment",
        lands=f"{_PROJECT}/deployments/{{id}}",
    ),
    Action(path=f"{_DEPLOYMENT}/cancel", operation="CancelDeployment", lands=_DEPLOYMENT),
    Action(path=f"{_DEPLOYMENT}/wake", operation="WakeupDeployment", lands=_DEPLOYMENT),
    Action(path=f"{_DEPLOYMENT}/sleep", operation="SleepDeployment", lands=_DEPLOYMENT),
    Action(path=f"{_DEPLOYMENT}/scan", operation="TriggerSecurityScan", lands=_DEPLOYMENT),
    Action(
        path=f"{_DEPLOYMENT}/delete",
        operation="DeleteDeployment",
        lands=_PROJECT,
        typed="versionNumber",
        shows="GetDeployment",
        loses="Its files and its address are deleted; an environment that it serves is left empty.",
    ),
    Action(
        path=f"{_ENVIRONMENT}/assign",
        operation="AssignDeploymentToProjectEnvironment",
        lands=_ENVIRONMENT,
        fields=("deploymentId",),
    ),
    Action(
        path=f"{_ENVIRONMENT}/resources",
        operation="UpdateProjectEnvironmentResources",
        lands=_ENVIRONMENT,
        fields=("cpu", "memory", "replicas"),
    ),
    Action(path=f"{_ENVIRONMENT}/restart", operation="RestartEnvironment", lands=_ENVIRONMENT),
    Action(path=f"{_ENVIRONMENT}/stop", operation="StopEnvironment", lands=_ENVIRONMENT),
    Action(
        path=f"{_ENVIRONMENT}/delete",
        operation="DeleteProjectEnvironment",
        lands=_PROJECT,
        typed="uniqueName",
        shows="ListProjectEnvironments",
        loses="Its address, variables, volumes and cron jobs are deleted.",
    ),
    Action(
        path=f"{_PROJECT}/delete",
        operation="DeleteProject",
        lands="/",
        typed="uniqueName",
        shows="GetProject",
        loses="All its environments, deployments, domains and cron jobs are deleted.",
    ),
    Action(
        path=f"{_PROJECT}/domains",
        operation="CreateDomain",
        lands=f"{_PROJECT}/domains",
        fields=("name", "environmentId"),
    ),
    Action(
        path=f"{_PROJECT}/domains/{{domain_id}}/refresh",
        operation="RefreshDomain",
        lands=f"{_PROJECT}/domains",
    ),
    Action(
        path=f"{_PROJECT}/domains/{{domain_id}}/assign",
        operation="UpdateDomainEnvironment",
        lands=f"{_PROJECT}/domains",
        fields=("environmentId",),
    ),
    Action(
        path=f"{_PROJECT}/domains/{{domain_id}}/delete",
        operation="DeleteDomain",
        lands=f"{_PROJECT}/domains",
        typed="name",
        shows="ListDomains",
        loses="The name leads nowhere from then on.",
    ),
    Action(path=f"{_PROJECT}/cronjobs/{{cronjob_id}}/run", operation="RunCronjob", lands="/cron"),
    Action(
        path=f"{_PROJECT}/cronjobs/{{cronjob_id}}/suspend",
        operation="SuspendCronjob",
        lands="/cron",
    ),
    Action(
        path=f"{_PROJECT}/cronjobs/{{cronjob_id}}/resume",
        operation="UnsuspendCronjob",
        lands="/cron",
    ),
    Action(
        path="/account/keys/{api_key_id}/revoke",
        operation="RevokeAPIKey",
        lands="/account",
        typed="name",
        shows="ListAPIKeys",
        loses="Whatever uses the key stops working, and sessions that it began end.",
    ),
    Action(
        path="/services",
        operation="CreateService",
        lands="/services",
        fields=("name", "kind"),
    ),
    Action(
        path="/services/{service_id}/bind",
        operation="BindService",
        lands="/services",
        fields=("projectId",),
    ),
    Action(path="/services/{service_id}/back-up", operation="BackUpService", lands="/services"),
    Action(path="/services/{service_id}/restart", operation="RestartService", lands="/services"),
    Action(
        path="/services/{service_id}/delete",
        operation="DeleteService",
        lands="/services",
        typed="name",
        shows="GetService",
        loses="Its data and all its backups are deleted.",
    ),
    Action(
        path="/templates/{template_id}/buy",
        operation="BuyProjectTemplate",
        lands="/templates",
    ),
    Action(
        path="/templates/purchases/{purchase_id}/deploy",
        operation="DeployProjectTemplateViaGithub",
        lands="/",
        fixed={"installationId": int(LOCAL_INSTALLATION)},
    ),
)


def _perform_action(action: Action) -> Page:
    """The page that an action's form is sent to."""

    async def act(visit: Visit) -> ASGIApp:
        form = await visit.form()
        if action.typed:
            wanted = await _name_of(visit, action)
            if str(form.get("typed", "")).strip() != wanted:
                raise InvalidRequestError(f"Type {wanted!r} to confirm; nothing was changed.")
        schema = visit.performer.catalog.operations[action.operation].input_schema
        given = _read_fields(form, action.fields, schema["properties"])
        data = await visit.perform(action.operation, **visit.place, **given, **action.fixed)
        answer = data if isinstance(data, dict) else {}
        return go_to(action.lands.format(**visit.place, id=answer.get("id", "")))

    return act


def _ask_first(action: Action) -> Page:
    """The page that says what an action takes away, and what has to be typed."""

    async def ask(visit: Visit) -> ASGIApp:
        operation = visit.performer.catalog.operations[action.operation]
        return visit.show(
            "confirm_action.html",
            title=operation.title,
            loses=action.loses,
            typed=await _name_of(visit, action),
            back=action.lands.format(**visit.place),
        )

    return ask


async def _name_of(visit: Visit, action: Action) -> str:
    """What has to be typed: the thing's own name."""
    operation = visit.performer.catalog.operations[action.shows]
    accepted = operation.input_schema["properties"]
    found = await visit.perform(
        action.shows, **{name: value for name, value in visit.place.items() if name in accepted}
    )
    if isinstance(found, list):
        ids = set(visit.place.values())
        found = next((one for one in found if one["id"] in ids), {})
    return str(found.get(action.typed, ""))


def _read_fields(
    form: FormData, names: tuple[str, ...], properties: Mapping[str, Schema]
) -> dict[str, Json]:
    """A form's fields as the types of the operation's arguments; empty ones are left out."""
    read: dict[str, Json] = {}
    for name in names:
        text = str(form.get(name, "")).strip()
        if not text:
            continue
        number = read_number(text) if properties[name].get("type") == "integer" else None
        read[name] = text if number is None else number
    return read


PAGES: tuple[PageRoute, ...] = (
    *(PageRoute(action.path, _perform_action(action), "POST") for action in ACTIONS),
    *(PageRoute(action.path, _ask_first(action)) for action in ACTIONS if action.typed),
)
