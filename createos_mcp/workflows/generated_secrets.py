"""Generated secrets: variables that an app's files ask their host to make up.

`generateValue` of Render, https://render.com/docs/blueprint-spec#environment-variables, and
`"generator": "secret"` of Heroku, https://devcenter.heroku.com/articles/app-json-schema#env.
"""

import json
import re
from collections.abc import Iterator, Mapping

from createos_mcp.contract.values import Json

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_MAX_BYTES = 32 * 1024
"""Of a file of another host; usual ones have some hundred."""

_TAKEN = ("PORT", "PATH", "HOME")
_ROOTS = (None, "", ".", "./")
_BUILT = ("python", "node", "go", "rust")
"""Runtimes of Render whose apps come from files."""


def find_generated(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The variables that the files of an app ask for, in the order in which they do.

    Args:
        files: By path, `{"render.yaml": b"services: ..."}`.
    """
    found = (*_of_render(_read(files, "render.yaml")), *_of_heroku(_read(files, "app.json")))
    return tuple(dict.fromkeys(name for name in found if _can_be_made_up(name)))


def _can_be_made_up(name: str) -> bool:
    """Whether it is a variable, and none that the platform or the system gives a meaning."""
    return bool(_NAME.fullmatch(name)) and name not in _TAKEN and not name.startswith("LD_")


def _of_render(content: Mapping[str, Json]) -> Iterator[str]:
    """Those of the first web service that is made of these files."""
    for service in filter(_is_here, _rows(content.get("services"))):
        for row in _rows(service.get("envVars")):
            if row.get("generateValue") == "true" and isinstance(row.get("key"), str):
                yield row["key"]
        return


def _is_here(service: Mapping[str, Json]) -> bool:
    runtime = service.get("runtime") or service.get("env")
    is_web = service.get("type") == "web" and service.get("rootDir") in _ROOTS
    return is_web and runtime in _BUILT


def _of_heroku(content: Mapping[str, Json]) -> Iterator[str]:
    variables = content.get("env")
    for name, told in variables.items() if isinstance(variables, dict) else ():
        if isinstance(told, dict) and told.get("generator") == "secret":
            yield name


def _read(files: Mapping[str, bytes], name: str) -> Mapping[str, Json]:
    """A file for another host; what it cannot be read as asks for nothing."""
    held = files.get(name, b"")
    if not held or len(held) > _MAX_BYTES:
        return {}
    try:
        text = held.decode("utf-8-sig")
        content = json.loads(text) if name.endswith(".json") else _parse_yaml(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse_yaml(text: str) -> Json:
    """Texts, lists and mappings alone, so that nothing grows."""
    # Importing it takes a sixth of the time to the first answer, and few apps have such a file.
    import yaml  # noqa: PLC0415

    try:
        return yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except yaml.YAMLError:
        return None


def _rows(value: Json) -> list[Mapping[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
