"""Apps of Node and Bun: which framework they use, and how that is built and run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.bots import is_node_bot
from createos_mcp.platform.build.manifests import (
    has_file,
    read_package,
    read_procfile,
    read_text,
    section,
    word,
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


ADAPTERS = ("@astrojs/node", "@sveltejs/adapter-node", "svelte-adapter-bun")
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


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeApp:
    """What the files of an app say."""

    source: Path
    package: Mapping[str, Json]
    is_bun: bool

    @property
    def dependencies(self) -> Mapping[str, Json]:
        """All of them."""
        return section(self.package, "dependencies") | section(self.package, "devDependencies")

    @property
    def scripts(self) -> Mapping[str, Json]:
        """Commands by name."""
        return section(self.package, "scripts")

    def script(self, name: str) -> str | None:
        """One of them, if it is there."""
        return word(self.scripts, name)


def suggest_node(source: Path, framework: str | None) -> Plan:
    """How an app of Node is built and run."""
    return _suggest(NodeApp(source=source, package=_package(source), is_bun=False), framework)


def suggest_bun(source: Path, framework: str | None) -> Plan:
    """How an app of Bun is built and run."""
    plan = _suggest(NodeApp(source=source, package=_package(source), is_bun=True), framework)
    return replace(
        plan,
        runtime="bun:1.3",
        install="bun install" if plan.install else None,
        build=plan.build and re.sub(r"^npm run ", "bun run ", plan.build),
        run=plan.run and re.sub(r"^(node|npm start)\b", _to_bun, plan.run),
    )


def has_node_server(source: Path) -> bool:
    """Whether a `package.json` is for an app of its own, and not only for styles and tools."""
    package = _package(source)
    app = NodeApp(source=source, package=package, is_bun=False)
    found = find_framework(app)
    return bool(start_script(app) or section(package, "dependencies") or (found and found.run))


def find_framework(app: NodeApp) -> NodeFramework | None:
    """The first of the table that the app's files tell."""
    return next((row for row in NODE_FRAMEWORKS if _tells(app, row)), None)


def _package(source: Path) -> Mapping[str, Json]:
    return read_package(source / "package.json")


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
    build = "npm run build" if app.script("build") else found.build if found else None
    pages, start = _pages(app, found, build), start_script(app)
    # What serves itself is no folder of pages, unless the settings say that it is.
    serves_pages = pages is not None and (start is None or framework is not None)
    run = start or (found.run if found else None) or _main_file(app)
    choice = choose_node(app.source, app.package)
    return Plan(
        runtime=f"node:{choice.version or NODE_MAJORS[0]}",
        install=_install(app),
        build=_with_manager(app, build),
        run=None if serves_pages else run,
        output_dir=pages if serves_pages else None,
        single_page=bool(serves_pages and found and found.single_page),
        worker=framework is None and found is None and is_node_bot(app.source, app.dependencies),
        reason=framework or (found.name if found else ""),
        notes=(choice.note,) if choice.note else (),
    )


def _pages(app: NodeApp, found: NodeFramework | None, build: str | None) -> str | None:
    if found is None or build is None:
        return None
    if found.name == "angular":
        return _angular_pages(app)
    if found.name == "nuxtjs" and "generate" in (app.script("build") or ""):
        return ".output/public"
    return found.output_dir


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
        if script and not DEV_SERVER.search(script):
            if _PLAIN_START.fullmatch(script) and f"pre{name}" not in app.scripts:
                return script
            return "npm start" if name == "start" else f"npm run {name}"
    return None


def _main_file(app: NodeApp) -> str | None:
    mains = (word(app.package, "main"), word(app.package, "module"))
    others = BUN_MAINS if app.is_bun else NODE_MAINS
    named = (name for name in (*mains, *others) if name)
    main = next((name for name in named if has_file(app.source, name)), None)
    return f"node {main}" if main else None


LOCKS: tuple[tuple[str, str], ...] = (
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)

PNPM_OF_LOCK: Mapping[str, str] = {"5": "7", "6": "8", "9": "10"}
"""https://github.com/pnpm/spec/tree/master/lockfile: the pnpm that writes a lock file's version."""


def manager_of(app: NodeApp) -> tuple[str, str | None]:
    """Package manager and its version: as `packageManager` says, or the lock file."""
    told = word(app.package, "packageManager") or ""
    name, _, version = told.partition("+")[0].partition("@")
    if name in {"npm", "pnpm", "yarn", "bun"}:
        return name, version or None
    found = next((name for lock, name in LOCKS if (app.source / lock).is_file()), "npm")
    if found == "pnpm":
        lock = re.search(r"lockfileVersion: '?(\d+)", read_text(app.source / "pnpm-lock.yaml"))
        return found, PNPM_OF_LOCK.get(lock[1] if lock else "9", "10")
    if found == "yarn":
        is_berry = "__metadata:" in read_text(app.source / "yarn.lock")
        return found, "4" if is_berry else "1"
    return found, None


def _install(app: NodeApp) -> str | None:
    if not app.dependencies and not app.package.get("workspaces"):
        return None
    manager, version = manager_of(app)
    has_lock = any((app.source / lock).is_file() for lock, name in LOCKS if name == manager)
    if manager == "npm":
        return "npm ci" if has_lock else "npm install"
    program = program_of(manager, version)
    if manager == "yarn" and (version or "1").partition(".")[0] != "1":
        return f"{program} install --immutable" if has_lock else f"{program} install"
    return f"{program} install --frozen-lockfile" if has_lock else f"{program} install"


def program_of(manager: str, version: str | None) -> str:
    """How a package manager is run that need not be installed, `npx --yes pnpm@10`."""
    if manager == "yarn" and version is not None and version.partition(".")[0] != "1":
        return f"npx --yes @yarnpkg/cli-dist@{version}"
    return f"npx --yes {manager}{f'@{version}' if version else ''}"


def _with_manager(app: NodeApp, build: str | None) -> str | None:
    """The build by the app's own package manager, whose name its scripts may call."""
    manager, version = manager_of(app)
    if build is None or manager == "npm" or not build.startswith("npm run "):
        return build
    return build.replace("npm run ", f"{program_of(manager, version)} run ", 1)


def _to_bun(found: re.Match[str]) -> str:
    return "bun run start" if found[0] == "npm start" else "bun"
