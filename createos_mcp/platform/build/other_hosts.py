"""Other hosts: what files for them say of how an app starts, and which folder its pages are in.

The formats: https://docs.railway.com/reference/config-as-code,
https://nixpacks.com/docs/configuration/file, https://fly.io/docs/reference/configuration,
https://render.com/docs/blueprint-spec,
https://docs.netlify.com/build/configure-builds/file-based-configuration,
https://vercel.com/docs/project-configuration, https://firebase.google.com/docs/hosting/full-config,
https://developers.cloudflare.com/pages/functions/wrangler-configuration.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import yaml

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import (
    read_text,
    read_toml_manifest,
    section,
    word,
)
from createos_mcp.platform.errors import BuildFailedError

_MAX_CHARACTERS = 32 * 1024
"""Of a file of theirs; usual ones have some hundred."""

_BUILT = ("python", "node", "go", "rust")
"""Runtimes of Render whose apps come from files; the rest are images and folders of pages."""

_HERE = (None, "", ".", "./", "/")
"""How a file says that an app is at the top."""

_MAJORS = range(1000)
"""TOML has numbers, of any size."""

_VERSION = re.compile(r"[\w.^~<>=| *+/-]{1,40}")
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_FOLDER = re.compile(r"(?:\./|/)?([\w.-]+(?:/[\w.-]+)*)/?")


def read_start_commands(source: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The files that say how the app starts, and commands by the process types of a Procfile."""
    for name, find in _STARTS.items():
        commands = find(_read(source / name))
        if commands:
            yield name, commands


def read_version_pin(source: Path, variable: str) -> tuple[str, str] | None:
    """What a file for another host sets `NODE_VERSION` or `PYTHON_VERSION` to, and that file."""
    netlify = section(_read(source / "netlify.toml"), "build", "environment")
    rows = (
        row
        for site in _services(_read(source / "render.yaml"))
        for row in _rows(site.get("envVars"))
    )
    values = {
        "netlify.toml": netlify.get(variable),
        "render.yaml": next((row.get("value") for row in rows if row.get("key") == variable), None),
    }
    for name, value in values.items():
        wanted = str(value) if isinstance(value, int) and value in _MAJORS else value
        if isinstance(wanted, str) and _VERSION.fullmatch(wanted):
            return wanted, name
    return None


def published_folder(source: Path) -> str | None:
    """The folder of pages that the app's build leaves, as a file for another host says."""
    told = (find(_read(source / name)) for name, find in _FOLDERS.items())
    found = (_FOLDER.fullmatch(folder) for folder in told if isinstance(folder, str))
    folders = (folder[1] for folder in found if folder)
    return next((one for one in folders if ".." not in one.split("/") and one != "."), None)


def told_folders(source: Path) -> Iterator[str]:
    """The folders of apps below, as files for other hosts name them."""
    base = section(_read(source / "netlify.toml"), "build").get("base")
    sites = _of_type(_read(source / "render.yaml"), "web")
    for told in (base, *(site.get("rootDir") for site in sites)):
        folder = _FOLDER.fullmatch(told) if isinstance(told, str) else None
        if folder and not {".", ".."} & {*folder[1].split("/")}:
            yield folder[1]


def _read(file: Path) -> Mapping[str, Json]:
    """A file that only another host needs: what it cannot be read as says nothing."""
    try:
        if file.suffix == ".toml":
            return read_toml_manifest(file)
        text = read_text(file)
        if len(text) > _MAX_CHARACTERS:
            return {}
        content = _parse_yaml(text) if file.suffix == ".yaml" else json.loads(text or "{}")
    except (BuildFailedError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@lru_cache(maxsize=8)
def _parse_yaml(text: str) -> Json:
    """Texts, lists and mappings, of 3.10 a text, too; once for all who look at a file."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - it makes nothing else
    except (RecursionError, yaml.YAMLError):
        return None


def _of_railway(content: Mapping[str, Json]) -> dict[str, str]:
    deploy = section(content, "deploy")
    return _named(web=deploy.get("startCommand"), release=deploy.get("preDeployCommand"))


def _of_nixpacks(content: Mapping[str, Json]) -> dict[str, str]:
    return _named(web=section(content, "start").get("cmd"))


def _of_render(content: Mapping[str, Json]) -> dict[str, str]:
    service = next(_services(content), None)
    if service is None:
        return {}
    command, before = service.get("startCommand"), service.get("preDeployCommand")
    return _named(**{str(service["type"]): command, "release": before})


def _of_fly(content: Mapping[str, Json]) -> dict[str, str]:
    """What it starts is in an image of its own."""
    return _named(release=section(content, "deploy").get("release_command"))


def _services(content: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Those that are built from the files: of the web, or workers where there is nothing else."""
    if _of_type(content, "web"):
        yield from _of_kind(content, "web", _BUILT)
    else:
        yield from _of_kind(content, "worker", _BUILT)


def _of_kind(
    content: Mapping[str, Json], kind: str, runtimes: Sequence[str]
) -> Iterator[Mapping[str, Json]]:
    """The services of Render that are made of the files at the top."""
    for service in _of_type(content, kind):
        runtime = service.get("runtime") or service.get("env")
        if service.get("rootDir") in _HERE and runtime in runtimes:
            yield service


def _of_type(content: Mapping[str, Json], kind: str) -> list[Mapping[str, Json]]:
    return [one for one in _rows(content.get("services")) if one.get("type") == kind]


def _rows(value: Json) -> list[Mapping[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _named(**commands: Json) -> dict[str, str]:
    """Those that are texts; a list of them is one after the other."""
    joined = {
        name: " && ".join(value) if _are_texts(value) else value for name, value in commands.items()
    }
    found = ((name, word(joined, name)) for name in joined)
    return {name: text for name, text in found if text is not None}


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _folder_of_netlify(content: Mapping[str, Json]) -> Json:
    build = section(content, "build")
    return build.get("publish") if build.get("base") in _HERE else None


def _folder_of_render(content: Mapping[str, Json]) -> Json:
    sites = _of_kind(content, "web", ("static",))
    return next((site.get("staticPublishPath") for site in sites), None)


T = TypeVar("T")
_Table = Mapping[str, Callable[[Mapping[str, Json]], T]]

_STARTS: _Table[dict[str, str]] = {
    "railway.json": _of_railway,
    "railway.toml": _of_railway,
    "nixpacks.toml": _of_nixpacks,
    "render.yaml": _of_render,
    "fly.toml": _of_fly,
}
_FOLDERS: _Table[Json] = {
    "netlify.toml": _folder_of_netlify,
    "vercel.json": lambda content: content.get("outputDirectory"),
    "render.yaml": _folder_of_render,
    "firebase.json": lambda content: section(content, "hosting").get("public"),
    "wrangler.toml": lambda content: content.get("pages_build_output_dir"),
}
