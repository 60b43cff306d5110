"""What apps that are packaged for another host lack to run by themselves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from createos_mcp.platform.build.manifests import word
from createos_mcp.platform.build.node_packages import NodeApp, manager_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A package that is installed unless the app names it."""

    package: str
    like: str
    """The one whose version it fits."""
    majors: Mapping[str, str] = field(default_factory=dict)
    """Its own for each of that one; without any both are released together."""


ASTRO_NODE = Addition(
    package="@astrojs/node",
    like="astro",
    majors={"2": "5", "3": "6", "4": "8", "5": "9", "6": "10", "7": "11"},
)
"""As the peer dependencies of each say."""
ROUTER_SERVE = Addition(package="@react-router/serve", like="react-router")
REMIX_SERVE = Addition(package="@remix-run/serve", like="@remix-run/react")

_CONFIGURED_ANEW = """\
for config in astro.config.*; do
mv "$config" "own.$config"
cat >"$config" <<END
import own from "./own.$config";
{}
END
done"""
ON_NODE = _CONFIGURED_ANEW.format(
    'import node from "@astrojs/node";\n'
    'export default { ...own, adapter: node({ mode: "standalone" }) };'
)
WITHOUT_ADAPTER = _CONFIGURED_ANEW.format("export default { ...own, adapter: undefined };")
"""For Astro: the app's own configuration but for its adapter to another host."""

LINK_SERVER = "(cd build/server && [ -e index.js ] || { set -- */index.js && ln -s $1 index.js; })"
"""Where a preset of Vercel's puts servers into folders of their own."""

_ADD: Mapping[str, str] = {
    "npm": "npm install --no-save --legacy-peer-deps",
    "pnpm": "pnpm add --ignore-workspace-root-check",
    "yarn": "yarn add --ignore-workspace-root-check",
    "yarn-berry": "YARN_ENABLE_IMMUTABLE_INSTALLS=false yarn add",
    "bun": "bun add",
}


def add_command(app: NodeApp, addition: Addition) -> str | None:
    """Installs it by the app's own package manager, for the shell."""
    if addition.package in app.dependencies:
        return None
    manager = manager_of(app)
    program = "bun" if app.is_bun else "node"
    version = f"$({program} -p 'require(\"{addition.like}/package.json\").version')"
    if addition.majors:
        named = re.search(r"\d+", word(app.dependencies, addition.like) or "")
        version = addition.majors.get(named[0] if named else "", "latest")
    add = _ADD["yarn-berry" if manager.is_berry else manager.name]
    wanted = f'"{addition.package}@{version}"'
    said = f"echo 'Adding {addition.package}, which serves the app here.'"
    return f"[ -e node_modules/{addition.package} ] || {{ {said}; {add} {wanted}; }}"
