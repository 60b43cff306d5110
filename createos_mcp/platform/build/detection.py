"""Reads from an app's files how it is built and run, where its settings do not say so."""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.frameworks import DEFAULT_RUNTIMES, DETECTED, FRAMEWORKS
from createos_mcp.platform.errors import BuildFailedError

MARKERS: Mapping[str, str] = {
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package.json": "node",
    "requirements.txt": "python",
    "pyproject.toml": "python",
    "manage.py": "python",
    "go.mod": "golang",
    "Cargo.toml": "rust",
    "index.js": "node",
    "server.js": "node",
    "app.js": "node",
    "main.py": "python",
    "app.py": "python",
    "index.html": "static",
    "public/index.html": "static",
}
"""The language that a file speaks for; the first that is there decides."""

NODE_MAINS = ("index.js", "server.js", "app.js", "index.mjs", "server.mjs", "src/index.js")
PYTHON_MAINS = ("main.py", "app.py", "server.py", "src/main.py")
STATIC_ROOTS = (".", "public", "dist", "build")

NODE_DEPENDENCIES: Mapping[str, str] = {
    "next": "nextjs",
    "nuxt": "nuxtjs",
    "astro": "astro",
    "@remix-run/node": "remix",
    "express": "express",
    "react": "reactjs-spa",
    "vue": "vuejs-spa",
}
"""The framework that a dependency speaks for; the first that is there decides."""

PYTHON_FRAMEWORKS: Mapping[str, str] = {
    "FastAPI(": "fastapi",
    "Flask(": "flask",
}
"""The framework that a line of the main file speaks for."""

LOCK_INSTALLS: Mapping[str, str] = {
    "package-lock.json": "npm ci",
    "pnpm-lock.yaml": "npx --yes pnpm@9 install --frozen-lockfile",
    "yarn.lock": "npx --yes yarn@1 install --frozen-lockfile",
}

