"""Hostile code in the sandbox that this machine has, as root and as an ordinary user alike."""

import json
import shutil
import socket
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.detection import detect_sandbox
from createos_mcp.platform.sandbox.launches import launch_words
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox
from tests.platform.sandbox.cells import PRIVATE, PYTHON, REFUSED, UID, Cell
from tests.programs import is_required


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    found = detect_sandbox("auto", tmp_path_factory.mktemp("sandbox"))
    if found.bwrap is None and not is_required("bwrap"):
        pytest.skip(f"no sandbox: {found.missing}")
    assert found.name == "bubblewrap", found.missing
    return found


@pytest.fixture
def cell(tmp_path: Path, sandbox: Sandbox) -> Cell:
    return Cell(tmp_path / "cell", sandbox)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Json:
    """One run of all attempts."""
    root = tmp_path_factory.mktemp("attack")
    (root / "diary").write_text("private")
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        own = [[address.partition("/")[0], port] for address in own_addresses()]
        private = [[host, 80] for host in PRIVATE]
        return Cell(root / "cell", sandbox).attack(
            tcp=[*own, *private],
            read=[str(root / "diary"), "/etc/shadow", str(Path.home() / ".profile")],
        )


def test_it_has_a_user_of_its_own_and_no_capability(told: Json, sandbox: Sandbox) -> None:
    user = UID if sandbox.own_user else 1000
    assert told["ids"][:2] == [user, user]
    assert 0 not in told["ids"][2]
    assert set(told["capabilities"]) == {"0000000000000000"}
    assert told["no new privileges"] == "1"


def test_it_sees_no_file_and_no_process_but_its_own(told: Json) -> None:
    assert set(told["read"].values()) == {"No such file or directory"}
    assert not {"root", "home", "var", "opt", "srv"} & set(told["root"]) - {"root"}
    assert len(told["processes"]) < 8
    assert not [place for place in told["mounts"] if place.startswith(("/run", "/var"))]


def test_it_writes_into_its_own_directories_alone(told: Json) -> None:
    written = {place for place, outcome in told["write"].items() if outcome == "done"}
    assert written == {"/app/x", "/tmp/x"}
    assert told["replace app"] != "done"
    assert told["remove app"] != "done"


def test_it_changes_no_setting_of_the_kernel(told: Json) -> None:
    assert "done" not in told["sysctl"].values()
    assert told["sysrq"] != "done"


def test_calls_that_lead_out_are_refused(told: Json, sandbox: Sandbox) -> None:
    if sandbox.filter_file is None:
        pytest.skip("no filter for this kind of machine")
    assert set(told["calls"].values()) <= REFUSED, told["calls"]
    assert set(told["sockets"].values()) <= REFUSED, told["sockets"]
    assert told["raw socket"] in REFUSED


def test_private_addresses_and_those_of_the_machine_are_out_of_reach(
    told: Json, sandbox: Sandbox
) -> None:
    assert sandbox.own_network
    assert len(told["tcp"]) > len(PRIVATE)
    assert "done" not in told["tcp"].values(), told["tcp"]


def test_processes_are_limited(told: Json) -> None:
    assert told["children"] == "limited"


