"""What a project's settings may say beyond their schema: what this platform can build and run."""

import re
from collections.abc import Iterator, Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.frameworks import DETECTED, DOCKERFILE, FRAMEWORKS, RUNTIMES
from createos_mcp.platform.errors import InvalidRequestError

VARIABLES = ("runEnvs", "buildVars", "buildFlags")

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_build_settings(settings: Mapping[str, Json]) -> None:
    """Let settings pass that an app can be built and run with.

    Raises:
        InvalidRequestError: The sentence names every setting that cannot be used, and what can.
    """
    problems = [*_of_choices(settings), *_of_variables(settings)]
    if problems:
        raise InvalidRequestError("; ".join(problems))


def _of_choices(settings: Mapping[str, Json]) -> Iterator[str]:
    runtime = settings.get("runtime") or DETECTED
    if runtime not in (DETECTED, DOCKERFILE) and runtime.partition(":")[0] not in RUNTIMES:
        known = ", ".join(name for names in RUNTIMES.values() for name in names)
        yield f"runtime: {runtime!r} is not known. Known: {known}"
    framework = settings.get("framework")
    if framework and framework not in FRAMEWORKS:
        yield f"framework: {framework!r} is not known. Known: {', '.join(FRAMEWORKS)}"


def _of_variables(settings: Mapping[str, Json]) -> Iterator[str]:
    for setting in VARIABLES:
        for name, value in (settings.get(setting) or {}).items():
            if not _VARIABLE_NAME.fullmatch(name):
                yield (
                    f"{setting}: {name!r} is not a valid variable name; "
                    "use letters, digits and _, and do not begin with a digit"
                )
            if "\0" in value:
                yield f"{setting}: the value of {name!r} contains a NUL character"
