"""Reads from an app's files how it is built and run, where its settings do not say so."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.compiled_apps import suggest_go, suggest_rust
from createos_mcp.platform.build.frameworks import DEFAULT_RUNTIMES, DETECTED, FRAMEWORKS
from createos_mcp.platform.build.manifests import has_file, read_text
from createos_mcp.platform.build.node_apps import (
    NODE_MAINS,
    has_node_server,
    needs_node,
    runs_on_bun,
    suggest_bun,
    suggest_node,
)
from createos_mcp.platform.build.node_packages import is_workspace_root
from createos_mcp.platform.build.other_hosts import published_folder
from createos_mcp.platform.build.other_languages import (
    OtherLanguage,
    find_other_language,
    leads,
)
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.process_types import ProcessTypes, read_process_types
from createos_mcp.platform.build.python_apps import find_entry, suggest_python
from createos_mcp.platform.build.python_programs import PYTHON_MAINS
from createos_mcp.platform.build.site_generators import GENERATOR_FILES, find_generator
from createos_mcp.platform.errors import BuildFailedError

MARKERS: Mapping[str, str] = {
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package.json": "node",
    "project.json": "node",
    "requirements.txt": "python",
    "pyproject.toml": "python",
    "Pipfile": "python",
    "manage.py": "python",
    "go.mod": "golang",
    "go.work": "golang",
    "Cargo.toml": "rust",
    "main.go": "golang",
    **dict.fromkeys(NODE_MAINS[:7], "node"),
    **dict.fromkeys(PYTHON_MAINS, "python"),
    "Staticfile": "static",
    "mkdocs.yml": "python",
    **dict.fromkeys(GENERATOR_FILES, "static"),
    "index.html": "static",
    "public/index.html": "static",
    "htdocs/index.html": "static",
    "public_html/index.html": "static",
}
"""The language that a file speaks for; the first that is there decides."""

CONTAINER_FILES = ("Dockerfile", "Containerfile")
_PYTHON_PROGRAMS = re.compile(r"\b(python3?|gunicorn|uvicorn|hypercorn|flask|streamlit)\b")

STATIC_ROOTS = (
    ".",
    "public",
    "htdocs",
    "public_html",
    "dist",
    "build",
    "_site",
    "site",
    "www",
    "docs",
)


def is_app(source: Path, apart_from: str = "") -> bool:
    """Whether files of a folder tell of an app, those of one folder below apart."""
    names = (name for name in (*MARKERS, *CONTAINER_FILES) if not name.startswith(f"{apart_from}/"))
    told = read_process_types(source).language
    return bool(told) or any((source / name).is_file() for name in names)


def make_plan(source: Path, settings: Mapping[str, Json], top: Path | None = None) -> Plan:
    """Settings first, then the framework's usual way, then what the files say.

    Args:
        source: The app's own folder.
        settings: Of the project.
        top: Of all that was deployed; by default the same folder.

    Raises:
        BuildFailedError: There is nothing that tells how to run the app.
    """
    framework = settings.get("framework")
    family, marker = _runtime_family(source, settings)
    found = _as_preset(_SUGGESTIONS[family](source, top or source, framework), framework)
    runtime = settings.get("runtime")
    plan = replace(
        found,
        runtime=runtime if runtime and runtime != DETECTED else found.runtime,
        install=settings.get("installCommand") or found.install,
        reinstall=None if settings.get("installCommand") else found.reinstall,
        retry=None if settings.get("installCommand") else found.retry,
        stand_ins=() if runtime and runtime != DETECTED else found.stand_ins,
        build=settings.get("buildCommand") or found.build,
        run=settings.get("runCommand") or found.run,
        output_dir=settings.get("buildDir") or found.output_dir,
        reason=" and ".join(dict.fromkeys(filter(None, (marker, found.reason)))),
    )
    plan = _with_processes(plan, read_process_types(source), settings)
    if "worker" in settings:
        plan = replace(plan, worker=settings["worker"])
    if plan.run and not settings.get("runCommand") and plan.output_dir:
        plan = replace(plan, run=None)
    if plan.run is None and plan.output_dir is None:
        raise _no_start(source, family)
    return _with_flags(plan, settings)


def _with_processes(plan: Plan, told: ProcessTypes, settings: Mapping[str, Json]) -> Plan:
    """The plan with what the processes are: workers, and what runs before a version."""
    own = settings.get("runCommand")
    implied = None if "migrate" in (own or "") else plan.release
    plan = replace(plan, release=told.release or implied, worker=plan.worker and not own)
    if told.worker is None or told.web or own:
        return plan
    reason = f"a worker in {told.place}"
    return replace(plan, run=told.worker, output_dir=None, worker=True, reason=reason)


def _as_preset(plan: Plan, framework: str | None) -> Plan:
    """The plan with what is usual for a framework that the settings name."""
    preset = FRAMEWORKS.get(framework or "")
    if preset is None:
        return plan
    run = plan.run or preset.run if preset.output_dir is None else None
    pages = plan.output_dir or preset.output_dir
    return replace(
        plan,
        run=run,
        output_dir=pages if run is None else None,
        single_page=plan.single_page or preset.single_page,
    )


def _no_start(source: Path, family: str) -> BuildFailedError:
    folders = _app_folders(source) if is_workspace_root(source) else []
    if folders:
        shown = ", ".join(folders[:10])
        reason = f"This is the root of several apps. Set directoryPath to one of {shown}."
        return BuildFailedError(ReasonCode.NO_APP_FOUND, reason)
    looked = ", ".join((*_LOOKED_FOR.get(family, ()), "a Procfile with web: or worker:"))
    return BuildFailedError(
        ReasonCode.NO_START_COMMAND,
        f"No start command was found: set runCommand, or add one of {looked}.",
    )


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
    present = {family: name for name, family in _present(source)}
    if present:
        family = _leading(source, list(present))
        other = find_other_language(source)
        if other is not None and leads(other, family, source):
            raise _not_served(other)
        markers = (name for name, of in _present(source) if of == family)
        return family, next(markers, "package.json")
    told = read_process_types(source)
    if told.language:
        return told.language, told.place
    folder = published_folder(source)
    if folder and has_file(source, f"{folder}/index.html"):
        return "static", f"{folder}/index.html"
    raise _no_app(source)


def _present(source: Path) -> list[tuple[str, str]]:
    return [(name, family) for name, family in MARKERS.items() if (source / name).is_file()]


def _leading(source: Path, families: list[str]) -> str:
    """Of several languages the one that has a start; the other may be there for tools alone."""
    main = read_process_types(source).main
    if "python" in families and _PYTHON_PROGRAMS.search(main):
        return "python"
    if families[0] == "node" and runs_on_bun(source):
        return "bun"
    if families[0] == "bun" and needs_node(source):
        return "node"
    is_tooling = families[0] in {"node", "bun"} and not has_node_server(source)
    if is_tooling and find_generator(source):
        return "static"
    others = [family for family in families if family not in {"node", "bun", "static"}]
    if is_tooling and others and (others[0] != "python" or find_entry(source, None)):
        return others[0]
    return families[0]


def _app_folders(source: Path) -> list[str]:
    """Folders below that look like apps of their own."""
    return sorted(
        {
            file.parent.relative_to(source).as_posix()
            for depth in ("*", "*/*")
            for name in MARKERS
            for file in source.glob(f"{depth}/{name}")
            if "node_modules" not in file.parts and "/" not in name
        }
    )


def _no_app(source: Path) -> BuildFailedError:
    if any((source / name).is_file() for name in CONTAINER_FILES):
        return BuildFailedError(
            ReasonCode.NEEDS_DOCKER,
            "The app is described by a Dockerfile alone, and no container engine answers here: "
            "install Docker, add the files of a language, or set runtime and runCommand.",
        )
    other = find_other_language(source)
    if other is not None:
        return _not_served(other)
    folders = _app_folders(source)
    if folders:
        shown = ", ".join(folders[:10])
        reason = f"No app was found at the top, but in {shown}. Set directoryPath to one of them."
        return BuildFailedError(ReasonCode.NO_APP_FOUND, reason)
    looked = ", ".join((*MARKERS, "Procfile", "Dockerfile"))
    reason = (
        f"No app was found. Looked for {looked}. Add one of them, or set runtime and runCommand."
    )
    return BuildFailedError(ReasonCode.NO_APP_FOUND, reason)


def _not_served(other: OtherLanguage) -> BuildFailedError:
    return BuildFailedError(
        ReasonCode.LANGUAGE_NOT_SERVED,
        f"{other.file} tells that this is {other.name}, which the local platform does not "
        "build. What would run it: an image of it, or a Dockerfile on a platform with "
        "containers.",
    )


def _with_flags(plan: Plan, settings: Mapping[str, Json]) -> Plan:
    build, run = settings.get("buildFlag"), settings.get("runFlag")
    return replace(
        plan,
        build=f"{plan.build} {build}" if plan.build and build else plan.build,
        run=f"{plan.run} {run}" if plan.run and run else plan.run,
    )


def _suggest_static(source: Path, _top: Path, _framework: str | None) -> Plan:
    told = re.search(r"^root:\s*[\"']?([\w./-]+)", read_text(source / "Staticfile"), re.MULTILINE)
    generator = find_generator(source)
    if generator is not None:
        return Plan(
            runtime=DEFAULT_RUNTIMES["static"],
            tools=(generator.name,),
            build=generator.build,
            output_dir=generator.output_dir,
            reason=generator.name,
        )
    places = filter(None, (published_folder(source), *STATIC_ROOTS))
    roots = (root for root in places if has_file(source, f"{root}/index.html"))
    if told and ".." not in told[1]:
        return Plan(runtime=DEFAULT_RUNTIMES["static"], output_dir=told[1].strip("/") or ".")
    return Plan(runtime=DEFAULT_RUNTIMES["static"], output_dir=next(roots, None))


_SUGGESTIONS: Mapping[str, Callable[[Path, Path, str | None], Plan]] = {
    "node": suggest_node,
    "bun": suggest_bun,
    "python": suggest_python,
    "golang": suggest_go,
    "rust": suggest_rust,
    "static": _suggest_static,
}