def test_nothing_is_left_when_it_ends(cell: Cell) -> None:
    marker = f"{time.time():.6f}"
    cell.run(["/bin/sh", "-c", f"for i in 1 2 3; do setsid sleep 600.{marker[-6:]} & done; true"])
    left = subprocess.run(
        ["pgrep", "-f", f"sleep 600.{marker[-6:]}"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""


LIBRARY = """
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
    FILE *f = fopen("%s", "a"); if (f) { fprintf(f, "%%d\\n", getuid()); fclose(f); }
    fprintf(stderr, "loaded by uid %%d\\n", getuid());
}
"""


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT"])
def test_variables_of_the_tenant_touch_nothing_that_still_has_rights(
    name: str, cell: Cell, tmp_path: Path
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    proof = tmp_path / "proof"
    source, library = tmp_path / "evil.c", cell.app / "evil.so"
    source.write_text(LIBRARY % proof)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    library.chmod(0o755)
    cell.own()
    # The path on the machine, and the one inside.
    for place in (str(library), "/app/evil.so"):
        cell.run(["/bin/sh", "-c", "id -u"], variables={name: place})
    assert not proof.exists()


def test_programs_of_the_tenant_are_never_run_before_its_command(cell: Cell) -> None:
    for program in ("prlimit", "setpriv", "sh", "cat", "bwrap", "slirp4netns"):
        (cell.app / program).write_text("#!/bin/sh\necho stolen $0 >> /app/stolen\n")
        (cell.app / program).chmod(0o755)
    cell.own()
    printed = cell.run(
        ["/bin/echo", "mine"],
        variables={"PATH": "/app:/usr/bin", "BASH_ENV": "/app/sh", "ENV": "/app/sh"},
    )
    assert printed == "mine"
    assert not (cell.app / "stolen").exists()


@pytest.mark.parametrize(
    "value",
    ["it's", "$(touch /app/ran)", "`touch /app/ran`", "a\nb", 'quo"te', "\\", "ünï", "", " x "],
)
def test_values_arrive_as_they_are(value: str, cell: Cell) -> None:
    read = [str(PYTHON), "-c", "import json, os; print(json.dumps(os.environ['MINE']))"]
    assert json.loads(cell.run(read, variables={"MINE": value})) == value
    assert not (cell.app / "ran").exists()


def test_variables_are_in_no_process_list_and_in_no_file(cell: Cell) -> None:
    launch = cell.launch(["/bin/sleep", "5"], {"SECRET": "hunter2-in-a-variable"})
    with subprocess.Popen(launch_words(launch), env={}, stderr=subprocess.PIPE) as process:
        time.sleep(1)
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        kept = [file for file in cell.run_dir.iterdir() if file.is_file()]
        process.terminate()
        process.communicate(timeout=20)
    assert "hunter2-in-a-variable" not in listed.stdout
    assert not [file for file in kept if "hunter2" in file.read_text(errors="replace")]


def test_a_folder_that_was_swapped_for_a_link_leads_nowhere(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("hunter2")
    (cell.app / "sub").symlink_to(tmp_path / "outside")
    printed = cell.run(["/bin/ls", "."], directory="sub")
    assert "secret" not in printed
    assert cell.exit_code != "0"


def test_the_log_is_written_by_the_launcher_alone(cell: Cell) -> None:
    (cell.root / "victim").write_text("kept")
    cell.log.symlink_to(cell.root / "victim")
    words = launch_words(cell.launch(["/bin/echo", "hello"]))
    done = subprocess.run(words, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert (cell.root / "victim").read_text() == "kept"


def test_a_launcher_that_is_killed_takes_everything_with_it(cell: Cell) -> None:
    process = subprocess.Popen(launch_words(cell.launch(["/bin/sleep", "611.5"])), env={})
    time.sleep(1)
    process.kill()
    process.wait(10)
    time.sleep(1)
    left = subprocess.run(["pgrep", "-f", "sleep 611.5"], capture_output=True, check=False)
    assert left.stdout == b""


MEMORY = {
    "one process": "x = bytearray(900 << 20); x[::4096] = b'x' * len(x[::4096]); time.sleep(20)",
    "many sessions": """
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        x = bytearray(200 << 20); x[::4096] = b'x' * len(x[::4096]); time.sleep(20); os._exit(0)
time.sleep(20)""",
    "memory files": """
kept = []
for _ in range(10):
    kept.append(os.memfd_create('x'))
    for _ in range(80): os.write(kept[-1], b'x' * (1 << 20))
time.sleep(20)""",
    "shared memory": """
m = mmap.mmap(-1, 800 << 20)
for i in range(0, len(m), 4096): m[i] = 1
time.sleep(20)""",
    "temporary files": """
with open('/tmp/big', 'wb') as f:
    for _ in range(800): f.write(b'x' * (1 << 20))
time.sleep(20)""",
    "device files": """
with open('/dev/shm/big', 'wb') as f:
    for _ in range(800): f.write(b'x' * (1 << 20))
time.sleep(20)""",
}


@pytest.mark.parametrize("way", MEMORY)
def test_no_way_around_the_memory_limit_without_control_groups(way: str, cell: Cell) -> None:
    code = f"import mmap, os, time\n{MEMORY[way]}\nprint('HELD', flush=True)"
    printed = cell.run([str(PYTHON), "-c", code], memory_mb=500)
    assert "HELD" not in printed


def test_files_and_descriptors_are_limited(cell: Cell) -> None:
    code = """
import os, resource
print(resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_CORE)[1])
try:
    with open('/app/big', 'wb') as f: f.truncate(2 << 30)
    print('HELD')
except OSError as e: print(type(e).__name__)
"""
    printed = cell.run([str(PYTHON), "-c", code]).split()
    assert int(printed[0]) <= 8192
    assert printed[1:] == ["0", "OSError"]


def test_bound_links_become_links_and_parents_stay_open(cell: Cell, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "real").write_text("here")
    (tools / "real").chmod(0o644)
    binds = (Bind(path=tools / "real"), Bind(path=tools / "link", target="real"))
    confinement = Confinement(
        app=cell.app, toolchain=binds, uid=UID if cell.sandbox.own_user else None
    )
    words = cell.sandbox.confine(["/bin/cat", str(tools / "link")], confinement)
    launch = replace(cell.launch(["/bin/true"]), words=words)
    subprocess.run(launch_words(launch), env={}, timeout=60, check=True)
    assert cell.log.read_text().endswith(" here\n")


def test_the_run_directory_is_for_its_owner_alone(cell: Cell) -> None:
    cell.run(["/bin/true"])
    assert stat.S_IMODE(cell.run_dir.stat().st_mode) == 0o700
