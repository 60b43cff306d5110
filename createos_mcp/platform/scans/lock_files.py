"""Lock files: which packages an app is built from, at which versions.

Read are the uploaded files, which nothing of the app has changed; links are not followed.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from createos_mcp.contract.values import Json

MAX_FILE_BYTES = 20 * 2**20
_LEFT_OUT = {"node_modules", ".git", ".venv", "venv", "target", "vendor"}
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#,\\]+)")
_LOOSE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w./~-]+\.[\w./~-]+)\s+(v[^\s/]+)", re.MULTILINE)
_GEM = re.compile(r"^    ([A-Za-z0-9._-]+) \((\d[^)]*)\)$", re.MULTILINE)
_YARN = re.compile(r'^"?(@?[^@"\n]+)@[^\n]*:\n\s+version:? "?([^"\n]+)"?', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Package:
    """One package at the installed version, named as https://ossf.github.io/osv-schema/ has it."""

    ecosystem: str
    name: str
    version: str
    file: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackages:
    """What was found in a tree of files."""

    packages: tuple[Package, ...]
    unpinned: tuple[str, ...]
    """`requirements.txt: flask`: named without a version, so that none can be looked up."""
    unreadable: tuple[str, ...]


def read_lock_files(root: Path) -> LockedPackages:
    """Packages of all lock files below a directory."""
    packages: set[Package] = set()
    unpinned, unreadable = [], []
    for path in _files(root):
        read = _READERS.get(path.name)
        if read is None:
            continue
        name = path.relative_to(root).as_posix()
        try:
            ecosystem, found = read(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
            unreadable.append(name)
            continue
        for package, version in found:
            if version:
                packages.add(Package(ecosystem=ecosystem, name=package, version=version, file=name))
            else:
                unpinned.append(f"{name}: {package}")
    return LockedPackages(
        packages=tuple(sorted(packages)),
        unpinned=tuple(unpinned),
        unreadable=tuple(unreadable),
    )


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_symlink() or path.name in _LEFT_OUT:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.stat().st_size <= MAX_FILE_BYTES:
            yield path


_Found = tuple[str, list[tuple[str, str]]]


def _requirements(text: str) -> _Found:
    found = []
    for line in text.splitlines():
        pinned = _PINNED.match(line)
        loose = _LOOSE.match(line)
        if pinned:
            found.append((pinned[1], pinned[2]))
        elif loose and "://" not in line and "@ " not in line:
            found.append((loose[0], ""))
    return "PyPI", found


def _toml_packages(ecosystem: str) -> Callable[[str], _Found]:
    def read(text: str) -> _Found:
        rows = tomllib.loads(text).get("package", [])
        registry = [row for row in rows if not _is_own(row)]
        return ecosystem, [(row["name"], row["version"]) for row in registry]

    return read


def _is_own(row: Mapping[str, Json]) -> bool:
    """Whether it is a part of the app itself, as the lock files of uv and cargo mark it."""
    source = row.get("source")
    if isinstance(source, dict):
        return bool({"virtual", "editable", "directory", "path"} & source.keys())
    return False


def _cargo(text: str) -> _Found:
    rows = tomllib.loads(text).get("package", [])
    return "crates.io", [(row["name"], row["version"]) for row in rows if "source" in row]


def _pipenv(text: str) -> _Found:
    told = json.loads(text)
    rows = {**told.get("default", {}), **told.get("develop", {})}
    return "PyPI", [(name, row.get("version", "").removeprefix("==")) for name, row in rows.items()]


def _npm(text: str) -> _Found:
    told = json.loads(text)
    found = []
    for place, row in told.get("packages", {}).items():
        if "node_modules/" in place and not row.get("link") and "version" in row:
            found.append((row.get("name") or place.rpartition("node_modules/")[2], row["version"]))
    if "packages" not in told:
        found += _npm_tree(told.get("dependencies", {}))
    return "npm", found


def _npm_tree(rows: Mapping[str, Json]) -> list[tuple[str, str]]:
    found = []
    for name, row in rows.items():
        found.append((name, row["version"]))
        found += _npm_tree(row.get("dependencies", {}))
    return found


def _yarn(text: str) -> _Found:
    found = [(match[1], match[2]) for match in _YARN.finditer(text)]
    return "npm", [(name, version) for name, version in found if name != "__metadata"]


def _pnpm(text: str) -> _Found:
    found = []
    for key in yaml.safe_load(text).get("packages") or {}:
        name, _, version = key.removeprefix("/").partition("(")[0].rpartition("@")
        if name:
            found.append((name, version))
    return "npm", found


def _bun(text: str) -> _Found:
    """https://bun.sh/docs/install/lockfile: JSON with commas at the end of lists."""
    told = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
    found = []
    for row in told.get("packages", {}).values():
        name, _, version = str(row[0]).rpartition("@")
        if version[:1].isdigit():
            found.append((name, version))
    return "npm", found


def _composer(text: str) -> _Found:
    told = json.loads(text)
    rows = [*told.get("packages", ()), *told.get("packages-dev", ())]
    return "Packagist", [(row["name"], row["version"].removeprefix("v")) for row in rows]


def _bundler(text: str) -> _Found:
    return "RubyGems", [(match[1], match[2]) for match in _GEM.finditer(text)]


def _go(text: str) -> _Found:
    return "Go", [(match[1], match[2].removeprefix("v")) for match in _GO_REQUIRE.finditer(text)]


_READERS: Mapping[str, Callable[[str], _Found]] = {
    "requirements.txt": _requirements,
    "uv.lock": _toml_packages("PyPI"),
    "poetry.lock": _toml_packages("PyPI"),
    "Pipfile.lock": _pipenv,
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "pnpm-lock.yaml": _pnpm,
    "bun.lock": _bun,
    "go.mod": _go,
    "Cargo.lock": _cargo,
    "composer.lock": _composer,
    "Gemfile.lock": _bundler,
}
