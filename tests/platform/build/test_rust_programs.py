"""Programs of Rust apps: the one that is started is one that Cargo itself would build and run."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.platform.build.rust_programs import find_rust_program
from tests.programs import needs

MAIN = "fn main() {}\n"
PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
ONE = PACKAGE.format("one")

LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "a package": {"Cargo.toml": ONE, "src/main.rs": MAIN},
    "a package with a library": {"Cargo.toml": ONE, "src/main.rs": MAIN, "src/lib.rs": ""},
    "a named program": {
        "Cargo.toml": f'{ONE}[[bin]]\nname = "server"\npath = "src/main.rs"\n',
        "src/main.rs": MAIN,
    },
    "a named program elsewhere": {
        "Cargo.toml": f'{ONE}[[bin]]\nname = "web"\npath = "app/web.rs"\n',
        "app/web.rs": MAIN,
    },
    "only src/bin": {"Cargo.toml": ONE, "src/bin/serve.rs": MAIN},
    "a folder of src/bin": {"Cargo.toml": ONE, "src/bin/serve/main.rs": MAIN},
    "a default among several": {
        "Cargo.toml": f'{ONE}default-run = "two"\n',
        "src/main.rs": MAIN,
        "src/bin/two.rs": MAIN,
    },
    "src/bin beside the package's own": {
        "Cargo.toml": ONE,
        "src/main.rs": MAIN,
        "src/bin/migrate.rs": MAIN,
    },
    "no programs looked for": {
        "Cargo.toml": f'{ONE}autobins = false\n[[bin]]\nname = "x"\npath = "src/bin/x.rs"\n',
        "src/bin/x.rs": MAIN,
        "src/bin/y.rs": MAIN,
    },
    "a workspace": {
        "Cargo.toml": '[workspace]\nmembers = ["core", "web"]\nresolver = "2"\n',
        "core/Cargo.toml": PACKAGE.format("core-of-it"),
        "core/src/lib.rs": "",
        "web/Cargo.toml": PACKAGE.format("web-of-it"),
        "web/src/main.rs": MAIN,
    },
    "a workspace whose member names its program": {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n',
        "crates/web/Cargo.toml": PACKAGE.format("web") + '[[bin]]\nname = "api"\npath = "m.rs"\n',
        "crates/web/m.rs": MAIN,
    },
    "a workspace whose member has only src/bin": {
        "Cargo.toml": '[workspace]\nmembers = ["web"]\nresolver = "2"\n',
        "web/Cargo.toml": PACKAGE.format("web"),
        "web/src/bin/api.rs": MAIN,
    },
    "a workspace with a default member": {
        "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\ndefault-members = ["b"]\n',
        "a/Cargo.toml": PACKAGE.format("a"),
        "a/src/main.rs": MAIN,
        "b/Cargo.toml": PACKAGE.format("b"),
        "b/src/main.rs": MAIN,
    },
    "a workspace without some of its folders": {
        "Cargo.toml": '[workspace]\nmembers = ["*"]\nexclude = ["a"]\nresolver = "2"\n',
        "a/Cargo.toml": PACKAGE.format("a"),
        "a/src/main.rs": MAIN,
        "b/Cargo.toml": PACKAGE.format("b"),
        "b/src/main.rs": MAIN,
    },
    "a package that is a workspace, too": {
        "Cargo.toml": f'{ONE}[workspace]\nmembers = ["tool"]\n',
        "src/main.rs": MAIN,
        "tool/Cargo.toml": PACKAGE.format("tool"),
        "tool/src/main.rs": MAIN,
    },
}


def write_layout(directory: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def cargo_programs(directory: Path) -> list[tuple[list[str], str | None]]:
    """Programs of each package that Cargo builds here by default, and the one that it runs."""
    done = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"],
        cwd=directory,
        capture_output=True,
        check=True,
    )
    told = json.loads(done.stdout)
    chosen = told.get("workspace_default_members") or told["workspace_members"]
    return [
        (
            [row["name"] for row in package["targets"] if "bin" in row["kind"]],
            package["default_run"],
        )
        for package in told["packages"]
        if package["id"] in chosen
    ]


@needs("cargo")
@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_the_program_is_one_that_cargo_builds(tmp_path: Path, files: Mapping[str, str]) -> None:
    write_layout(tmp_path, files)
    packages = cargo_programs(tmp_path)
    assert find_rust_program(tmp_path) in [name for names, _ in packages for name in names]
    for _, default in packages:
        assert default is None or find_rust_program(tmp_path) == default
