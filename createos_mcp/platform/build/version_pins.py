"""Version pins: which version of a language an app asks for, and which one it gets.

Ranges are those of npm (https://github.com/npm/node-semver#ranges) and of
Python (https://packaging.python.org/specifications/version-specifiers/).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from semantic_version import NpmSpec, Version as NpmVersion

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import read_text, read_toml_manifest, section, word
from createos_mcp.platform.build.other_hosts import read_version_pin
from createos_mcp.platform.build.python_programs import find_self_described

NODE_MAJORS = (22, 20, 24, 18)
"""In the order of preference; the first is what an app gets that asks for none."""

OTHER_NODE_MAJORS = (26, 25, 23, 21, 19, 17, 16, 15, 14, 13, 12, 11, 10)
"""For apps that ask for nothing else."""

NODE_NAMES: Mapping[str, int] = {
    "lts/*": 22,
    "node": 24,
    "latest": 24,
    "current": 24,
    "stable": 22,
    "lts/hydrogen": 18,
    "lts/iron": 20,
    "lts/jod": 22,
    "lts/krypton": 24,
}
ANY_PATCH = 99
"""A version that is later than any of its line, so that `>=20.5` is met by 20."""

_NPM_SINCE = ((18, 10), (12, 8), (10, 7), (6, 6), (0, 4))
"""The npm that the Nodes from a major version on can run: `engines` of its releases."""

PYTHON_MINORS = (12, 11, 13, 10, 14, 9, 8)

_TOOL_VERSION = re.compile(r"^(\w[\w.-]*)[\t ]+(\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What an app asks for."""

    wanted: str
    """As it stands there, `>=3.11`."""
    place: str
    """`engines.node in package.json`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionChoice:
    """What it gets."""

    version: str | None
    """`22`; None when it asks for none, or for none that can be had."""
    note: str | None = None


def choose_node(source: Path, package: Mapping[str, Json]) -> VersionChoice:
    """The major version of Node."""
    return _choose(_node_pins(source, package), _match_node)


def npm_for(node: str) -> int:
    """The major version of npm for a major version of Node, `22`."""
    major = int(node) if re.fullmatch(r"[0-9]{1,3}", node) else NODE_MAJORS[0]
    return next(npm for since, npm in _NPM_SINCE if major >= since)


def choose_python(source: Path) -> VersionChoice:
    """The minor version of Python; a pin that the project itself rules out does not count."""
    project = section(read_toml_manifest(source / "pyproject.toml"), "project")
    required = word(project, "requires-python") or ""
    pins = (pin for pin in _python_pins(source) if _is_allowed(_match_python(pin.wanted), required))
    return _choose(pins, _match_python)


def other_pythons(source: Path, version: str) -> tuple[str, ...]:
    """The minor versions that do as well, as far as the project tells, nearest first."""
    pyproject = read_toml_manifest(source / "pyproject.toml")
    required = word(section(pyproject, "project"), "requires-python") or word(
        section(pyproject, "tool", "poetry", "dependencies"), "python"
    )
    found = re.fullmatch(r"3\.(\d{1,3})", version)
    if found is None:
        return ()
    minor = int(found[1])
    nearest = sorted(PYTHON_MINORS, key=lambda other: abs(other - minor))
    others = (f"3.{other}" for other in nearest if other != minor)
    return tuple(other for other in others if _is_allowed(other, required or ""))


def _is_allowed(version: str | None, required: str) -> bool:
    try:
        fits = SpecifierSet(_as_specifiers(required))
        return version is None or fits.contains(f"{version}.{ANY_PATCH}")
    except ValueError:  # an InvalidSpecifier among them
        return True


def choose_go(source: Path) -> VersionChoice:
    """The version of Go that `go.mod` asks for."""
    files = (source / "go.work", source / "go.mod")
    found = (re.search(r"^go (\d+\.\d+)", read_text(file), re.MULTILINE) for file in files)
    return VersionChoice(version=next((version[1] for version in found if version), None))


def choose_rust(source: Path) -> VersionChoice:
    """The version of Rust that the toolchain file or the package asks for."""
    plain = read_text(source / "rust-toolchain").strip()
    toolchain = section(read_toml_manifest(source / "rust-toolchain.toml"), "toolchain")
    package = section(read_toml_manifest(source / "Cargo.toml"), "package")
    named = word(toolchain, "channel") or plain or word(package, "rust-version") or ""
    found = re.match(r"(\d+\.\d+)", named)
    return VersionChoice(version=found[1] if found else None)


def _choose(pins: Iterator[Pin], match: Callable[[str], str | None]) -> VersionChoice:
    """The first pin that can be met; a pin that cannot be is told."""
    note = None
    for pin in pins:
        version = match(pin.wanted)
        if version is not None:
            return VersionChoice(version=version)
        note = note or f"{pin.place} asks for {pin.wanted!r}, which cannot be had here."
    return VersionChoice(version=None, note=note)


def _node_pins(source: Path, package: Mapping[str, Json]) -> Iterator[Pin]:
    for name in (".nvmrc", ".node-version"):
        yield from _first_line(source / name)
    yield from _tool_versions(source, ("nodejs", "node"))
    volta = word(section(package, "volta"), "node")
    if volta:
        yield Pin(wanted=volta, place="volta.node in package.json")
    engine = word(section(package, "engines"), "node")
    if engine:
        yield Pin(wanted=engine, place="engines.node in package.json")
    yield from _of_other_host(source, "NODE_VERSION")


def _python_pins(source: Path) -> Iterator[Pin]:
    yield from _first_line(source / ".python-version")
    yield from _first_line(source / "runtime.txt")
    yield from _tool_versions(source, ("python",))
    pyproject = read_toml_manifest(source / "pyproject.toml")
    wanted = word(section(pyproject, "project"), "requires-python")
    if wanted:
        yield Pin(wanted=wanted, place="requires-python in pyproject.toml")
    poetry = word(section(pyproject, "tool", "poetry", "dependencies"), "python")
    if poetry:
        yield Pin(wanted=poetry, place="tool.poetry.dependencies.python in pyproject.toml")
    pipfile = section(read_toml_manifest(source / "Pipfile"), "requires")
    wanted = word(pipfile, "python_version") or word(pipfile, "python_full_version")
    if wanted:
        yield Pin(wanted=wanted, place="python_version in Pipfile")
    described = find_self_described(source)
    wanted = word(described[1], "requires-python") if described else None
    if described and wanted:
        yield Pin(wanted=wanted, place=f"requires-python in {described[0]}")
    yield from _of_other_host(source, "PYTHON_VERSION")


def _of_other_host(source: Path, variable: str) -> Iterator[Pin]:
    told = read_version_pin(source, variable)
    if told is not None:
        yield Pin(wanted=told[0], place=f"{variable} in {told[1]}")


def _first_line(file: Path) -> Iterator[Pin]:
    lines = (line.strip() for line in read_text(file).splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), None)
    if first:
        yield Pin(wanted=first, place=file.name)


def _tool_versions(source: Path, names: Sequence[str]) -> Iterator[Pin]:
    """Of asdf and of mise."""
    listed = dict(_TOOL_VERSION.findall(read_text(source / ".tool-versions")))
    for file in ("mise.toml", ".mise.toml"):
        tools = section(read_toml_manifest(source / file), "tools")
        listed |= {name: str(held) for name, held in tools.items() if isinstance(held, str | float)}
    for name in names:
        if name in listed:
            yield Pin(wanted=listed[name], place=".tool-versions or mise.toml")


def _match_node(wanted: str) -> str | None:
    named = NODE_NAMES.get(wanted.lower())
    if named is not None:
        return str(named)
    try:
        spec = NpmSpec(wanted.lower().removeprefix("v").replace("||", " || "))
    except ValueError:
        plain = re.fullmatch(r"[v=^~]?(\d+)(?:\.[\dx*]+)*", wanted)
        return plain[1] if plain else None
    for major in (*NODE_MAJORS, *OTHER_NODE_MAJORS):
        if any(spec.match(NpmVersion(f"{major}.{minor}.{ANY_PATCH}")) for minor in range(100)):
            return str(major)
    exact = re.fullmatch(r"\D?(\d+)\.\d+\.\d+", wanted)
    return exact[1] if exact else None


def _match_python(wanted: str) -> str | None:
    plain = re.match(r"(?:python-|cpython@?)?(\d+\.\d+)(?:\.\d+)?$", wanted)
    if plain:
        return plain[1]
    if wanted.isdecimal():
        wanted = f"=={wanted}.*"
    try:
        spec = SpecifierSet(_as_specifiers(wanted))
    except ValueError:  # an InvalidSpecifier among them
        return None
    for minor in PYTHON_MINORS:
        if any(spec.contains(Version(f"3.{minor}.{patch}")) for patch in (ANY_PATCH, 0, 9)):
            return f"3.{minor}"
    return None


def _as_specifiers(wanted: str) -> str:
    """Poetry's caret and tilde as Python's own, `^3.10` is `>=3.10,<4`."""
    parts = []
    for part in re.split(r"\s*,\s*", wanted.strip()):
        version = part.lstrip("^~").strip()
        if part.startswith("^"):
            parts.append(f">={version},<{int(version.partition('.')[0]) + 1}")
        elif part.startswith("~") and not part.startswith("~="):
            parts.append(f"~={version}" if version.count(".") > 1 else f"=={version}.*")
        elif re.fullmatch(r"\d+(\.\d+)*(\.\*)?", part):
            parts.append(f"=={version.removesuffix('.*')}.*")
        else:
            parts.append(part)
    return ",".join(parts)
