import json
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from createos_mcp.cli.cli import main
from tests.cli.launches import COMMAND, environ, launched, run


def test_without_arguments_it_serves_stdio_until_its_end() -> None:
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version_and_help_are_for_people() -> None:
    assert run("--version").stdout.strip() == version("createos-mcp")
    shown = run("--help").stdout
    for word in ("--read-timeout-s", "CREATEOS_API_KEY", "platform"):
        assert word in shown
    assert "--api-key" not in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--foo"], "--foo"),
        (["nonsense"], "'nonsense'; known: serve, install"),
        (["plattform"], "did you mean platform?"),
        (["platform", "strat"], "did you mean start?"),
        (["--attempts"], "--attempts"),
        (["--attempts", "x"], "--attempts"),
        (["--attempt", "3"], "did you mean --attempts?"),
        (["platform"], "start|stop|status|open|top|logs"),
        (["platform", "user"], "add|list"),
        (["platform", "user", "add"], "name"),
        (["platform", "user", "list", "--jsn"], "did you mean --json?"),
        (["platform", "start", "--json"], "--json"),
        (["platform", "explode"], "explode"),
        (["platform", "status", "--foo"], "--foo"),
        (["--api-url", "http://example.com"], "https"),
        (["--api-url", "nonsense"], "https://"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_flag_or_command_is_named_and_exits_with_2(arguments: list[str], word: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("CREATEOS_API_KEY", "two words", "copy it again"),
        ("CREATEOS_API_URL", "http://example.com", "https"),
        ("CREATEOS_ATTEMPTS", "many", "whole number"),
    ],
)
def test_a_bad_variable_is_named_and_exits_with_2(name: str, value: str, word: str) -> None:
    done = run(**{name: value})
    assert done.returncode == 2
    assert name in done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_of_another_program_is_a_warning_that_names_the_nearest() -> None:
    done = run("tools", CREATEOS_API_KYE="x", CREATEOS_DEBUG="1")
    assert done.returncode == 0
    assert "did you mean CREATEOS_API_KEY?" in done.stderr
    assert "CREATEOS_DEBUG is not a setting of createos-mcp" in done.stderr
    assert '"x"' not in done.stderr


@pytest.mark.parametrize("value", ["", "'${env:KEY}'"])
def test_a_key_that_nobody_filled_in_lets_the_server_start_and_each_call_says_so(
    value: str,
) -> None:
    assert run(CREATEOS_API_KEY=value).returncode == 0
    done = run("call", "ListProjects", CREATEOS_API_KEY=value)
    assert done.returncode == 1
    assert "CREATEOS_API_KEY is set, but it is empty or a placeholder" in done.stderr
    assert "restart the client" in done.stderr


def test_a_command_takes_its_own_flags_without_prefix_and_the_long_names_too() -> None:
    shown = run("serve", "--help").stdout
    assert shown.index("--port PORT") < shown.index("--api-url")
    assert "--serve-port" not in shown
    assert "--max-deployed" not in shown
    for flag in ("--port", "--serve-port"):
        done = run("serve", flag, "none")
        assert (done.returncode, done.stderr.partition(":")[2][:9]) == (2, " --port: ")


def test_the_help_of_a_tool_shows_its_arguments_with_an_example() -> None:
    shown = run("call", "CreateCronjob", "--help").stdout
    for words in ("schedule", "required", "string", "createos-mcp call CreateCronjob"):
        assert words in shown
    assert run("call", "createcronjob", "--help").stdout == shown
    missing = run("call")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "tool" in missing.stderr.lower()


