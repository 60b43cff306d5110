"""Process types: the commands that start an app, from its Procfile or from files for other hosts.

The format: https://devcenter.heroku.com/articles/procfile.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from createos_mcp.platform.build.manifests import can_be_passed_on, has_file, read_text
from createos_mcp.platform.build.other_hosts import read_start_commands

PROCFILE = "Procfile"

PROGRAMS: Mapping[str, str] = {
    **dict.fromkeys(("python", "python3", "gunicorn", "uvicorn", "hypercorn", "flask"), "python"),
    **dict.fromkeys(("streamlit", "celery", "uv", "daphne", "granian", "fastapi"), "python"),
    **dict.fromkeys(("node", "npm", "npx", "yarn", "pnpm", "tsx", "next", "nest"), "node"),
    **dict.fromkeys(("remix-serve", "react-router-serve"), "node"),
    **dict.fromkeys(("bun", "bunx"), "bun"),
    "go": "golang",
    "cargo": "rust",
}
"""The language that a command speaks for, where no file does."""

_PROGRAM = re.compile(r"(?:\w+=\S+ )*(\S+)")
_BY_SCRIPT = re.compile(
    r"(?:npm|yarn|pnpm|bun)(?: run)? (?:start|dev|preview|serve|ci|i|install)(?![\w:-])"
    r"|(?:npx (?:-y |--yes )?)?(?:serve|http-server|vite)\b"
)
"""What the package's own scripts and its framework say more exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessTypes:
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
    def main(self) -> str:
        """What the app is, of the two; empty where nothing says it."""
        return self.web or self.worker or ""

    @property
    def release(self) -> str | None:
        """What runs once before a version takes over."""
        return self.commands.get("release")

    @property
    def is_own(self) -> bool:
        """Whether the app says it of itself, and not for a machine of another host."""
        return self.place == PROCFILE

    @property
    def language(self) -> str | None:
        """The one that the main program is written in, as far as it is known."""
        program = _PROGRAM.match(self.main)
        return PROGRAMS.get(program[1]) if program else None


def read_process_types(source: Path) -> ProcessTypes:
    """What the app's own Procfile says, else the first file of another host that says something."""
    procfile = _of_procfile(source / PROCFILE)
    if procfile:
        return ProcessTypes(place=PROCFILE, commands=procfile)
    for place, commands in read_start_commands(source):
        told = ProcessTypes(place=place, commands=commands)
        if _can_start(source, told.main):
            return told
        if told.release and _can_start(source, told.release):
            return ProcessTypes(place=place, commands={"release": told.release})
    return ProcessTypes()


def _can_start(source: Path, command: str) -> bool:
    """Whether a command is for this app and not for the machine of another host."""
    found = _PROGRAM.match(command)
    if found is None or _BY_SCRIPT.match(command):
        return False
    return found[1] in PROGRAMS or (found[1].startswith("./") and has_file(source, found[1]))


def _of_procfile(file: Path) -> dict[str, str]:
    lines = (line.partition(":") for line in read_text(file).splitlines())
    return {
        name.strip(): command.strip()
        for name, _, command in lines
        if command.strip() and can_be_passed_on(command)
    }
