"""Frameworks of Node and Bun, as data: what tells them, how they are built, and how they run."""

import re
from dataclasses import dataclass

from createos_mcp.platform.build.node_additions import (
    ASTRO_NODE,
    LINK_SERVER,
    ON_NODE,
    REMIX_SERVE,
    ROUTER_SERVE,
    WITHOUT_ADAPTER,
    Addition,
)

DEV_SERVER = re.compile(
    r"(?:^|[&;|]\s*|\b(?:npx|bunx|cross-env(?: \w+=\S+)*|NODE_ENV=\w+) )"
    r"(?:vite(?! build)\b|ng serve|react-scripts start|astro (?:dev|preview|start)|astro$|next dev"
    r"|webpack(?:-dev-server| serve)|parcel(?! build)\b|vue-cli-service serve|nuxt (?:dev|preview)"
    r"|gatsby (?:develop|serve)|docusaurus (?:start|serve)|eleventy .*--serve|vinxi dev|remix dev"
    r"|nx (?:serve|run \S+:serve)\b"
    r"|react-router dev|solid-start dev|storybook|vitepress (?:dev|preview|serve)|ng start)"
)
"""A start script that is for the desk of who develops, and not for visitors."""

STATIC_EXPORT = r"""output\s*:\s*["']export["']"""


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
    source: str | None = None
    """An expression for the folder of a build script that its output lies in."""
    addition: Addition | None = None
    preparation: str | None = None
    """For the shell, before the build."""
    conclusion: str | None = None
    """For the shell, after it."""


BUILD_CACHES = (
    *(".next/cache", "node_modules/.cache", "node_modules/.vite", "node_modules/.astro"),
    *(".angular/cache", ".turbo/cache", ".nx/cache"),
)
"""Where build tools keep what they can use again; each of them checks by itself what still fits."""

NITRO_RUN = "node .output/server/index.mjs"
VITE_PREVIEW = "npx vite preview --host 0.0.0.0 --port $PORT"

_FOREIGN_ADAPTERS = ("@astrojs/vercel", "@astrojs/netlify", "@astrojs/cloudflare")
_RENDERED_ON_DEMAND = (
    ("astro.config.*", r"""\boutput\s*:\s*["'](?:server|hybrid)"""),
    ("src/pages/**/*.*", r"\bprerender\s*=\s*false\b"),
)
"""https://docs.astro.build/en/guides/on-demand-rendering/"""

_ASTRO_RUN = "HOST=0.0.0.0 node ./dist/server/entry.mjs"
_ROUTER_RUN = "npx react-router-serve ./build/server/index.js"
_REMIX_RUN = "npx remix-serve ./build/server/index.js"

NODE_FRAMEWORKS: tuple[NodeFramework, ...] = (
    NodeFramework(
        name="nextjs",
        packages=("next",),
        file_says=("next.config.*", STATIC_EXPORT),
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
        run=_ASTRO_RUN,
    ),
    *(
        NodeFramework(
            name="astro",
            packages=("astro",),
            and_packages=_FOREIGN_ADAPTERS,
            file_says=told,
            build="npx astro build",
            run=_ASTRO_RUN,
            addition=ASTRO_NODE,
            preparation=ON_NODE,
        )
        for told in _RENDERED_ON_DEMAND
    ),
    NodeFramework(
        name="astro",
        packages=("astro",),
        and_packages=_FOREIGN_ADAPTERS,
        build="npx astro build",
        output_dir="dist",
        preparation=WITHOUT_ADAPTER,
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
        run=VITE_PREVIEW,
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
        and_packages=("@cloudflare/vite-plugin",),
        build="npx react-router build",
        run=VITE_PREVIEW,
    ),
    NodeFramework(
        name="react-router",
        packages=("@react-router/dev",),
        and_packages=("@vercel/react-router",),
        build="npx react-router build",
        run=_ROUTER_RUN,
        addition=ROUTER_SERVE,
        conclusion=LINK_SERVER,
    ),
    NodeFramework(
        name="react-router",
        packages=("@react-router/dev",),
        build="npx react-router build",
        run=_ROUTER_RUN,
        addition=ROUTER_SERVE,
    ),
    NodeFramework(
        name="remix",
        packages=("@remix-run/dev",),
        and_packages=("@vercel/remix",),
        build="npx remix vite:build",
        run=_REMIX_RUN,
        addition=REMIX_SERVE,
        conclusion=LINK_SERVER,
    ),
    NodeFramework(
        name="remix",
        packages=("@remix-run/serve", "@remix-run/node", "@remix-run/dev"),
        build="npx remix vite:build",
        run=_REMIX_RUN,
        addition=REMIX_SERVE,
    ),
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
        source=r"vitepress build ([\w./-]+)",
    ),
    NodeFramework(
        name="vuepress",
        packages=("vuepress", "@vuepress/cli"),
        build="npx vuepress build",
        output_dir=".vuepress/dist",
        source=r"vuepress build ([\w./-]+)",
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
        name="cloudflare-vite",
        packages=("@cloudflare/vite-plugin",),
        build="npx vite build",
        run=VITE_PREVIEW,
    ),
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

BUNDLERS = frozenset({"vite-spa", "reactjs-spa", "vuejs-spa", "parcel"})
"""Rows that a package for scripts and styles tells, too."""

FOREIGN_PRESET = re.compile(
    r"""\bpreset\s*:\s*["'](?:vercel|netlify|cloudflare|aws|azure|deno|firebase|heroku|render)"""
)
"""Where Nitro is told to build for another host; https://nitro.build/deploy."""

NITRO_CONFIGS = ("app.config.*", "nuxt.config.*", "nitro.config.*", "vite.config.*")
NODE_PRESET = "NITRO_PRESET=node-server SERVER_PRESET=node-server"

LEGACY_WEBPACK = (
    """! grep -qs '"version": "4\\.' node_modules/webpack/package.json"""
    ' || export NODE_OPTIONS="${NODE_OPTIONS:-} --openssl-legacy-provider"'
)
"""Webpack 4 hashes by MD4; https://github.com/webpack/webpack/issues/14532."""

LISTENING = "import({main}).then(m => (m.default?.default ?? m.default).listen(process.env.PORT))"
"""For an Express app that exports itself and leaves it to its host to listen."""

EXPORTED = re.compile(
    r"^\s*(?:export default \w+|module\.exports\s*=\s*\w+)\s*;?\s*$", re.MULTILINE
)
"""How it does so."""
