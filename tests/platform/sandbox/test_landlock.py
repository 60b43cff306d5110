"""Hostile code where bubblewrap is missing and the kernel has Landlock."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.sandbox import landlock
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.detection import detect_sandbox
from createos_mcp.platform.sandbox.launches import launch_words
from createos_mcp.platform.sandbox.sandbox import LANDLOCK, Sandbox
from tests.platform.sandbox.cells import PRIVATE, REFUSED, UID, Cell
from tests.programs import is_required

IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that a project's own user may enter, as data directories have to be for it."""
    directory = Path(tempfile.mkdtemp(prefix="createos-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module", params=["network of its own", "network of the machine"])
def sandbox(request: pytest.FixtureRequest, place: Path) -> Sandbox:
    if not landlock.version() and not is_required("landlock"):
        pytest.skip("this kernel has no Landlock")
    found = detect_sandbox(LANDLOCK, place / "sandbox")
    assert found.name == LANDLOCK, found.missing
    assert "bubblewrap is not installed" in found.missing["processes"]
    if request.param == "network of the machine":
        return replace(found, own_network=False, slirp=None, resolver_file=None)
    assert found.own_network
    return found


@pytest.fixture
def cell(place: Path, sandbox: Sandbox, request: pytest.FixtureRequest) -> Cell:
    cell = Cell(place / f"{abs(hash(request.node.name)):x}", sandbox)
    cell.root.chmod(0o711)
    return cell


def test_it_reads_and_writes_nothing_but_its_own(cell: Cell) -> None:
    diary = cell.root / "diary"
    diary.write_text("private")
    with subprocess.Popen(["sleep", "60"], env={"SECRET": "hunter2"}) as other:
        told: Json = cell.attack(
            read=[str(diary), "/etc/shadow", f"/proc/{other.pid}/environ", str(Path.home())],
            write=[str(cell.app / "y"), str(cell.root / "z"), str(Path.home() / "z")],
            signal=[other.pid, os.getpid()],
        )
        other.kill()
    assert set(told["read"].values()) <= {*REFUSED, "Is a directory"}, told["read"]
    assert told["read"][str(diary)] == "Permission denied"
    written = {path for path, outcome in told["write"].items() if outcome == "done"}
    assert written == {str(cell.app / "y")}
    assert "done" not in told["signals"].values(), told["signals"]
    assert "done" not in told["sysctl"].values()


def test_it_has_no_rights_and_calls_that_lead_out_are_refused(cell: Cell) -> None:
    told = cell.attack()
    assert told["ids"][0] == (UID if IS_ROOT else os.getuid())
    assert set(told["capabilities"][:2]) == {"0000000000000000"}
    assert told["no new privileges"] == "1"
    if cell.sandbox.filter_file is not None:
        assert set(told["calls"].values()) <= REFUSED, told["calls"]
        assert set(told["sockets"].values()) <= REFUSED, told["sockets"]


@pytest.mark.parametrize("sandbox", ["network of its own"], indirect=True)
def test_with_a_network_of_its_own_it_reaches_no_private_address(cell: Cell) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        own = [[address.partition("/")[0], port] for address in own_addresses()]
        told = cell.attack(tcp=[*own, *([host, 80] for host in PRIVATE)])
    assert "done" not in told["tcp"].values(), told["tcp"]


def test_temporary_files_have_a_place_and_values_arrive(cell: Cell) -> None:
    code = 'f=$(mktemp) && echo "$MINE" > "$f" && cat "$f" && dirname "$f"'
    printed = cell.run(["/bin/sh", "-c", code], variables={"MINE": "it's"}).splitlines()
    assert printed == ["it's", str(cell.app / ".tmp")]


def test_nothing_that_it_started_is_left_when_it_is_stopped(cell: Cell) -> None:
    sleep = f"sleep 612.{secrets.randbelow(10**9)}"  # another test may run the same
    launch = cell.launch(["/bin/sh", "-c", f"setsid {sleep} & {sleep}"])
    with subprocess.Popen(launch_words(launch), env={}) as process:
        time.sleep(1)
        process.terminate()
        process.wait(20)
    left = subprocess.run(["pgrep", "-f", sleep], capture_output=True, check=False)
    assert left.stdout == b""


def test_the_programs_that_run_are_those_of_the_system(cell: Cell) -> None:
    hidden = cell.root / "program"
    shutil.copy("/bin/echo", hidden)
    hidden.chmod(0o755)
    cell.run([str(hidden), "ran"])
    assert cell.exit_code != "0"
