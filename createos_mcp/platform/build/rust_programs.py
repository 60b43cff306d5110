"""Programs of Rust apps, found as Cargo finds them.

https://doc.rust-lang.org/cargo/reference/cargo-targets.html#target-auto-discovery. Cargo is not
asked: it would read files of the tenant's outside the sandbox. A test holds the two equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.manifests import (
    has_file,
    matching_directories,
    read_toml_manifest,
    section,
    word,
)

SERVING = ("server", "api", "web", "app", "main", "http")
"""Names that tell the app among several programs, best first."""

_MANIFEST = "Cargo.toml"


def find_rust_program(source: Path) -> str | None:
    """The program that `cargo build` makes here and that is the app; None without one.

    Raises:
        BuildFailedError: A manifest is not TOML.
    """
    manifest = read_toml_manifest(source / _MANIFEST)
    found = [
        program
        for package in _packages(source, manifest)
        if (program := _program(package, read_toml_manifest(package / _MANIFEST)))
    ]
    return best_of(found)


def best_of(programs: Sequence[str]) -> str | None:
    """The one whose name says that it serves, or the first."""
    return next((name for name in SERVING if name in programs), next(iter(programs), None))


def _packages(source: Path, manifest: Mapping[str, Json]) -> list[Path]:
    """Those that Cargo builds where none is named."""
    workspace = section(manifest, "workspace")
    chosen = [*_directories(source, workspace, "default-members")]
    if chosen:
        return chosen
    if "package" in manifest or not workspace:
        return [source]
    left_out = {*_directories(source, workspace, "exclude")}
    return [one for one in _directories(source, workspace, "members") if one not in left_out]


def _directories(source: Path, workspace: Mapping[str, Json], key: str) -> Iterator[Path]:
    patterns = workspace.get(key)
    for pattern in patterns if isinstance(patterns, list) else ():
        if isinstance(pattern, str):
            yield from matching_directories(source, pattern)


def _program(place: Path, manifest: Mapping[str, Json]) -> str | None:
    package = section(manifest, "package")
    default = word(package, "default-run")
    if default:
        return default
    programs = [*_programs(place, manifest)]
    own = word(package, "name")
    is_library = has_file(place, "src/lib.rs")
    # Without any file Cargo complains, and says of which program.
    return own if own in programs or not (programs or is_library) else best_of(programs)


def _programs(place: Path, manifest: Mapping[str, Json]) -> Iterator[str]:
    package = section(manifest, "package")
    declared = manifest.get("bin")
    rows = [
        row for row in (declared if isinstance(declared, list) else ()) if isinstance(row, dict)
    ]
    yield from (name for row in rows if (name := word(row, "name")))
    if package.get("autobins") is False:
        return
    taken = {word(row, "path") for row in rows}
    own = word(package, "name")
    if own and has_file(place, "src/main.rs") and "src/main.rs" not in taken:
        yield own
    files = [file for file in sorted(place.glob("src/bin/*.rs")) if file.is_file()]
    yield from (file.stem for file in files if file.relative_to(place).as_posix() not in taken)
    yield from (file.parent.name for file in sorted(place.glob("src/bin/*/main.rs")))
