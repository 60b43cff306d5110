"""Apps of Node and Bun: which framework they use, and how that is built and run."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from createos_mcp.platform.build.bots import is_node_bot
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.manifests import (
    has_file,
    read_package,
    read_procfile,
    read_text,
    section,
    word,
)
from createos_mcp.platform.build.node_packages import (
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
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.version_pins import NODE_MAJORS, choose_node

NODE_MAINS = (
    *("index.js", "server.js", "app.js", "index.mjs", "server.mjs", "app.mjs", "index.cjs"),
    *("main.js", "src/index.js", "src/server.js", "src/main.js", "src/app.js"),
)
BUN_MAINS = ("index.ts", "server.ts", "app.ts", "src/index.ts", "src/server.ts", *NODE_MAINS)

DEV_SERVER = re.compile(
    r"(?:^|[&;|]\s*|\b(?:npx|bunx|cross-env(?: \w+=\S+)*|NODE_ENV=\w+) )"
    r"(?:vite(?! build)\b|ng serve|react-scripts start|astro (?:dev|preview|start)|astro$|next dev"
    r"|webpack(?:-dev-server| serve)|parcel(?! build)\b|vue-cli-service serve|nuxt (?:dev|preview)"
    r"|gatsby (?:develop|serve)|docusaurus (?:start|serve)|eleventy .*--serve|vinxi dev|remix dev"
    r"|react-router dev|solid-start dev|storybook|vitepress (?:dev|preview|serve)|ng start)"
)
"""A start script that is for the desk of who develops, and not for visitors."""

_PLAIN_START = re.compile(r"(node|bun) [\w./-]+")
_STATIC_EXPORT = re.compile(r"""output\s*:\s*["']export["']""")


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFramework:
    """How apps of one framework are usually built and run."""

    name: str
    packages: tuple[str, ...]
    """Any of them tells it."""
    and_packages: tuple[str, ...] = ()
    """One of these, too."""
    file_says: tuple[str, str] | None = None
    """A pattern of files, and an expression that one of them has to match."""
    build: str | None = None
    """Without a build script."""
    run: str | None = None
    output_dir: str | None = None
    single_page: bool = False


BUILD_CACHES = (
    *(".next/cache", "node_modules/.cache", "node_modules/.vite", "node_modules/.astro"),
    *(".angular/cache", ".turbo/cache", ".nx/cache"),
)
"""Where build tools keep what they can use again; each of them checks by itself what still fits."""

NITRO_RUN = "node .output/server/index.mjs"

NODE_FRAMEWORKS: tuple[NodeFramework, ...] = (
    NodeFramework(
        name="nextjs",
        packages=("next",),
        file_says=("next.config.*", _STATIC_EXPORT.pattern),
        build="npx next build",
        output_dir="out",
    ),
    NodeFramework(
        name="nextjs", packages=("next",), build="npx next build", run="npx next start -p $PORT"
    ),
    NodeFramework(name="nuxtjs", packages=("nuxt", "nuxt3"), build="npx nuxt build", run=NITRO_RUN),
    NodeFramework(
        name="astro",
        packages=("astro",),
        and_packages=("@astrojs/node",),
        build="npx astro build",
        run="HOST=0.0.0.0 node ./dist/server/entry.mjs",
    ),
    NodeFramework(name="astro", packages=("astro",), build="npx astro build", output_dir="dist"),
    NodeFramework(
        name="sveltekit",
        packages=("@sveltejs/kit",),
        and_packages=("@sveltejs/adapter-node",),
        build="npx vite build",
        run="node build",
    ),
    NodeFramework(
        name="sveltekit",
        packages=("@sveltejs/kit",),
        and_packages=("@sveltejs/adapter-static",),
        build="npx vite build",
        output_dir="build",
    ),
    NodeFramework(
        name="sveltekit",
        packages=("@sveltejs/kit",),
        build="npx vite build",
        run="npx vite preview --host 0.0.0.0 --port $PORT",
    ),
    NodeFramework(
        name="react-router",
        packages=("@react-router/dev",),
        file_says=("react-router.config.*", r"ssr\s*:\s*false"),
        build="npx react-router build",
        output_dir="build/client",
        single_page=True,
    ),
    NodeFramework(
        name="react-router",
        packages=("@react-router/dev",),
        and_packages=("@react-router/serve",),
        build="npx react-router build",
        run="npx react-router-serve ./build/server/index.js",
    ),
    NodeFramework(name="react-router", packages=("@react-router/dev",)),
    NodeFramework(
        name="remix",
        packages=("@remix-run/serve",),
        build="npx remix vite:build",
        run="npx remix-serve ./build/server/index.js",
    ),
    NodeFramework(name="remix", packages=("@remix-run/node", "@remix-run/dev")),
    NodeFramework(
        name="tanstack-start",
        build="npx vite build",
        run=NITRO_RUN,
        packages=("@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start"),
    ),
    NodeFramework(
        name="solidstart", packages=("@solidjs/start",), build="npx vinxi build", run=NITRO_RUN
    ),
    NodeFramework(
        name="nitro", packages=("nitropack", "nitro"), build="npx nitropack build", run=NITRO_RUN
    ),
    NodeFramework(
        name="gatsby", packages=("gatsby",), build="npx gatsby build", output_dir="public"
    ),
    NodeFramework(
        name="docusaurus",
        packages=("@docusaurus/core",),
        build="npx docusaurus build",
        output_dir="build",
    ),
    NodeFramework(
        name="eleventy",
        packages=("@11ty/eleventy",),
        build="npx @11ty/eleventy",
        output_dir="_site",
    ),
    NodeFramework(
        name="vitepress",
        packages=("vitepress",),
        build="npx vitepress build",
        output_dir=".vitepress/dist",
    ),
    NodeFramework(name="hexo", packages=("hexo",), build="npx hexo generate", output_dir="public"),
    NodeFramework(
        name="nestjs", packages=("@nestjs/core",), build="npx nest build", run="node dist/main"
    ),
    NodeFramework(
        name="reactjs-spa",
        packages=("react-scripts",),
        build="npx react-scripts build",
        output_dir="build",
        single_page=True,
    ),
    NodeFramework(
        name="vuejs-spa",
        packages=("@vue/cli-service",),
        build="npx vue-cli-service build",
        output_dir="dist",
        single_page=True,
    ),
    NodeFramework(name="angular", packages=("@angular/core",), build="npx ng build"),
    NodeFramework(
        name="vite-spa",
        packages=("vite",),
        build="npx vite build",
        output_dir="dist",
        single_page=True,
    ),
    NodeFramework(
        name="parcel", packages=("parcel", "parcel-bundler"), output_dir="dist", single_page=True
    ),
    NodeFramework(name="elysia", packages=("elysia",)),
    NodeFramework(name="hono", packages=("hono",)),
    NodeFramework(name="fastify", packages=("fastify",)),
    NodeFramework(name="express", packages=("express",)),
    NodeFramework(name="koa", packages=("koa",)),
    NodeFramework(name="reactjs-spa", packages=("react",), output_dir="dist", single_page=True),
    NodeFramework(name="vuejs-spa", packages=("vue",), output_dir="dist", single_page=True),
)
"""The most special first: a page of Vite is a page of React, and not the other way round."""


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
        build=plan.build and re.sub(r"^npm run ", "bun run ", plan.build),
        run=plan.run and re.sub(r"^(node|npm start)\b", _to_bun, plan.run),
    )


