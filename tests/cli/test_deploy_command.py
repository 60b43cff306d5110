"""`createos-mcp deploy`, `platform open`, `top` and `logs`, as they are typed."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from tests.cli.launches import run

APP = """
import http.server, os
print("WARNING cold", flush=True)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked for", self.path, flush=True)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"hi")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """The variables of a platform of its own, which ends with the test."""
    variables = {"CREATEOS_DATA_DIR": str(tmp_path / "data")}
    yield variables
    run("platform", "stop", **variables)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    directory = tmp_path / "My Shop"
    directory.mkdir()
    (directory / "main.py").write_text(APP)
    return directory


def on_a_terminal(*arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of the command line in a terminal of 80 columns."""
    main, side = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")}
    with subprocess.Popen(
        [sys.executable, "-m", "createos_mcp", *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**environ, "TERM": "xterm", "COLUMNS": "80", **variables},
    ) as process:
        os.close(side)
        shown = b""
        while chunk := _read(main):
            shown += chunk
    os.close(main)
    return process.returncode, shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is gone
        return b""


def test_a_folder_is_deployed_under_its_own_name_with_its_build_in_plain_lines(
    own: Mapping[str, str], app: Path
) -> None:
    done = run("deploy", str(app), **own)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("v1 live after ")
    assert httpx2.get(lines[-1].rpartition(" ")[2]).text == "hi"
    assert "Building for python:3.11 because of main.py." in lines
    assert [line for line in lines if line.startswith("-- ")][-1] == "-- deployed"
    assert "\x1b" not in done.stdout
    (row,) = json.loads(run("platform", "status", "--json", **own).stdout)["apps"]
    assert row["project"] == "my-shop"


def test_secrets_that_were_made_up_are_named_and_not_shown(
    own: Mapping[str, str], app: Path
) -> None:
    wanted = {"env": {"APP_SECRET": {"generator": "secret"}}}
    (app / "app.json").write_text(json.dumps(wanted))
    done = run("deploy", str(app), "--name", "made-up", **own)
    assert done.returncode == 0, done.stdout
    assert "Made up and set as variables: APP_SECRET" in done.stdout.splitlines()


def test_what_does_not_go_live_ends_with_its_reason_and_1(
    own: Mapping[str, str], app: Path
) -> None:
    (app / "main.py").write_text("import nothing_here")
    done = run("deploy", str(app), "--name", "broken-app", **own)
    assert done.returncode == 1
    assert "the Python module nothing_here is not installed" in done.stdout
    assert "requirements.txt" in done.stdout.splitlines()[-1]
    shown = run("platform", "logs", "broken-app", "--build", **own)
    assert (shown.returncode, "ModuleNotFoundError" in shown.stdout) == (1, True)
    assert "v1 crashing" in run("platform", "top", **own).stdout


def test_on_a_terminal_lines_scroll_above_one_that_says_what_goes_on(
    own: Mapping[str, str], app: Path
) -> None:
    code, shown = on_a_terminal("deploy", str(app), **own)
    assert code == 0, shown
    assert re.search(r"my-shop  (building|deploying|deployed)", shown)
    assert "\x1b[2KBuilding for python" in shown
    assert "live after" in shown.splitlines()[-1]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    code, shown = on_a_terminal("deploy", str(app), NO_COLOR="1", **own)
    assert (code, re.findall(r"\x1b\[[0-9;]*3[0-9]m", shown)) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "is not a folder"),
        (["{app}/x"], "too short for a project; add --name"),
        (["{app}", "--name", "x"], "project_id"),
        (["{app}", "--nam", "x"], "did you mean --name?"),
    ],
)
def test_what_cannot_be_deployed_is_said_in_one_sentence(
    arguments: list[str], reason: str, own: Mapping[str, str], app: Path
) -> None:
    (app / "x").mkdir()
    (app / "x" / "index.html").write_text("x")
    done = run("deploy", *(argument.format(app=app) for argument in arguments), **own)
    assert done.returncode in {1, 2}
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_the_table_of_what_runs_fits_a_terminal_of_80_columns_and_ends_by_itself(
    own: Mapping[str, str], app: Path
) -> None:
    assert "is not running" in run("platform", "top", **own).stdout
    run("deploy", str(app), **own)
    head, row = run("platform", "top", **own).stdout.splitlines()
    assert head.split()[:4] == ["APP", "STATE", "REPLICAS", "MEMORY"]
    assert row.split()[:3] == ["my-shop/production", "deployed", "1/1"]
    code, shown = on_a_terminal("platform", "top", "-n", "1", NO_COLOR="1", **own)
    assert code == 0
    widest = max(
        len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) for line in re.split(r"[\r\n]+", shown)
    )
    assert widest <= 80


def test_an_apps_log_is_chosen_by_time_text_and_count(own: Mapping[str, str], app: Path) -> None:
    url = run("deploy", str(app), **own).stdout.split()[-1]
    for number in range(3):
        httpx2.get(f"{url}/{number}")
    texts = [
        line.partition(" ")[2]
        for line in run("platform", "logs", "my-shop", "-n", "2", **own).stdout.splitlines()
    ]
    assert texts == ["asked for /1", "asked for /2"]
    chosen = run("platform", "logs", "my-shop/production", "--grep", "COLD|/0", "--json", **own)
    assert [json.loads(line)["text"] for line in chosen.stdout.splitlines()] == [
        "WARNING cold",
        "asked for /0",
    ]
    assert (
        run("platform", "logs", "my-shop", "--since", "1s", "--grep", "none such", **own).stdout
        == ""
    )
    wrong = run("platform", "logs", "my-shop", "--since", "soon", **own)
    assert (wrong.returncode, "30m" in wrong.stderr) == (1, True)
    assert run("platform", "logs", "--since", "1h", **own).returncode == 1
    assert "--lines" in run("platform", "logs", "my-shop", "-n", "-1", **own).stderr


def test_a_link_to_the_dashboard_is_printed_and_begins_at_a_project(
    own: Mapping[str, str], app: Path
) -> None:
    run("deploy", str(app), **own)
    shown = run("platform", "open", "my-shop", "--print", **own).stdout
    (url,) = re.findall(r"http://createos-[0-9a-f]{8}\.localhost:[0-9]+/login#\S+", shown)
    origin, _, code = url.partition("/login#")
    port = origin.rpartition(":")[2]
    headers = {"host": origin.removeprefix("http://"), "origin": origin}
    answer = httpx2.post(f"http://127.0.0.1:{port}/login", data={"code": code}, headers=headers)
    assert answer.status_code == 303
    assert re.fullmatch(r"/projects/[0-9a-f-]{36}", answer.headers["location"])
    unknown = run("platform", "open", "none-such", **own)
    assert (unknown.returncode, "my-shop" in unknown.stderr) == (1, True)
    assert origin in run("platform", "status", **own).stdout