_PLAIN_START = re.compile(r"(node|bun) [\w./-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an app is built and run."""

    runtime: str
    """`node:20`."""
    install: str | None = None
    build: str | None = None
    run: str | None = None
    output_dir: str | None = None
    """Folder of pages to serve, where there is no command to run."""
    reason: str = ""
    """What told so: a file, a setting, a framework."""


def make_plan(source: Path, settings: Mapping[str, Json]) -> Plan:
    """Settings first, then the framework's usual way, then what the files say.

    Raises:
        BuildFailedError: There is nothing that tells how to run the app.
    """
    framework = settings.get("framework")
    family, marker = _runtime_family(source, settings)
    found = _SUGGESTIONS[family](source, framework)
    runtime = settings.get("runtime")
    plan = replace(
        found,
        runtime=runtime if runtime and runtime != DETECTED else found.runtime,
        install=settings.get("installCommand") or found.install,
        build=settings.get("buildCommand") or found.build,
        run=settings.get("runCommand") or found.run,
        output_dir=settings.get("buildDir") or found.output_dir,
        reason=" and ".join(dict.fromkeys(filter(None, (marker, found.reason)))),
    )
    if plan.run and not settings.get("runCommand") and found.output_dir:
        plan = replace(plan, run=None)
    if plan.run is None and plan.output_dir is None:
        looked = ", ".join(_LOOKED_FOR.get(family, ()))
        raise BuildFailedError(
            ReasonCode.NO_START_COMMAND,
            f"No start command was found: set runCommand, or add one of {looked}.",
        )
    return _with_flags(plan, settings)


_LOOKED_FOR: Mapping[str, tuple[str, ...]] = {
    "node": ("a start script in package.json", *NODE_MAINS),
    "bun": ("a start script in package.json", *NODE_MAINS),
    "python": PYTHON_MAINS,
    "rust": ("a package with a name in Cargo.toml",),
    "static": tuple(f"{root}/index.html" for root in STATIC_ROOTS),
}


def _runtime_family(source: Path, settings: Mapping[str, Json]) -> tuple[str, str]:
    """The language, and what it was told by."""
    runtime = settings.get("runtime")
    if runtime and runtime != DETECTED:
        return runtime.partition(":")[0], f"runtime {runtime}"
    if settings.get("framework"):
        return FRAMEWORKS[settings["framework"]].family, f"framework {settings['framework']}"
    for marker, family in MARKERS.items():
        if (source / marker).is_file():
            return family, marker
    looked = ", ".join(MARKERS)
    reason = f"No app was found. Looked for {looked}. Add one of them, or set runtime."
    raise BuildFailedError(ReasonCode.NO_APP_FOUND, reason)


def _with_flags(plan: Plan, settings: Mapping[str, Json]) -> Plan:
    build, run = settings.get("buildFlag"), settings.get("runFlag")
    return replace(
        plan,
        build=f"{plan.build} {build}" if plan.build and build else plan.build,
        run=f"{plan.run} {run}" if plan.run and run else plan.run,
    )


def _suggest_node(source: Path, framework: str | None) -> Plan:
    package = _read_package(source / "package.json")
    dependencies = _section(package, "dependencies") | _section(package, "devDependencies")
    found = (name for name in NODE_DEPENDENCIES if name in dependencies)
    framework = framework or NODE_DEPENDENCIES.get(next(found, ""))
    preset = FRAMEWORKS.get(framework or "")
    scripts = _section(package, "scripts")
    start = _detect_start(source, package)
    pages = preset.output_dir if preset else None
    if pages and "react-scripts" in dependencies:
        pages = "build"
    return Plan(
        runtime=DEFAULT_RUNTIMES["node"],
        install=_node_install(source, dependencies),
        build="npm run build" if "build" in scripts else None,
        run=preset.run if preset and preset.run else start,
        output_dir=pages if "build" in scripts else None,
        reason=framework or "",
    )


def _detect_start(source: Path, package: Mapping[str, Json]) -> str | None:
    """The start script; one that only names a program is run without npm around it."""
    scripts = _section(package, "scripts")
    start = scripts.get("start")
    if isinstance(start, str) and start.strip():
        plain = _PLAIN_START.fullmatch(start.strip()) and "prestart" not in scripts
        return start.strip() if plain else "npm start"
    mains = (package.get("main"), *NODE_MAINS)
    named = (name for name in mains if isinstance(name, str) and name)
    main = next((name for name in named if (source / name).is_file()), None)
    return f"node {main}" if main else None


def _node_install(source: Path, dependencies: Mapping[str, Json]) -> str | None:
    for lock, command in LOCK_INSTALLS.items():
        if (source / lock).is_file() and dependencies:
            return command
    return "npm install" if dependencies else None


def _suggest_bun(source: Path, framework: str | None) -> Plan:
    plan = _suggest_node(source, framework)
    return replace(
        plan,
        runtime=DEFAULT_RUNTIMES["bun"],
        install="bun install" if plan.install else None,
        build=plan.build and "bun run build",
        run=plan.run and re.sub(r"^(node|npm start)\b", _to_bun, plan.run),
    )


def _to_bun(found: re.Match[str]) -> str:
    return "bun run start" if found[0] == "npm start" else "bun"


def _suggest_python(source: Path, framework: str | None) -> Plan:
    main = next((name for name in PYTHON_MAINS if (source / name).is_file()), None)
    framework = framework or _python_framework(source, main)
    run = FRAMEWORKS[framework].run if framework else f"python {main}" if main else None
    module = main.removesuffix(".py").replace("/", ".") if main else "main"
    return Plan(
        runtime=f"python:{sys.version_info.major}.{sys.version_info.minor}",
        install=_python_install(source),
        run=_procfile(source) or (run and run.format(module=module)),
        reason=framework or main or "",
    )


def _python_framework(source: Path, main: str | None) -> str | None:
    if (source / "manage.py").is_file():
        return "django"
    text = (source / main).read_text(errors="replace") if main else ""
    return next((name for mark, name in PYTHON_FRAMEWORKS.items() if mark in text), None)


def _python_install(source: Path) -> str | None:
    requirements = source / "requirements.txt"
    if requirements.is_file():
        lines = requirements.read_text(errors="replace").splitlines()
        needed = any(line.strip() and not line.lstrip().startswith("#") for line in lines)
        return "uv pip install -r requirements.txt" if needed else None
    return "uv pip install ." if (source / "pyproject.toml").is_file() else None


def _procfile(source: Path) -> str | None:
    procfile = source / "Procfile"
    lines = procfile.read_text(errors="replace").splitlines() if procfile.is_file() else ()
    web = (line.partition(":")[2].strip() for line in lines if line.startswith("web:"))
    return next(web, None)


def _suggest_go(_source: Path, framework: str | None) -> Plan:
    return Plan(
        runtime=DEFAULT_RUNTIMES["golang"],
        build="go build -o ./app .",
        run="./app",
        reason=framework or "",
    )


def _suggest_rust(source: Path, framework: str | None) -> Plan:
    cargo = _read_toml(source / "Cargo.toml")
    name = _section(cargo, "package").get("name")
    return Plan(
        runtime=DEFAULT_RUNTIMES["rust"],
        build="cargo build --release",
        run=f"./target/release/{name}" if name else None,
        reason=framework or "",
    )


def _suggest_static(source: Path, _framework: str | None) -> Plan:
    roots = (root for root in STATIC_ROOTS if (source / root / "index.html").is_file())
    return Plan(runtime=DEFAULT_RUNTIMES["static"], output_dir=next(roots, None))


_SUGGESTIONS: Mapping[str, Callable[[Path, str | None], Plan]] = {
    "node": _suggest_node,
    "bun": _suggest_bun,
    "python": _suggest_python,
    "golang": _suggest_go,
    "rust": _suggest_rust,
    "static": _suggest_static,
}


def _read_package(file: Path) -> Mapping[str, Json]:
    try:
        read = json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        reason = f"{file.name} is not JSON: {error}."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason) from error
    return read if isinstance(read, dict) else {}


def _section(content: Mapping[str, Json], key: str) -> dict[str, Json]:
    """A part of a manifest; its own tool complains when it is not what it should be."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _read_toml(file: Path) -> Mapping[str, Json]:
    try:
        return tomllib.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        reason = f"{file.name} is not TOML: {error}."
        raise BuildFailedError(ReasonCode.UNREADABLE_MANIFEST, reason) from error
