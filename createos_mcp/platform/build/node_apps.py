"""Apps of Node and Bun: which framework they use, and how that is built and run."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from createos_mcp.platform.build.bots import is_node_bot
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.manifests import (
    has_file,
    read_code,
    read_package,
    section,
    word,
)
from createos_mcp.platform.build.node_additions import add_command
from createos_mcp.platform.build.node_frameworks import (
    BUILD_CACHES,
    BUNDLERS,
    DEV_SERVER,
    EXPORTED,
    FOREIGN_PRESET,
    LEGACY_WEBPACK,
    LISTENING,
    NITRO_CONFIGS,
    NODE_FRAMEWORKS,
    NODE_PRESET,
    NodeFramework,
)
from createos_mcp.platform.build.node_packages import (
    BUN,
    NPM_REINSTALL,
    NodeApp,
    environ_of,
    install_command,
    installed_directories,
    is_workspace_root,
    manager_of,
    read_app,
    with_manager,
)
from createos_mcp.platform.build.other_hosts import published_folder
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.process_types import read_process_types
from createos_mcp.platform.build.retries import NPM_PEERS
from createos_mcp.platform.build.version_pins import NODE_MAJORS, choose_node

NODE_MAINS = (
    *("index.js", "server.js", "app.js", "index.mjs", "server.mjs", "app.mjs", "index.cjs"),
    *("main.js", "src/index.js", "src/server.js", "src/main.js", "src/app.js"),
)
BUN_MAINS = (
    *("index.ts", "server.ts", "app.ts", "main.ts", "src/index.ts", "src/server.ts"),
    *("src/app.ts", "src/main.ts", "index.tsx", "src/index.tsx", *NODE_MAINS),
)
START_SCRIPTS = ("start:prod", "start", "serve:prod")
OLD_NODES = frozenset(map(str, range(17)))
"""Those whose OpenSSL has all that old tools call."""

_PLAIN_START = re.compile(r"(node|bun) [\w./-]+")


def suggest_node(source: Path, top: Path, framework: str | None) -> Plan:
    """How an app of Node is built and run."""
    return _suggest(read_app(source, top), framework)


def suggest_bun(source: Path, top: Path, framework: str | None) -> Plan:
    """How an app of Bun is built and run."""
    plan = _suggest(read_app(source, top, is_bun=True), framework)
    return replace(
        plan,
        runtime="bun:1.3",
        tools=tuple(tool for tool in plan.tools if not tool.startswith("bun:")),
        install="bun install" if plan.install else None,
        retry=None,
        build=plan.build and re.sub(r"^npm run ", "bun run ", plan.build),
        run=plan.run and re.sub(r"^(node|npm start)\b", _to_bun, plan.run),
    )


def has_node_server(source: Path) -> bool:
    """Whether a `package.json` is for an app of its own, and not only for styles and tools."""
    app = read_app(source, source)
    found = find_framework(app)
    if start_script(app) or (found and found.run):
        return True
    is_app = found is not None or _main_command(app, found) is not None
    return bool(is_app and section(app.package, "dependencies"))


def is_page_or_server(source: Path) -> bool:
    """Whether a `package.json` says that its app is started, or built into pages of its own.

    Bundlers alone do not say so: other languages have them pack their scripts.
    """
    app = read_app(source, source)
    found = find_framework(app)
    scripts = filter(None, map(app.script, START_SCRIPTS))
    if any(not DEV_SERVER.search(script) for script in scripts):
        return True
    is_bundler = found is None or found.name in BUNDLERS
    return not is_bundler or has_file(source, "index.html")


def runs_on_bun(source: Path) -> bool:
    """Whether the app says that Bun runs it, and not only that Bun installs its packages."""
    app = read_app(source, source)
    start = read_process_types(source).web or app.script("start") or ""
    return bool(re.match(r"(?:\w+=\S+ )*bunx?\b", start)) or "bun" in section(
        app.package, "engines"
    )


def needs_node(source: Path) -> bool:
    """Whether Node runs an app whose packages Bun installs: it says so, or its framework does."""
    app = read_app(source, source)
    found = find_framework(app)
    starts_it = re.match(r"(?:\w+=\S+ )*node\b", app.script("start") or "") is not None
    has_program = found is not None and bool(found.build)
    return starts_it or (has_program and not runs_on_bun(source))


def find_framework(app: NodeApp) -> NodeFramework | None:
    """The first of the table that the app's files tell."""
    return next((row for row in NODE_FRAMEWORKS if _tells(app, row)), None)


def _tells(app: NodeApp, row: NodeFramework) -> bool:
    has = app.dependencies.keys()
    if not has & set(row.packages) or (row.and_packages and not has & set(row.and_packages)):
        return False
    if row.file_says is None:
        return True
    pattern, expression = row.file_says
    return any(re.search(expression, read_code(file)) for file in app.source.glob(pattern))


