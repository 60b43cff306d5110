"""Processes: the commands that start an app, from a Procfile or from what other hosts read.

The formats: https://devcenter.heroku.com/articles/procfile, https://docs.railway.com/reference/config-as-code,
https://nixpacks.com/docs/configuration/file, https://render.com/docs/blueprint-spec.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import (
    can_be_passed_on,
    has_file,
    read_text,
    read_toml_manifest,
    section,
    word,
)
from createos_mcp.platform.errors import BuildFailedError

PROGRAMS: Mapping[str, str] = {
    **dict.fromkeys(("python", "python3", "gunicorn", "uvicorn", "hypercorn", "flask"), "python"),
    **dict.fromkeys(("streamlit", "celery", "uv"), "python"),
    **dict.fromkeys(("node", "npm", "npx", "yarn", "pnpm"), "node"),
    **dict.fromkeys(("bun", "bunx"), "bun"),
    "go": "golang",
    "cargo": "rust",
}
"""The language that a command speaks for, where no file does."""

_MAX_CHARACTERS = 64 * 1024
"""Of a file of another host; theirs have some hundred."""

_PROGRAM = re.compile(r"(?:\w+=\S+ )*(\S+)")
_BY_SCRIPT = re.compile(r"(?:npm|yarn|pnpm|bun)(?: run)? start")
"""What the package's own start script says more exactly."""

_BUILT = {"python", "node", "go", "rust"}
"""Runtimes of Render whose apps come from files; the rest are images and folders of pages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """Commands by process type, `{"web": "node web.js"}`, and where they stand."""

    place: str = ""
    """`Procfile`."""
    commands: Mapping[str, str] = field(default_factory=dict)

    @property
    def web(self) -> str | None:
        """What serves pages."""
        return self.commands.get("web")

    @property
    def worker(self) -> str | None:
        """What works without being asked."""
        return self.commands.get("worker")

    @property
    def release(self) -> str | None:
        """What runs once before a version takes over."""
        return self.commands.get("release")

    @property
    def language(self) -> str | None:
        """The one that the program of the first of them is written in, as far as it is known."""
        program = _PROGRAM.match(self.web or self.worker or "")
        return PROGRAMS.get(program[1]) if program else None


def read_processes(source: Path) -> Processes:
    """What the app's own Procfile says, else the first file of another host that says something."""
    procfile = _of_procfile(source / "Procfile")
    if procfile:
        return Processes(place="Procfile", commands=procfile)
    for name, read in _OTHER_HOSTS.items():
        told = read(source / name)
        commands = {kind: text for kind, text in told.items() if can_be_passed_on(text)}
        main = commands.get("web") or commands.get("worker")
        if main and _can_start(source, main):
            return Processes(place=name, commands=commands)
    return Processes()


def _can_start(source: Path, command: str) -> bool:
    """Whether a command is for this app and not for the machine of another host."""
    found = _PROGRAM.match(command)
    if found is None or _BY_SCRIPT.fullmatch(command):
        return False
    return found[1] in PROGRAMS or (found[1].startswith("./") and has_file(source, found[1]))


def _of_procfile(file: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in read_text(file).splitlines())
    return {
        name.strip(): command.strip()
        for name, _, command in lines
        if command.strip() and can_be_passed_on(command)
    }


def _of_railway(content: Mapping[str, Json]) -> dict[str, str]:
    deploy = section(content, "deploy")
    return _named(web=deploy.get("startCommand"), release=deploy.get("preDeployCommand"))


def _of_nixpacks(content: Mapping[str, Json]) -> dict[str, str]:
    return _named(web=section(content, "start").get("cmd"))


def _of_render(content: Mapping[str, Json]) -> dict[str, str]:
    listed = content.get("services")
    services = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for kind in ("web", "worker"):
        for service in services:
            runtime = service.get("runtime") or service.get("env")
            is_here = service.get("rootDir") in {None, ".", "./"}
            if service.get("type") == kind and runtime in _BUILT and is_here:
                command, before = service.get("startCommand"), service.get("preDeployCommand")
                return _named(**{kind: command, "release": before})
    return {}


def _named(**commands: Json) -> dict[str, str]:
    """Those that are texts; a list of them is one after the other."""
    joined = {
        name: " && ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in commands.items()
    }
    found = ((name, word(joined, name)) for name in joined)
    return {name: text for name, text in found if text is not None}


def _json(file: Path) -> Mapping[str, Json]:
    return _mapping(json.loads(read_text(file) or "{}"))


def _yaml(file: Path) -> Mapping[str, Json]:
    return _mapping(yaml.safe_load(read_text(file)[:_MAX_CHARACTERS]))


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _leniently(
    parse: Callable[[Path], Mapping[str, Json]],
    find: Callable[[Mapping[str, Json]], dict[str, str]],
) -> Callable[[Path], dict[str, str]]:
    """Reads a file that only another host needs: what it cannot read says nothing."""

    def read(file: Path) -> dict[str, str]:
        try:
            return find(parse(file))
        except (BuildFailedError, TypeError, ValueError, RecursionError, yaml.YAMLError):
            return {}

    return read


_OTHER_HOSTS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "railway.json": _leniently(_json, _of_railway),
    "railway.toml": _leniently(read_toml_manifest, _of_railway),
    "nixpacks.toml": _leniently(read_toml_manifest, _of_nixpacks),
    "render.yaml": _leniently(_yaml, _of_render),
}
