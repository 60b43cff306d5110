"""Which programs of a machine are taken for a runtime; the programs are scripts of the test."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.build.toolchains import Toolchain, Toolchains, at_least
from createos_mcp.platform.errors import BuildFailedError


def machine(root: Path, programs: Mapping[str, str]) -> dict[str, str]:
    """The environment of a machine with these programs, each a script of the shell."""
    binaries = root / "bin"
    binaries.mkdir()
    for name, script in programs.items():
        (binaries / name).write_text(f"#!/bin/sh\n{script}\n")
        (binaries / name).chmod(0o755)
    return {"PATH": str(binaries)}


async def provide(
    root: Path, runtime: str, programs: Mapping[str, str], *, kept: Path | None = None
) -> tuple[Toolchain, str]:
    """The toolchain, and what was said about it."""
    said: list[str] = []

    async def log(lines: Sequence[str]) -> None:
        said.extend(lines)

    toolchains = Toolchains(directory=kept or root / "kept", environ=machine(root, programs))
    return await toolchains.provide(runtime, log), "\n".join(said)


async def test_a_toolchain_whose_directory_holds_the_users_own_files_is_refused(
    tmp_path: Path,
) -> None:
    """A build would read the home, or the platform's key and database, through it."""
    for root in (tmp_path, tmp_path / "kept", Path("/")):
        (tmp_path / "kept").mkdir(exist_ok=True)
        go = f'case "$2" in GOVERSION) echo go1.25.1;; GOROOT) echo {root};; esac'
        place = tmp_path / f"machine-{len(root.parts)}"
        place.mkdir()

        with pytest.raises(BuildFailedError, match="holds your own files") as refused:
            await provide(place, "golang:1.25", {"go": go}, kept=tmp_path / "kept" / "tools")
        assert refused.value.code is ReasonCode.RUNTIME_UNAVAILABLE


async def test_a_python_that_cannot_be_had_gives_way_to_one_that_is_here(tmp_path: Path) -> None:
    here = f"python:{sys.version_info.major}.{sys.version_info.minor}"
    said: list[str] = []

    async def log(lines: Sequence[str]) -> None:
        said.extend(lines)

    toolchains = Toolchains(directory=tmp_path / "kept", environ=machine(tmp_path, {}))
    found = await toolchains.provide_one_of(("python:3.999", "python:3.998", here), log)

    assert found.name == f"python {sys.version.split()[0]}"
    assert f"Using {here} instead of python:3.999" in said
    with pytest.raises(BuildFailedError, match=r"python 3\.999 is not installed"):
        await toolchains.provide_one_of(("python:3.999", "python:3.998"), log)


NODE = {"node": "echo v20.11.0", "npm": "exit 1"}


async def test_node_of_the_same_major_version_is_taken(tmp_path: Path) -> None:
    toolchain, said = await provide(tmp_path, "node:20", NODE)

    assert toolchain.name == "node 20.11.0"
    assert toolchain.path == (tmp_path / "bin",)
    assert said == "Using node 20.11.0"


@pytest.mark.parametrize("runtime", ["node:22", "node:2"])
async def test_node_of_another_major_version_is_not_taken(tmp_path: Path, runtime: str) -> None:
    with pytest.raises(BuildFailedError) as refusal:
        await provide(tmp_path, runtime, NODE)

    assert refusal.value.code is ReasonCode.RUNTIME_UNAVAILABLE
    assert "could not be downloaded" in str(refusal.value)


RUST = {"rustc": 'case "$1" in --version) echo "rustc 1.75.0 (x)";; *) echo /opt/rust;; esac'}


@pytest.mark.parametrize("wanted", ["1.74", "1.75"])
async def test_a_newer_rust_is_taken(tmp_path: Path, wanted: str) -> None:
    toolchain, _ = await provide(tmp_path, f"rust:{wanted}", RUST)

    assert toolchain.path == (Path("/opt/rust/bin"),)


@pytest.mark.parametrize(("programs", "has"), [(RUST, "1.75.0"), ({}, "no Rust")])
async def test_an_older_rust_or_none_is_refused_with_what_there_is(
    tmp_path: Path, programs: Mapping[str, str], has: str
) -> None:
    with pytest.raises(BuildFailedError, match=has) as refusal:
        await provide(tmp_path, "rust:1.76", programs)
    assert refusal.value.code is ReasonCode.RUNTIME_UNAVAILABLE


GO = {"go": 'case "$2" in GOVERSION) echo go1.25.1;; GOROOT) echo /opt/go;; esac'}


async def test_go_is_told_not_to_fetch_another_one_by_itself(tmp_path: Path) -> None:
    toolchain, _ = await provide(tmp_path, "golang:1.25", GO)

    assert toolchain.name == "go 1.25.1"
    assert toolchain.environ == {"GOTOOLCHAIN": "local"}


async def test_pages_need_no_programs(tmp_path: Path) -> None:
    toolchain, _ = await provide(tmp_path, "static", {})

    assert toolchain.path == ()


async def test_a_runtime_is_looked_for_once(tmp_path: Path) -> None:
    counted = {"node": f"echo x >> {tmp_path}/asked; echo v20.11.0", "npm": "exit 1"}
    toolchains = Toolchains(directory=tmp_path / "kept", environ=machine(tmp_path, counted))

    async def log(_lines: Sequence[str]) -> None: ...

    await toolchains.provide("node:20", log)
    await toolchains.provide("node:20", log)

    assert (tmp_path / "asked").read_text() == "x\n"


@pytest.mark.parametrize(
    ("has", "wanted", "is_enough"),
    [
        ("go1.22.0", "1.22", True),
        ("go1.23.1", "1.22", True),
        ("go1.21.9", "1.22", False),
        ("go2.0", "1.22", True),
    ],
)
def test_an_installed_version_is_enough_from_the_wanted_one_on(
    has: str, wanted: str, *, is_enough: bool
) -> None:
    assert at_least(has, wanted) is is_enough


async def test_a_directory_that_is_closed_to_this_user_is_passed_over(tmp_path: Path) -> None:
    """Root may look everywhere; the tests run as an ordinary user, too."""
    closed = tmp_path / "closed"
    (closed / "versions").mkdir(parents=True)
    closed.chmod(0)
    name = f"{sys.version_info.major}.{sys.version_info.minor}"
    environ = {"PATH": str(closed), "PYENV_ROOT": str(closed)}

    async def log(_lines: Sequence[str]) -> None:
        return

    try:
        toolchains = Toolchains(directory=tmp_path / "kept", environ=environ)
        found = await toolchains.provide(f"python:{name}", log)
    finally:
        closed.chmod(0o700)
    assert found.name.startswith(f"python {name}")