def _suggest(app: NodeApp, framework: str | None) -> Plan:
    found = find_framework(app)
    if framework is not None and (found is None or found.name != framework):
        # The last row of a name is the one for any app of it.
        found = next((row for row in reversed(NODE_FRAMEWORKS) if row.name == framework), None)
    if framework is None and is_workspace_root(app.source) and not app.script("build"):
        found = None  # what its packages share is no app
    build = "npm run build" if app.script("build") else found.build if found else None
    pages, start = _pages(app, found, build), start_script(app)
    # What serves itself is no folder of pages, unless the settings say that it is.
    serves_pages = pages is not None and (start is None or framework is not None)
    run = start or (found.run if found else None) or _main_command(app, found)
    # One that starts in a way of its own lacks nothing.
    usual = found if found and (serves_pages or run == found.run) else None
    choice, manager = choose_node(app.source, app.package), manager_of(app)
    major = choice.version or str(NODE_MAJORS[0])
    return Plan(
        runtime=f"node:{major}",
        tools=tuple(filter(None, (manager.tool, _runner(app, run)))),
        environ=environ_of(app),
        install=install_command(app),
        retry=NPM_PEERS if manager.name == "npm" and not app.up else None,
        reinstall=NPM_REINSTALL if manager.name == "npm" and not app.up else None,
        dependencies=installed_directories(app),
        completion=add_command(app, usual.addition) if usual and usual.addition else None,
        preparation=_preparation(usual, major),
        caches=Carryover(name="build", paths=BUILD_CACHES) if build else None,
        build=_concluded(_build_command(app, build), found),
        run=None if serves_pages else run,
        output_dir=pages if serves_pages else None,
        single_page=bool(serves_pages and found and found.single_page),
        worker=framework is None and found is None and is_node_bot(app.source, app.dependencies),
        reason=framework or (found.name if found else ""),
        notes=(choice.note,) if choice.note else (),
    )


def _preparation(found: NodeFramework | None, node: str) -> str | None:
    """For the shell: what the tools of before need, and what the framework does."""
    legacy = LEGACY_WEBPACK if node not in OLD_NODES else None
    return "\n".join(filter(None, (legacy, found.preparation if found else None))) or None


def _concluded(build: str | None, found: NodeFramework | None) -> str | None:
    return f"{build} && {found.conclusion}" if build and found and found.conclusion else build


def _build_command(app: NodeApp, build: str | None) -> str | None:
    """By the app's own package manager, after what others of its workspace build for it."""
    if build is None:
        return None
    name = word(app.package, "name")
    if app.up and name and app.script("build") and has_file(app.root, "turbo.json"):
        return f"cd {app.up} && npx turbo run build --filter={shlex.quote(name)}"
    command = with_manager(app, build)
    if _lacks_prisma_client(app):
        return f"npx prisma generate && {command}"
    if "react-scripts" in app.dependencies:
        return f"CI=false {command}"  # with it, a warning is an error
    configs = (file for name in NITRO_CONFIGS for file in app.source.glob(name))
    if any(FOREIGN_PRESET.search(read_code(file)) for file in configs):
        return f"{NODE_PRESET} {command}"
    return command


_RUN_BY_ITSELF = re.compile(r"(?:pre|post)?install|prepare|(?:pre|post)?build(?::.*)?|prestart")
"""Scripts that are run with an install, a build or a start."""


def _lacks_prisma_client(app: NodeApp) -> bool:
    """Whether there is a schema, and nothing that the app runs by itself makes its client."""
    if {"prisma", "@prisma/client"}.isdisjoint(app.dependencies):
        return False
    own = word(section(app.package, "prisma"), "schema")
    if not has_file(app.source, own or "prisma/schema.prisma"):
        return False
    run = (script for name, script in app.scripts.items() if _RUN_BY_ITSELF.fullmatch(name))
    return not any("prisma" in str(script) for script in run)


def _pages(app: NodeApp, found: NodeFramework | None, build: str | None) -> str | None:
    if found is None:
        is_started = build is None or _main_command(app, found) is not None
        return None if is_started else published_folder(app.source)
    if build is None:
        return None
    if found.name == "angular":
        return _angular_pages(app)
    if found.name == "nuxtjs" and "generate" in (app.script("build") or ""):
        return ".output/public"
    if found.output_dir is None:
        return None
    folder = re.search(found.source, app.script("build") or "") if found.source else None
    own = f"{folder[1].strip('/')}/{found.output_dir}" if folder else found.output_dir
    return _configured_output(app) or own.removeprefix("./")


