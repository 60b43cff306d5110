import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from createos_mcp.cli.checks import check_clock
from createos_mcp.contract.values import Json
from tests.apis import fake_api

KEY = "skp_top_secret_of_mine"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CREATEOS_")}
    environ["HOME"] = "/nonexistent"  # no clients of whoever runs the tests
    return subprocess.run(
        [sys.executable, "-m", "createos_mcp", "doctor", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environ, **variables},
    )


def examine(*arguments: str, **variables: str) -> tuple[int, dict[str, Json]]:
    """The exit code and the findings, by name."""
    done = run("--json", *arguments, **variables)
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["ok"] == (done.returncode == 0)
    for finding in document["checks"]:
        assert bool(finding["remedy"]) == (finding["status"] != "ok"), finding
    return done.returncode, {finding["name"]: finding for finding in document["checks"]}


def test_a_machine_without_a_key_is_ready_and_nothing_is_started(tmp_path: Path) -> None:
    code, found = examine(CREATEOS_DATA_DIR=str(tmp_path / "data"))
    assert code == 0
    assert "the first call starts it" in found["platform"]["detail"]
    assert found["data directory"]["status"] == "ok"
    assert "mcp 2" in found["versions"]["detail"]
    assert "isolation" in found
    assert not (tmp_path / "data").exists()


def test_a_key_is_tried_by_one_real_call() -> None:
    with fake_api() as api:
        code, found = examine(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url)
    assert code == 0
    assert {found[name]["status"] for name in ("key", "platform", "key accepted", "clock")} == {
        "ok"
    }
    assert [(asked.method, asked.path) for asked in api.asked] == [("GET", "/v1/users/me")]
    assert api.asked[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("status", "name", "word"),
    [
        (401, "key accepted", "refuses"),
        (403, "key accepted", "refuses"),
        (404, "platform", "404"),
        (503, "platform", "503"),
    ],
)
def test_an_answer_that_is_no_success_fails_with_what_to_do(
    status: int, name: str, word: str
) -> None:
    with fake_api() as api:
        api.status = status
        code, found = examine(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=api.url)
    assert (code, found[name]["status"]) == (1, "fail")
    assert word in found[name]["detail"]


def test_a_platform_that_is_not_there_fails() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        code, found = examine(CREATEOS_API_KEY=KEY, CREATEOS_API_URL=url)
    assert (code, found["platform"]["status"]) == (1, "fail")
    assert url in found["platform"]["detail"]


@pytest.mark.parametrize(
    ("variables", "name", "status", "word"),
    [
        ({"CREATEOS_API_KEY": "${MY_KEY}"}, "key", "fail", "placeholder"),
        ({"CREATEOS_API_URL": "${URL}"}, "settings", "fail", "${URL}"),
        ({"CREATEOS_API_KEY": ""}, "key", "fail", "empty"),
        ({"CREATEOS_ATTEMPTS": "many"}, "settings", "fail", "whole number"),
        ({"CREATEOS_API_KEY": "skp_two words"}, "key", "fail", "characters"),
        ({"CREATEOS_API_KEY": KEY, "CREATEOS_API_URL": "http://x.org"}, "address", "fail", "https"),
        ({"CREATEOS_API_URL": "https://127.0.0.1:1"}, "key", "fail", "none"),
    ],
)
def test_a_bad_setting_is_told_and_no_call_is_made(
    variables: dict[str, str], name: str, status: str, word: str, tmp_path: Path
) -> None:
    code, found = examine(CREATEOS_DATA_DIR=str(tmp_path), **variables)
    assert (code, found[name]["status"]) == (1, status)
    assert word in found[name]["detail"]
    assert "key accepted" not in found


@pytest.mark.parametrize(
    ("key", "word"), [(f" {KEY}\n", "whitespace"), ("a-key-of-something-else", "begin with")]
)
def test_a_key_that_looks_odd_is_a_warning(key: str, word: str) -> None:
    with fake_api() as api:
        code, found = examine(CREATEOS_API_KEY=key, CREATEOS_API_URL=api.url)
    assert (code, found["key"]["status"]) == (0, "warn")
    assert word in found["key"]["detail"]


