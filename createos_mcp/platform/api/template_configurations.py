"""What a template says of projects that are made of it: settings as CreateProject takes them."""

import functools
from collections.abc import Mapping

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.validation import Validation
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.build_settings import check_build_settings
from createos_mcp.platform.errors import InvalidRequestError

_PLACE = "settings"


def check_configuration(configuration: Mapping[str, Json]) -> None:
    """Let a configuration pass that a project can be made with.

    Raises:
        InvalidRequestError: The sentence names every setting that cannot be used.
    """
    project = {
        "uniqueName": "template",
        "displayName": "template",
        "type": "upload",
        "source": {},
        _PLACE: {"useBuildAI": True, **configuration},
    }
    problems = Validation().check(_create_project(), project, facts={})
    told = [
        f"projectConfiguration{problem.path.removeprefix(_PLACE)}: {problem.message}"
        for problem in problems
        if problem.path.startswith(_PLACE)
    ]
    if told:
        raise InvalidRequestError("; ".join(told))
    check_build_settings(configuration)


@functools.cache
def _create_project() -> Operation:
    return load_catalog().operations["CreateProject"]