_OUT_DIR = r"""\boutDir\s*:\s*["'](?:\./)?([\w./-]+)["']"""
_CONFIGURED: Mapping[str, re.Pattern[str]] = {
    "vite.config.*": re.compile(r"\bbuild\s*:\s*\{[^{}]*" + _OUT_DIR),
    "astro.config.*": re.compile(_OUT_DIR),
}
"""Where build tools are told to write: `build.outDir` of Vite, `outDir` of Astro."""


def _configured_output(app: NodeApp) -> str | None:
    """The folder that the app says itself, if within the app."""
    script = re.search(r"--outDir[ =](?:\./)?([\w./-]+)", app.script("build") or "")
    told = (
        pattern.search(read_code(file))
        for name, pattern in _CONFIGURED.items()
        for file in sorted(app.source.glob(name))
    )
    found = script or next(filter(None, told), None)
    return found[1] if found and not found[1].startswith(("/", "..")) else None


def _angular_pages(app: NodeApp) -> str | None:
    if "@angular/ssr" in app.dependencies:
        return None
    projects = section(read_package(app.source / "angular.json"), "projects")
    name = next(iter(projects), word(app.package, "name") or "app")
    options = section(projects, name, "architect", "build")
    builder, output = str(options.get("builder")), section(options, "options").get("outputPath")
    folder = output if isinstance(output, str) else f"dist/{name}"
    return f"{folder}/browser" if "application" in builder else folder


def start_script(app: NodeApp) -> str | None:
    """What the app says itself; a start script that only names a program runs without npm."""
    told = read_process_types(app.source)
    if told.web and (told.is_own or not _is_for_another_host(app, told.web)):
        return told.web
    for name in START_SCRIPTS:
        script = app.script(name)
        if script and not DEV_SERVER.search(script) and not _serves_export(app, script):
            if _PLAIN_START.fullmatch(script) and f"pre{name}" not in app.scripts:
                return script
            return "npm start" if name == "start" else f"npm run {name}"
    return None


def _is_for_another_host(app: NodeApp, command: str) -> bool:
    """Whether a command needs what only that host's own build command makes, or is for work on it.

    Which file a program has is known before the build only where it is there.
    """
    if DEV_SERVER.search(command) or _serves_export(app, command):
        return True
    program = re.fullmatch(r"node (\S+)", command)
    return bool(program and not has_file(app.source, program[1]) and app.script("start"))


def _serves_export(app: NodeApp, script: str) -> bool:
    """Whether a script is for the server of a framework whose pages are exported."""
    found = find_framework(app)
    is_export = found is not None and found.name == "nextjs" and found.output_dir is not None
    return is_export and script.startswith("next start")


_NX_EXECUTORS = frozenset(
    {"@nx/esbuild:esbuild", "@nx/webpack:webpack", "@nx/js:tsc", "@nx/js:swc"}
)

RUNNABLE = {"", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"}
"""Endings of a main file; that of a package of tools may be in another language."""


def _main_command(app: NodeApp, found: NodeFramework | None) -> str | None:
    """Runs the main file, or what that exports; TypeScript runs as it is."""
    if made := _made_by_nx(app):
        return f"node {shlex.quote(made)}"
    mains = (word(app.package, "main"), word(app.package, "module"))
    others = BUN_MAINS if app.is_bun else (*NODE_MAINS, *BUN_MAINS)
    named = (name for name in (*mains, *others) if name and Path(name).suffix in RUNNABLE)
    main = next((name for name in named if has_file(app.source, name)), None)
    if main is None:
        return None
    program = "bun" if main.endswith((".ts", ".tsx")) and not app.is_bun else "node"
    text = read_code(app.source / main)
    if found and found.name == "express" and "listen(" not in text and EXPORTED.search(text):
        return f"{program} -e {shlex.quote(LISTENING.format(main=json.dumps(f'./{main}')))}"
    return f"{program} {main}"


def _made_by_nx(app: NodeApp) -> str | None:
    """The file that nx makes of an app's main file, https://nx.dev/nx-api/esbuild/executors/esbuild."""
    target = section(read_package(app.source / "project.json"), "targets", "build")
    options = section(target, "options")
    output, main = word(options, "outputPath"), word(options, "main")
    is_program = str(target.get("executor")) in _NX_EXECUTORS and bool(output and main)
    return f"{output}/{Path(str(main)).stem}.js" if is_program else None


def _runner(app: NodeApp, run: str | None) -> str | None:
    """What runs TypeScript, where no script of the app does."""
    return f"bun:{BUN}" if run and run.startswith("bun ") and not app.is_bun else None


def _to_bun(found: re.Match[str]) -> str:
    return "bun run start" if found[0] == "npm start" else "bun"