def test_a_pipe_that_is_closed_ends_it_in_silence() -> None:
    with subprocess.Popen(
        [*COMMAND, "tools", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
        text=True,
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == ""
        assert listing.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_a_shell(shell: str) -> None:
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "createos-mcp" in done.stdout


def test_a_shell_completes_commands_and_tools() -> None:
    words = "createos-mcp call GetDeploymentL"
    done = subprocess.run(
        COMMAND,
        env=environ(
            _ARGCOMPLETE="1",
            _ARGCOMPLETE_STDOUT_FILENAME="/dev/stdout",
            COMP_LINE=words,
            COMP_POINT=str(len(words)),
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["GetDeploymentLogs"]


def test_ctrl_c_ends_in_one_sentence_that_says_what_goes_on(tmp_path: Path) -> None:
    own = {"CREATEOS_DATA_DIR": str(tmp_path)}
    try:
        run("platform", "start", **own)
        # A shell starts what runs in the background with SIGINT ignored, also this test.
        default = ("env", "--default-signal=INT")
        with launched("platform", "logs", "-f", before=default, **own) as following:
            assert following.stdout is not None
            following.stdout.readline()
            following.send_signal(signal.SIGINT)
            _, told = following.communicate(timeout=30)
        assert following.returncode == 128 + signal.SIGINT
        assert told == "\nNo longer following the log. What wrote it goes on running.\n"
    finally:
        run("platform", "stop", **own)


def test_the_platform_is_started_shown_and_stopped(tmp_path: Path) -> None:
    own = {"CREATEOS_DATA_DIR": str(tmp_path)}
    before = run("platform", "status", **own)
    assert (before.returncode, "not running" in before.stdout) == (1, True)
    before = run("platform", "status", "--json", **own)
    assert before.returncode == 1
    assert json.loads(before.stdout) == {"running": False, "dataDir": str(tmp_path)}
    assert "has not run yet" in run("platform", "logs", **own).stdout
    try:
        started = run("platform", "start", **own)
        assert started.returncode == 0, started.stderr
        assert "http://127.0.0.1:" in started.stdout
        assert run("platform", "start", **own).stdout == started.stdout
        assert run("platform", "status", **own).stdout == started.stdout
        shown = json.loads(run("platform", "status", "--json", **own).stdout)
        assert (shown["running"], shown["apps"]) == (True, [])
        assert shown["apiUrl"] in started.stdout
        project = {
            "uniqueName": "shop-web",
            "displayName": "Shop",
            "type": "upload",
            "source": {},
            "settings": {"useBuildAI": True},
        }
        key = {"X-Api-Key": (tmp_path / "key").read_text().strip()}
        httpx2.post(f"{shown['apiUrl']}/v1/projects", json=project, headers=key)
        *_, head, row = run("platform", "status", **own).stdout.splitlines()
        assert head.split()[:3] == ["APP", "STATE", "NEWEST"]
        assert row.split()[:2] == ["shop-web/production", "-"]
        (app,) = json.loads(run("platform", "status", "--json", **own).stdout)["apps"]
        assert (app["endpoint"] in row, app["user"]) == (True, "local")
        assert (tmp_path / "key").read_text().strip() not in started.stdout
    finally:
        stopped = run("platform", "stop", **own)
    assert (stopped.returncode, "has stopped" in stopped.stdout) == (0, True)
    assert "was not running" in run("platform", "stop", **own).stdout
    assert run("platform", "logs", **own).returncode == 0


def test_a_user_added_from_the_command_line_gets_in_whether_the_platform_runs_or_not(
    tmp_path: Path,
) -> None:
    own = {"CREATEOS_DATA_DIR": str(tmp_path)}
    first = run("platform", "user", "add", "alice", **own)
    assert (first.returncode, "platform start" in first.stdout) == (0, True)
    try:
        run("platform", "start", **own)
        second = json.loads(run("platform", "user", "add", "bob", "--json", **own).stdout)
        third = run("platform", "user", "add", "carol", **own)
        lines = dict(line.split("=") for line in third.stdout.splitlines() if "=" in line)
        assert lines["CREATEOS_API_URL"] == second["apiUrl"]
        keys = {
            "alice": first.stdout.split("CREATEOS_API_KEY=")[1].strip(),
            "bob": second["apiKey"],
            "carol": lines["CREATEOS_API_KEY"],
        }
        for name, key in keys.items():
            me = httpx2.get(f"{second['apiUrl']}/v1/users/me", headers={"X-Api-Key": key})
            assert me.json()["data"]["displayName"] == name
        listed = run("platform", "user", "list", **own).stdout
        assert [line.split()[0] for line in listed.splitlines()] == ["NAME", "local", *keys]
        as_json = json.loads(run("platform", "user", "list", "--json", **own).stdout)
        assert [user["name"] for user in as_json] == ["local", *keys]
    finally:
        run("platform", "stop", **own)
    said = run("platform", "logs", **own).stdout + listed + json.dumps(as_json)
    assert not any(key in said for key in keys.values())


@pytest.mark.parametrize("name", ["alice", "ALICE", "two words", "x" * 49])
def test_a_user_who_cannot_be_added_is_named_and_exits_with_1(name: str, tmp_path: Path) -> None:
    own = {"CREATEOS_DATA_DIR": str(tmp_path)}
    run("platform", "user", "add", "alice", **own)
    done = run("platform", "user", "add", name, **own)
    assert (done.returncode, done.stdout) == (1, "")
    assert repr(name) in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_is_listed_before_the_platform_has_run(tmp_path: Path) -> None:
    own = {"CREATEOS_DATA_DIR": str(tmp_path)}
    assert "no users" in run("platform", "user", "list", **own).stdout
    assert json.loads(run("platform", "user", "list", "--json", **own).stdout) == []


def test_on_another_system_than_linux_the_platform_says_what_to_use_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["platform", "start", "--data-dir", str(tmp_path)]) == 1
    assert "runs on Linux" in capsys.readouterr().err


def test_a_platform_that_cannot_start_is_explained_and_exits_with_1(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("platform", "start", "--data-dir", str(blocked / "below"))
    assert done.returncode == 1
    assert str(blocked) in done.stderr
    assert "Traceback" not in done.stderr
