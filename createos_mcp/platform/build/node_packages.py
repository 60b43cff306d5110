"""Packages of Node apps: what a manifest says, which manager installs it, and how."""

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.manifests import has_file, read_text, section, word


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


def install_command(app: NodeApp) -> str | None:
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


NPM_REINSTALL = "npm install --prefer-offline --no-audit --no-fund"
"""`npm ci` would remove everything first."""

_INSTALLED_BY = (
    *("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml"),
    *(".pnpmfile.cjs", "bunfig.toml", "patches/**/*", ".yarn/patches/*", ".yarn/releases/*"),
)
"""What besides the lock file decides what is installed."""


def installed_directories(app: NodeApp) -> Carryover | None:
    """What its package manager installs; only a lock file makes that the same each time."""
    manager, _ = manager_of(app)
    locks = tuple(lock for lock, name in LOCKS if name == manager and has_file(app.source, lock))
    if not locks:
        return None
    packages = [
        file.parent.relative_to(app.source)
        for pattern in ("*/package.json", "*/*/package.json", "*/*/*/package.json")
        for file in sorted(app.source.glob(pattern))
        if "node_modules" not in file.parts
    ]
    members = packages if _has_workspaces(app) else []
    return Carryover(
        name="dependencies",
        paths=(
            *("node_modules", ".yarn/cache", ".yarn/unplugged", ".pnp.cjs", ".pnp.loader.mjs"),
            *(f"{member.as_posix()}/node_modules" for member in members),
        ),
        files=(
            *(*locks, *_INSTALLED_BY),
            *(f"{glob.escape(member.as_posix())}/package.json" for member in members),
        ),
    )


def _has_workspaces(app: NodeApp) -> bool:
    return bool(app.package.get("workspaces")) or has_file(app.source, "pnpm-workspace.yaml")


def program_of(manager: str, version: str | None) -> str:
    """How a package manager is run that need not be installed, `npx --yes pnpm@10`."""
    if manager == "yarn" and version is not None and version.partition(".")[0] != "1":
        return f"npx --yes @yarnpkg/cli-dist@{version}"
    return f"npx --yes {manager}{f'@{version}' if version else ''}"


def with_manager(app: NodeApp, build: str | None) -> str | None:
    """The build by the app's own package manager, whose name its scripts may call."""
    manager, version = manager_of(app)
    if build is None or manager == "npm" or not build.startswith("npm run "):
        return build
    return build.replace("npm run ", f"{program_of(manager, version)} run ", 1)
