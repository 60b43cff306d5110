"""Forms that are more than one operation: files of a project, single variables, confirmations."""

import json
from collections.abc import Mapping

from anyio import to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.env_text import EnvTextError, read_env_text
from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import ForbiddenError, InvalidRequestError
from createos_mcp.platform.pages.drop_rules import translate_rules
from createos_mcp.platform.pages.environment_pages import read_environment
from createos_mcp.platform.pages.visits import PageRoute, Visit, go_to


async def deploy_new(visit: Visit) -> ASGIApp:
    """Make a project of a name and a zip, and show its first deployment."""
    form = await visit.form()
    packed = await _zip_of(form)
    name = str(form.get("name", "")).strip()
    project = await visit.perform(
        "CreateProject",
        uniqueName=name,
        displayName=name,
        type="upload",
        source={},
        settings={"useBuildAI": True},
    )
    return await _deploy(visit, project["id"], packed)


async def deploy_again(visit: Visit) -> ASGIApp:
    """Deploy a zip to a project that is there."""
    return await _deploy(visit, visit.place["project_id"], await _zip_of(await visit.form()))


async def _deploy(visit: Visit, project_id: str, packed: bytes) -> ASGIApp:
    made = await visit.perform("UploadDeploymentZip", project_id=project_id, file=packed)
    return go_to(f"/projects/{project_id}/deployments/{made['id']}")


async def _zip_of(form: FormData) -> bytes:
    part = form.get("file")
    if not isinstance(part, UploadFile) or not part.size:
        raise InvalidRequestError("file: choose a folder or a zip of one.")
    return await part.read()


async def tell_ignored(visit: Visit) -> ASGIApp:
    """The rule files of a folder as patterns, before its files are packed in the browser."""
    form = await visit.form()
    given = form.get("rules")
    try:
        rules: Json = json.loads(await given.read() if isinstance(given, UploadFile) else "")
        texts = {place: text.encode() for place, text in rules.items()}
    except (ValueError, AttributeError) as error:
        raise InvalidRequestError("rules: expected the text of each rule file by place.") from error
    return JSONResponse(await to_thread.run_sync(translate_rules, texts))


async def change_variables(visit: Visit) -> ASGIApp:
    """Set, unset or paste single variables; the others stay, and no value is shown."""
    form = await visit.form()
    environment = await read_environment(visit)
    before: Mapping[str, str] = environment["settings"].get("runEnvs") or {}
    removed = {str(name) for name in form.getlist("unset")}
    wanted = {name: value for name, value in before.items() if name not in removed}
    wanted |= _read_variables(form)
    await visit.perform(
        "UpdateProjectEnvironmentEnvironmentVariables", **visit.place, runEnvs=wanted
    )
    if form.get("restart") and environment["projectDeploymentId"]:
        await visit.perform("RestartEnvironment", **visit.place)
    place = visit.place
    return go_to(f"/projects/{place['project_id']}/environments/{place['environment_id']}")


def _read_variables(form: FormData) -> dict[str, str]:
    """The variable of the form's own fields, and those that were pasted as a .env file."""
    read: dict[str, str] = {}
    name = str(form.get("name", "")).strip()
    if name:
        read[name] = str(form.get("value", ""))
    try:
        return read | read_env_text(str(form.get("pasted", "")))
    except EnvTextError as error:
        raise InvalidRequestError(f"pasted: {error}.") from error


async def show_confirmation(visit: Visit) -> ASGIApp:
    """What an agent asked for, by the code that it was told."""
    return _show_pending(visit, str(visit.request.query_params.get("code", "")))


async def confirm_call(visit: Visit) -> ASGIApp:
    """Let the agent's call pass once."""
    form = await visit.form()
    code = str(form.get("code", ""))
    codes = _codes(visit)
    pending = codes.find(code)
    if pending is None:
        return _show_pending(visit, code)
    if pending.typed and str(form.get("typed", "")).strip() != pending.typed:
        raise InvalidRequestError(f"Type {pending.typed!r} to confirm; nothing was allowed.")
    return visit.show("confirm.html", code="", pending=None, done=codes.allow(code), unknown=False)


def _show_pending(visit: Visit, code: str) -> ASGIApp:
    codes = _codes(visit)
    pending: Json = codes.find(code) if code else None
    unknown = bool(code) and pending is None
    return visit.show("confirm.html", code=code, pending=pending, done=False, unknown=unknown)


def _codes(visit: Visit) -> ConfirmationCodes:
    if not visit.is_owner:
        raise ForbiddenError("Only the owner of the machine can confirm calls here.")
    return ConfirmationCodes(visit.performer.services.config.data_dir.root / "confirmations")


PAGES: tuple[PageRoute, ...] = (
    PageRoute("/confirm", show_confirmation),
    PageRoute("/ignore-rules", tell_ignored, "POST"),
    PageRoute("/new", deploy_new, "POST"),
    PageRoute("/projects/{project_id}/deploy", deploy_again, "POST"),
    PageRoute(
        "/projects/{project_id}/environments/{environment_id}/variables", change_variables, "POST"
    ),
    PageRoute("/confirm", confirm_call, "POST"),
)