def test_both_a_key_and_a_token_is_a_warning() -> None:
    with fake_api() as api:
        both = {"CREATEOS_API_KEY": KEY, "CREATEOS_ACCESS_TOKEN": "tok_x"}
        done = run(CREATEOS_API_URL=api.url, **both)
    assert done.returncode == 0
    assert "the key is used" in done.stdout


@pytest.mark.parametrize(
    "variables",
    [
        {"CREATEOS_API_KEY": KEY},
        {"CREATEOS_API_KEY": f"{KEY} {KEY}"},
        {"CREATEOS_ACCESS_TOKEN": KEY},
        {"CREATEOS_API_KEY": KEY, "CREATEOS_API_URL": f"https://me:{KEY}@127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_secret_is_ever_shown(variables: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run(*arguments, **{"CREATEOS_API_URL": "http://127.0.0.1:1", **variables})
    assert KEY not in done.stdout + done.stderr


def test_a_port_in_use_and_a_directory_that_cannot_be_made_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        code, found = examine(
            CREATEOS_DATA_DIR=str(tmp_path / "file" / "data"), CREATEOS_PLATFORM_API_PORT=port
        )
    assert code == 1
    assert found["port"]["status"] == found["data directory"]["status"] == "fail"
    assert "CREATEOS_PLATFORM_API_PORT" in found["port"]["remedy"]


def test_without_bubblewrap_it_warns(tmp_path: Path) -> None:
    code, found = examine(CREATEOS_DATA_DIR=str(tmp_path), PATH=str(tmp_path))
    warned = [row for row in found.values() if row["status"] == "warn"]
    assert code == 0
    assert any("bubblewrap is not installed" in row["detail"] for row in warned)
    assert "no node" in found["versions"]["detail"]


def test_for_people_each_finding_is_a_line_and_its_remedy_another(tmp_path: Path) -> None:
    done = run(CREATEOS_DATA_DIR=str(tmp_path), CREATEOS_ATTEMPTS="0")
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("fail  settings")
    assert second.strip().startswith("Correct or remove CREATEOS_ATTEMPTS")


@pytest.mark.parametrize(
    ("drift_s", "status"), [(0, "ok"), (-30, "ok"), (120, "warn"), (-120, "warn")]
)
def test_a_clock_that_is_minutes_off_is_a_warning(drift_s: int, status: str) -> None:
    stated = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    headers = {"date": stated.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    (finding,) = check_clock(headers, stated + timedelta(seconds=drift_s))
    assert finding.status == status
    assert list(check_clock({}, stated)) == list(check_clock({"date": "soon"}, stated)) == []


def test_the_command_of_each_configured_client_is_started(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    good = {"command": sys.executable, "args": ["-m", "createos_mcp"]}
    for file, document in {
        ".cursor/mcp.json": {"mcpServers": {"createos": good}},
        ".qwen/settings.json": {"mcpServers": {"createos": {"command": "no-such-program"}}},
        ".factory/mcp.json": {"mcpServers": {"createos": {**good, "disabled": True}}},
        ".kiro/settings/mcp.json": {"mcpServers": {"createos": {"command": "false"}}},
        ".config/opencode/opencode.json": {
            "mcp": {"createos": {"command": [sys.executable, "-m", "createos_mcp"]}}
        },
        ".warp/.mcp.json": {"mcpServers": {"other": good}},
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(document))
    code, found = examine(CREATEOS_DATA_DIR=str(tmp_path / "data"), **home)
    assert code == 0
    assert found["client cursor"]["status"] == "ok"
    assert found["client opencode"]["status"] == "ok"
    assert "was not found" in found["client qwen"]["detail"]
    assert "disabled" in found["client droid"]["detail"]
    assert found["client kiro"]["status"] == "warn"
    assert "createos-mcp install kiro" in found["client kiro"]["remedy"]
    assert "client warp" not in found
    assert not (tmp_path / "data").exists()
