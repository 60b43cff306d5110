"""Apps of Go and Rust: which of their programs is the app."""

import re
from pathlib import Path

from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.frameworks import DEFAULT_RUNTIMES
from createos_mcp.platform.build.manifests import has_file, read_code
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.rust_programs import SERVING, find_rust_program
from createos_mcp.platform.build.version_pins import choose_go, choose_rust

_GO_MAIN = re.compile(r"^package main\b", re.MULTILINE)


def suggest_go(source: Path, _top: Path, framework: str | None) -> Plan:
    """How an app of Go is built and run."""
    choice = choose_go(source)
    place, others = _go_main(source)
    if not any(has_file(source, name) for name in ("go.mod", "go.work")):
        place = "main.go"
    notes = (f"Several programs were found; {place} is built.",) if others else ()
    return Plan(
        runtime=f"golang:{choice.version}" if choice.version else DEFAULT_RUNTIMES["golang"],
        build=f"go build -o ./app {place}",
        run="./app",
        reason=framework or ("" if place == "." else place),
        notes=notes,
    )


def suggest_rust(source: Path, _top: Path, framework: str | None) -> Plan:
    """How an app of Rust is built and run."""
    choice = choose_rust(source)
    name = find_rust_program(source)
    return Plan(
        runtime=f"rust:{choice.version}" if choice.version else DEFAULT_RUNTIMES["rust"],
        build="cargo build --release",
        caches=Carryover(name="build", paths=("target/release",), touches_sources=True),
        run=f"./target/release/{name}" if name else None,
        reason=framework or "",
    )


def _go_main(source: Path) -> tuple[str, bool]:
    """The directory of the program, and whether there are others."""
    files = [file for depth in ("*.go", "*/*.go", "*/*/*.go") for file in source.glob(depth)]
    mains = {
        file.parent.relative_to(source).as_posix()
        for file in files
        if not file.name.endswith("_test.go") and _GO_MAIN.search(read_code(file))
    }
    if not mains or "." in mains:
        return ".", False
    named = [f"cmd/{name}" for name in SERVING]
    found = next((place for place in named if place in mains), min(mains))
    return f"./{found}", len(mains) > 1
