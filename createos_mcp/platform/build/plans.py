"""Plans: how an app is built and run, as its files and settings say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.retries import Retry


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an app is built and run."""

    runtime: str
    """`node:20`."""
    stand_ins: tuple[str, ...] = ()
    """Runtimes that do as well where that one cannot be had, the nearest first."""
    tools: tuple[str, ...] = ()
    """Package managers that its commands call, `pnpm:10`."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables of the build and the app."""
    install: str | None = None
    reinstall: str | None = None
    """In its place where the dependencies were taken over from the build before."""
    retry: Retry | None = None
    completion: str | None = None
    """For the shell, after all that installs: what the files need and do not name."""
    dependencies: Carryover | None = None
    """What the install command leaves."""
    caches: Carryover | None = None
    """What the build command leaves for the next time."""
    preparation: str | None = None
    """For the shell, before the build command."""
    build: str | None = None
    run: str | None = None
    output_dir: str | None = None
    """Folder of pages to serve, where there is no command to run."""
    single_page: bool = False
    """Whether its one page answers at every path, so that a script there can route."""
    worker: bool = False
    """Whether it works without being asked: it opens no port and has no address."""
    release: str | None = None
    """What runs once before a version takes over, such as a migration of its database."""
    reason: str = ""
    """What told so: a file, a setting, a framework."""
    notes: tuple[str, ...] = ()
    """What the files ask for and do not get."""


def names_pip(plan: Plan) -> bool:
    """Whether the commands of a Python app call pip itself, and not uv's."""
    commands = f"{plan.install} {plan.build}"
    return re.search(r"\bpip3?\b", commands.replace("uv pip", "")) is not None


def shell_words(command: str) -> tuple[str, ...]:
    """A command for the shell, which makes way for one that is a single program."""
    is_simple = not re.search(r"[;&|<>()`\n]|^\s*\w+=", command)
    return ("/bin/sh", "-c", f"exec {command}" if is_simple else command)
