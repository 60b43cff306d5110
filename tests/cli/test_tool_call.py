"""`createos-mcp tools` and `createos-mcp call`, as they are typed."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from createos_mcp.cli.cli_arguments import read_cli_arguments
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import ArgumentTextError
from createos_mcp.contract.values import Json
from tests.apis import FakeApi, fake_api

OPERATIONS = load_catalog().operations
PROJECT = "0b8f0e0e-0b0e-4b0e-8b0e-0b0e0b0e0b0e"


def run(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")}
    return subprocess.run(
        [sys.executable, "-m", "createos_mcp", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environ, **variables},
    )


def call(api: FakeApi, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    own = {"CREATEOS_API_KEY": "skp_k", "CREATEOS_API_URL": api.url}
    return run("call", *arguments, stdin=stdin, **own)


def test_tools_are_listed_with_their_group_and_what_they_do_at_most() -> None:
    head, *rows = run("tools", "--toolsets", "all").stdout.splitlines()
    assert head.split() == ["GROUP", "TOOL", "EFFECT", "WHAT", "IT", "DOES"]
    assert len(rows) == len(load_catalog(local=True).tools)
    assert "api keys" in {row.split("  ")[0] for row in rows}
    domains = [line.split()[1:3] for line in rows if line.startswith("domains ")]
    assert ["ListDomains", "reads"] in domains
    assert ["DeleteDomain", "destroys"] in domains
    assert ["CreateDomain", "changes"] in domains


def test_tools_are_those_that_the_settings_offer() -> None:
    shown = json.loads(run("tools", "--json", "--read-only", "--toolsets", "domains").stdout)
    assert [(tool["name"], tool["effect"]) for tool in shown] == [("ListDomains", "reads")]
    assert shown[0]["inputSchema"]["properties"]
    default = json.loads(run("tools", "--json").stdout)
    assert {tool["group"] for tool in default} >= {"discovery", "projects"}
    wrong = run("tools", "--toolsets", "domain")
    assert (wrong.returncode, "did you mean domains" in wrong.stderr) == (2, True)


def test_a_call_goes_the_way_of_every_call_and_answers_with_json_on_a_pipe() -> None:
    with fake_api() as api:
        page = {"data": [], "pagination": {"total": 0, "limit": 2, "offset": 0, "count": 0}}
        api.data["/v1/projects"] = page
        done = call(api, "ListProjects", "limit=2", "offset:=0")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["items"] == []
    assert api.asked[0].path == "/v1/projects?limit=2&offset=0"


def test_values_come_from_files_stdin_and_json(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text("From a file")
    with fake_api() as api:
        done = call(
            api,
            "CreateProject",
            "uniqueName=shop",
            "displayName=@" + str(page),
            "type=upload",
            "source:={}",
            "settings:=@-",
            stdin='{"runtime": "node:20", "port": 3000}',
        )
    assert done.returncode == 0, done.stderr
    assert api.asked[0].body["displayName"] == "From a file"
    assert api.asked[0].body["settings"]["port"] == 3000


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["ListProjcts"], "did you mean ListProjects"),
        (["ListProjects", "limit=many"], "expected an integer"),
        (["ListProjects", "limit"], "expected name=value"),
        (["ListProjects", "limit:={"], "not valid JSON"),
        (["ListProjects", "limit=1", "limit=2"], "given twice"),
        (["ListProjects", "name=@missing.txt"], "missing.txt cannot be read"),
        (["GetProject", "project_id=shop"], "shop"),
    ],
)
def test_what_is_wrong_goes_to_stderr_and_exits_with_1(arguments: list[str], word: str) -> None:
    with fake_api() as api:
        api.data["/v1/projects"] = {"data": [], "pagination": {"total": 0, "count": 0}}
        done = call(api, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_of_the_platform_exits_with_1() -> None:
    with fake_api() as api:
        api.status, api.answer = 403, {"status": "fail", "data": "suspended"}
        done = call(api, "GetProject", f"project_id={PROJECT}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "suspended" in done.stderr


def test_tools_that_the_settings_do_not_offer_cannot_be_called() -> None:
    with fake_api() as api:
        done = call(api, "DeleteProject", f"project_id={PROJECT}", "--read-only")
    assert (done.returncode, api.asked) == (1, [])
    assert "not offered" in done.stderr


@pytest.mark.parametrize(("answer", "methods"), [("shop", ["DELETE"]), ("yes", [])])
def test_on_a_terminal_the_person_is_asked_before_something_is_destroyed(
    answer: str, methods: list[str]
) -> None:
    controller, terminal = pty.openpty()
    with fake_api() as api:
        api.answer = {"status": "success", "data": {"id": PROJECT, "uniqueName": "shop"}}
        api.data[f"/v1/projects/{PROJECT}/environments"] = []
        api.data[f"/v1/projects/{PROJECT}/domains"] = []
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")},
            "CREATEOS_API_KEY": "skp_k",
            "CREATEOS_API_URL": api.url,
            "NO_COLOR": "1",
        }
        command = [sys.executable, "-m", "createos_mcp", "call", "DeleteProject"]
        with subprocess.Popen(
            [*command, f"project_id={PROJECT}"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=environ,
        ) as process:
            os.write(controller, f"{answer}\n".encode())
            code = process.wait(timeout=60)
        shown = os.read(controller, 100_000).decode()
        os.close(terminal)
        os.close(controller)
        assert "Type shop to confirm" in shown
        assert not re.search("\x1b\\[[0-9;]*3[0-9]", shown)
        assert [asked.method for asked in api.asked if asked.method == "DELETE"] == methods
        assert code == (0 if methods else 1)


def test_typed_arguments_keep_what_follows_the_first_equals_sign() -> None:
    assert read_cli_arguments(["a=b=c", "d:=[1]", "e="]) == {"a": "b=c", "d": [1], "e": ""}
    with pytest.raises(ArgumentTextError, match="expected name=value"):
        read_cli_arguments(["=x"])


HOSTILE = "hidden\x1b[2J\x1b]0;title\x07\x9b31m\x85\u202eshown\ud83d"


def on_a_terminal(api: FakeApi, *arguments: str) -> bytes:
    """What the command shows on a terminal."""
    master, slave = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")}
    own = {"CREATEOS_API_KEY": "skp_k", "CREATEOS_API_URL": api.url, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "createos_mcp", "call", *arguments]
    with subprocess.Popen(
        command, env={**environ, **own}, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        shown = b""
        with suppress(OSError):
            while piece := os.read(master, 65536):
                shown += piece
        process.wait(60)
    os.close(master)
    return shown


@pytest.mark.parametrize(
    ("tool", "status", "data"),
    [
        ("GetProject", 200, {"id": "p1", "note": HOSTILE, "rate": float("nan")}),
        ("GetProject", 400, HOSTILE),
        ("GetBuildLogs", 200, [{"stage": "build", "log": HOSTILE}]),
    ],
    ids=["data", "error", "log"],
)
def test_no_answer_of_the_api_controls_the_terminal(tool: str, status: int, data: Json) -> None:
    with fake_api() as api:
        api.status = status
        api.answer = {"status": "success" if status == 200 else "fail", "data": data}
        wanted = [f"project_id={PROJECT}"]
        if tool == "GetBuildLogs":
            wanted.append(f"deployment_id={PROJECT}")
        shown = on_a_terminal(api, tool, *wanted)
        piped = call(api, tool, *wanted)
    text = shown.decode()
    assert "Traceback" not in text + piped.stderr
    assert "shown" in text
    for harmful in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\x85", "\u202e"):
        assert harmful not in text + piped.stdout + piped.stderr


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_has_not_are_null(number: str) -> None:
    with fake_api() as api:
        api.raw = f'{{"status":"success","data":{{"id":"p1","rate":{number}}}}}'
        done = call(api, "GetProject", f"project_id={PROJECT}")
    assert json.loads(done.stdout) == {"id": "p1", "rate": None}
