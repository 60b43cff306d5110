"""Packages of Node apps: what a manifest says, which manager installs it, and how."""

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from semantic_version import NpmSpec, Version as NpmVersion

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.manifests import has_file, read_package, read_text, section, word
from createos_mcp.platform.build.npm_programs import YARN_BERRY
from createos_mcp.platform.build.version_pins import ANY_PATCH


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeApp:
    """What the files of an app say."""

    source: Path
    package: Mapping[str, Json]
    is_bun: bool
    root: Path
    """Of its workspaces; otherwise the same."""
    up: str = ""
    """The way there, `../..`."""

    @property
    def dependencies(self) -> Mapping[str, Json]:
        """All of them, and those of the root whose workspaces share them."""
        kinds = ("devDependencies", "dependencies")
        shared = read_package(self.root / "package.json") if self.up else {}
        packages = (shared, self.package)
        return {k: v for one in packages for kind in kinds for k, v in section(one, kind).items()}

    @property
    def scripts(self) -> Mapping[str, Json]:
        """Commands by name."""
        return section(self.package, "scripts")

    def script(self, name: str) -> str | None:
        """One of them, if it is there."""
        return word(self.scripts, name)


def read_app(source: Path, top: Path, *, is_bun: bool = False) -> NodeApp:
    """What an app's manifest says, and the root of its workspaces, which is not above the top."""
    package = read_package(source / "package.json")
    own = NodeApp(source=source, package=package, is_bun=is_bun, root=source)
    if any(has_file(source, lock) for lock, _ in LOCKS):
        return own
    above = [parent for parent in source.parents if parent.is_relative_to(top)]
    for steps, parent in enumerate(above, 1):
        if is_workspace_root(parent):
            return replace(own, root=parent, up="/".join([".."] * steps))
    return own


def is_workspace_root(directory: Path) -> bool:
    """Whether a directory holds several packages that are installed together."""
    if any(has_file(directory, name) for name in ("pnpm-workspace.yaml", "nx.json")):
        return True
    return bool(read_package(directory / "package.json").get("workspaces"))


LOCKS: tuple[tuple[str, str], ...] = (
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)

BUN = "1.3"
"""The Bun that installs packages where none is asked for."""

PNPM_OF_LOCK: Mapping[str, str] = {"5": "7", "6": "8", "9": "10"}
"""https://github.com/pnpm/spec/tree/master/lockfile: the pnpm that writes a lock file's version."""


YARN_OF_LOCK: Mapping[str, str] = {"4": "2", "5": "3", "6": "3", "7": "4", "8": "4"}
"""https://github.com/yarnpkg/berry: the Yarn whose lock files have that `LOCKFILE_VERSION`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manager:
    """A package manager, and the version that an app asks for."""

    name: str
    version: str | None
    """What npm understands, `10`, `9.15.0`, `>=8 <10`; None for the one that comes with Node."""

    @property
    def is_berry(self) -> bool:
        """Whether it is Yarn from version 2 on."""
        return self.name == "yarn" and not re.match(r"[v=^~]?1\b", self.version or "1")

    @property
    def tool(self) -> str | None:
        """As toolchains have it, `pnpm:10`."""
        if self.version is None:
            return None
        return f"{YARN_BERRY if self.is_berry else self.name}:{self.version}"


_VERSION = re.compile(r"[\w.^~<>=| *+-]{1,60}")


def manager_of(app: NodeApp) -> Manager:
    """As `packageManager` says, or the lock file with `engines` and its own version."""
    told = word(app.package, "packageManager") or ""
    name, _, version = told.partition("+")[0].partition("@")
    if name in {"npm", "pnpm", "yarn", "bun"}:
        return Manager(name=name, version=version if _VERSION.fullmatch(version) else None)
    engines, volta = section(app.package, "engines"), section(app.package, "volta")
    lock = next((name for lock, name in LOCKS if has_file(app.root, lock)), None)
    named = [name for name in ("pnpm", "yarn") if word(volta, name) or word(engines, name)]
    found = lock or (named[0] if len(named) == 1 else "npm")
    wanted = word(volta, found) or word(engines, found) or ""
    of_lock = _version_of_lock(app, found)
    if found in {"pnpm", "yarn"} and _VERSION.fullmatch(wanted) and not _allows(wanted, of_lock):
        return Manager(name=found, version=wanted)
    return Manager(name=found, version=of_lock)


def _allows(wanted: str, major: str | None) -> bool:
    """Whether a range, `>=8`, is met by what writes the lock file, which newer ones cannot read."""
    try:
        spec = NpmSpec(wanted)
    except ValueError:
        return False
    return any(spec.match(NpmVersion(f"{major or 0}.{minor}.{ANY_PATCH}")) for minor in range(100))


def _version_of_lock(app: NodeApp, manager: str) -> str | None:
    if manager == "bun":
        return BUN
    if manager == "pnpm":
        lock = re.search(r"lockfileVersion: '?(\d+)", read_text(app.root / "pnpm-lock.yaml"))
        return PNPM_OF_LOCK.get(lock[1] if lock else "9", "10")
    if manager == "yarn":
        written = re.search(
            r"^__metadata:\s+version: (\d+)", read_text(app.root / "yarn.lock"), re.MULTILINE
        )
        return YARN_OF_LOCK.get(written[1], "4") if written else "1"
    return None


def install_command(app: NodeApp) -> str | None:
    """Installs what the lock file says, at the root of the workspaces if there are any."""
    if not app.dependencies and not _has_workspaces(app) and not app.up:
        return None
    manager = manager_of(app)
    has_lock = any(has_file(app.root, lock) for lock, name in LOCKS if name == manager.name)
    if manager.name == "npm":
        command = "npm ci" if has_lock else "npm install"
    else:
        frozen = "--immutable" if manager.is_berry else "--frozen-lockfile"
        command = f"{manager.name} install{f' {frozen}' if has_lock else ''}"
    return f"cd {app.up} && {command}" if app.up else command


def environ_of(app: NodeApp) -> Mapping[str, str]:
    """Variables of the build and the app.

    Yarn's own way of linking is not known to Node. Its first version refuses a Node that differs
    from a pin by a patch, and any that a dependency was not yet tried with.
    """
    settings, manager = read_text(app.root / ".yarnrc.yml"), manager_of(app)
    if manager.is_berry and "nodeLinker" not in settings:
        return {"YARN_NODE_LINKER": "node-modules"}
    if manager.name == "yarn" and not manager.is_berry:
        return {"YARN_IGNORE_ENGINES": "1"}
    return {}


NPM_REINSTALL = "npm install --prefer-offline --no-audit --no-fund"
"""`npm ci` would remove everything first."""

_INSTALLED_BY = (
    *("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml"),
    *(".pnpmfile.cjs", "bunfig.toml", "patches/**/*", ".yarn/patches/*", ".yarn/releases/*"),
)
"""What besides the lock file decides what is installed."""


def installed_directories(app: NodeApp) -> Carryover | None:
    """What its package manager installs; only a lock file makes that the same each time."""
    manager = manager_of(app).name
    locks = tuple(lock for lock, name in LOCKS if name == manager and has_file(app.root, lock))
    if not locks or app.up:
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


def with_manager(app: NodeApp, build: str | None) -> str | None:
    """The build by the app's own package manager."""
    manager = manager_of(app).name
    if build is None or not build.startswith("npm run "):
        return build
    return build.replace("npm run ", f"{manager} run ", 1)
