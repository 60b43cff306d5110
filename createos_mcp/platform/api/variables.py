"""Variables that are replaced as a whole, and put back when that was a mistake."""

from collections.abc import Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.build.build_settings import VARIABLES
from createos_mcp.platform.errors import WrongStateError
from createos_mcp.platform.models import Environment, Project
from createos_mcp.platform.store.replaced_variables import KEPT_DAYS


async def keep_replaced(
    request: ApiRequest,
    project: Project,
    environment: Environment | None,
    given: Mapping[str, Json],
) -> bool:
    """Keep the variables that new settings take the place of.

    Args:
        request: The call that replaces them.
        project: Whose settings are changed.
        environment: The one whose settings are changed, or None for the project's own.
        given: The new settings.

    Returns:
        Whether any were kept.
    """
    held = environment.settings if environment is not None else project.settings
    replaced = {
        name: held[name]
        for name in VARIABLES
        if name in given and held.get(name) and held[name] != given[name]
    }
    if replaced:
        environment_id = environment.id if environment is not None else None
        await request.services.store.replaced_variables.keep(project.id, environment_id, replaced)
    return bool(replaced)


def restoring(environment: Environment | None) -> str:
    """How what was replaced is put back."""
    where = f' with "environmentId": "{environment.id}"' if environment is not None else ""
    return f"The former ones are kept for {KEPT_DAYS} days: RestoreVariables{where} puts them back."


async def restore_variables(request: ApiRequest) -> Json:
    """Put back the variables that were replaced last; those of now are kept in their place."""
    project = await request.active_project()
    environment = None
    if "environmentId" in request.arguments:
        environment = await request.environment_of(project, request.arguments["environmentId"])
    store = request.services.store
    environment_id = environment.id if environment is not None else None
    replaced = await store.replaced_variables.last(project.id, environment_id)
    if replaced is None:
        raise WrongStateError(
            f"No variables were replaced here in the last {KEPT_DAYS} days. "
            "Those of an environment are kept apart from the project's own: see environmentId."
        )
    await keep_replaced(request, project, environment, replaced)
    if environment is not None:
        await store.environments.set_settings(environment.id, {**environment.settings, **replaced})
    else:
        await store.projects.set_settings(project.id, {**project.settings, **replaced})
    names = ", ".join(sorted(name for members in replaced.values() for name in members))
    return (
        f"Restored: {names}. They take effect with the next deployment or restart. "
        "The variables before that are kept: restoring once more brings them back."
    )


HANDLERS: Handlers = {"RestoreVariables": restore_variables}