def has_node_server(source: Path) -> bool:
    """Whether a `package.json` is for an app of its own, and not only for styles and tools."""
    app = read_app(source, source)
    found = find_framework(app)
    return bool(start_script(app) or section(app.package, "dependencies") or (found and found.run))


def runs_on_bun(source: Path) -> bool:
    """Whether the app says that Bun runs it, and not only that Bun installs its packages."""
    app = read_app(source, source)
    start = read_procfile(source).get("web") or app.script("start") or ""
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
    return any(re.search(expression, read_text(file)) for file in app.source.glob(pattern))


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
    run = start or (found.run if found else None) or _main_file(app)
    choice, manager = choose_node(app.source, app.package), manager_of(app)
    return Plan(
        runtime=f"node:{choice.version or NODE_MAJORS[0]}",
        tools=(manager.tool,) if manager.tool else (),
        environ=environ_of(app),
        install=install_command(app),
        reinstall=NPM_REINSTALL if manager.name == "npm" and not app.up else None,
        dependencies=installed_directories(app),
        caches=Carryover(name="build", paths=BUILD_CACHES) if build else None,
        build=_build_command(app, build),
        run=None if serves_pages else run,
        output_dir=pages if serves_pages else None,
        single_page=bool(serves_pages and found and found.single_page),
        worker=framework is None and found is None and is_node_bot(app.source, app.dependencies),
        reason=framework or (found.name if found else ""),
        notes=(choice.note,) if choice.note else (),
    )


def _build_command(app: NodeApp, build: str | None) -> str | None:
    """By the app's own package manager, after what others of its workspace build for it."""
    if build is None:
        return None
    name = word(app.package, "name")
    if app.up and name and app.script("build") and has_file(app.root, "turbo.json"):
        return f"cd {app.up} && npx turbo run build --filter={shlex.quote(name)}"
    command = with_manager(app, build)
    has_client = not {"prisma", "@prisma/client"}.isdisjoint(app.dependencies)
    scripts = " ".join(str(script) for script in app.scripts.values())
    if has_client and has_file(app.source, "prisma/schema.prisma") and "prisma" not in scripts:
        return f"npx prisma generate && {command}"
    return command


def _pages(app: NodeApp, found: NodeFramework | None, build: str | None) -> str | None:
    if found is None or build is None:
        return None
    if found.name == "angular":
        return _angular_pages(app)
    if found.name == "nuxtjs" and "generate" in (app.script("build") or ""):
        return ".output/public"
    return _configured_output(app) or found.output_dir if found.output_dir else None


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
        pattern.search(read_text(file))
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
    procfile = read_procfile(app.source).get("web")
    if procfile:
        return procfile
    for name in ("start:prod", "start", "serve:prod"):
        script = app.script(name)
        if script and not DEV_SERVER.search(script) and not _serves_export(app, script):
            if _PLAIN_START.fullmatch(script) and f"pre{name}" not in app.scripts:
                return script
            return "npm start" if name == "start" else f"npm run {name}"
    return None


def _serves_export(app: NodeApp, script: str) -> bool:
    """Whether a script is for the server of a framework whose pages are exported."""
    found = find_framework(app)
    is_export = found is not None and found.name == "nextjs" and found.output_dir is not None
    return is_export and script.startswith("next start")


def _main_file(app: NodeApp) -> str | None:
    mains = (word(app.package, "main"), word(app.package, "module"))
    others = BUN_MAINS if app.is_bun else NODE_MAINS
    named = (name for name in (*mains, *others) if name)
    main = next((name for name in named if has_file(app.source, name)), None)
    return f"node {main}" if main else None


def _to_bun(found: re.Match[str]) -> str:
    return "bun run start" if found[0] == "npm start" else "bun"
