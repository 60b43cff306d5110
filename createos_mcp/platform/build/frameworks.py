"""What the platform knows of runtimes and frameworks, as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.contract.values import Json

RUNTIMES: Mapping[str, tuple[str, ...]] = {
    "node": ("node:18", "node:20", "node:22"),
    "python": ("python:3.11", "python:3.12"),
    "golang": ("golang:1.22", "golang:1.25"),
    "rust": ("rust:1.75",),
    "bun": ("bun:1.1", "bun:1.3"),
    "static": ("static",),
}
"""Runtimes by language. Others of the same form, such as `python:3.13`, are tried as well."""

DETECTED, DOCKERFILE = "build-ai", "dockerfile"
"""Runtimes that leave the choice to the files of the app."""

DEFAULT_RUNTIMES: Mapping[str, str] = {
    "node": "node:20",
    "golang": "golang:1.25",
    "rust": "rust:1.75",
    "bun": "bun:1.3",
    "static": "static",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Framework:
    """How apps of one framework are usually built and run; None leaves it to detection."""

    family: str
    build: str | None = None
    run: str | None = None
    output_dir: str | None = None
    """Folder of finished pages, for frameworks that need no server of their own."""
    single_page: bool = False
    """Whether the page answers at every path, so that its script can route."""


FRAMEWORKS: Mapping[str, Framework] = {
    "nextjs": Framework(family="node", build="npm run build", run="npx next start -p $PORT"),
    "reactjs-spa": Framework(
        family="node", build="npm run build", output_dir="dist", single_page=True
    ),
    "reactjs-ssr": Framework(family="node", build="npm run build", run="npm start"),
    "vuejs-spa": Framework(
        family="node", build="npm run build", output_dir="dist", single_page=True
    ),
    "vuejs-ssr": Framework(family="node", build="npm run build", run="npm start"),
    "nuxtjs": Framework(family="node", build="npm run build", run="node .output/server/index.mjs"),
    "vite-spa": Framework(
        family="node", build="npm run build", output_dir="dist", single_page=True
    ),
    "vanilla-js": Framework(family="static"),
    "astro": Framework(family="node", build="npm run build", output_dir="dist"),
    "remix": Framework(family="node", build="npm run build", run="npm start"),
    "express": Framework(family="node"),
    "fastapi": Framework(
        family="python", run="python -m uvicorn {module}:app --host 0.0.0.0 --port $PORT"
    ),
    "flask": Framework(
        family="python", run="python -m flask --app {module} run --host 0.0.0.0 --port $PORT"
    ),
    "django": Framework(family="python", run="python manage.py runserver --noreload 0.0.0.0:$PORT"),
    "gin": Framework(family="golang"),
    "fiber": Framework(family="golang"),
    "actix": Framework(family="rust"),
}

SETTINGS_EDITABLE = ("installCommand", "buildCommand", "runCommand", "buildDir", "port")


def _editables(framework: Framework | None) -> Mapping[str, Json]:
    defaults = {
        "buildCommand": framework.build if framework else None,
        "runCommand": framework.run if framework else None,
        "buildDir": framework.output_dir if framework else None,
    }
    return {
        name: {"type": "string", "default": defaults.get(name), "required": False}
        for name in SETTINGS_EDITABLE
    }


SUPPORTED: list[Mapping[str, Json]] = [
    *(
        {"type": "runtime", "name": name, "runtimes": [name], "editables": _editables(None)}
        for names in RUNTIMES.values()
        for name in names
    ),
    *(
        {
            "type": "framework",
            "name": name,
            "runtimes": list(RUNTIMES[framework.family]),
            "editables": _editables(framework),
        }
        for name, framework in FRAMEWORKS.items()
    ),
]
"""What GetSupportedProjectTypes answers."""
