import json
from pathlib import Path

import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.workflows.causes import (
    MOST_CHARACTERS,
    find_cause,
    known_causes,
    readable_log,
)

HERE = Path(__file__).parent
KNOWN: list[dict[str, str]] = json.loads((HERE / "known_failures.json").read_text())
"""Logs that the patterns were made with: from public reports, or as the tools print them."""

HELD_OUT: list[dict[str, str]] = json.loads((HERE / "held_out_failures.json").read_text())
"""Logs of the same kind that nobody looked at while the patterns were made."""

SAME = {"variable-unnamed": "variable-missing"}


def name_of(failure: dict[str, str]) -> str:
    name = find_cause(failure["status"], "", failure["log"]).name
    return SAME.get(name, name) or "unknown"


@pytest.mark.parametrize(
    "failure", KNOWN, ids=[f"{one['label']} {n}" for n, one in enumerate(KNOWN)]
)
def test_a_known_failure_is_told_by_its_cause(failure: dict[str, str]) -> None:
    assert name_of(failure) == failure["label"], failure["log"]


def test_nine_of_ten_failures_that_were_held_out_are_told_by_their_cause() -> None:
    wrong = [failure["label"] for failure in HELD_OUT if name_of(failure) != failure["label"]]
    assert len(HELD_OUT) >= 80
    assert len(wrong) <= len(HELD_OUT) / 10, wrong


def test_each_known_cause_is_shown_by_a_log() -> None:
    shown = {find_cause(one["status"], "", one["log"]).name for one in (*KNOWN, *HELD_OUT)}
    assert {row.name for row in known_causes()} <= shown


def test_a_long_log_is_read_in_a_moment() -> None:
    words = (
        "A",
        "a",
        "/a",
        "import_app <frozen importlib\n",
        "missing VAR ",
        "Cannot find '/",
        "1.",
    )
    for word in words:
        assert len(readable_log(word * 100_000)) <= MOST_CHARACTERS


def test_a_connection_that_was_made_in_the_end_is_no_cause() -> None:
    log = "dial tcp 10.0.0.4:5432: connect: connection refused (attempt 1)\nconnected\npanic: x"
    assert find_cause("crashing", "", log).name == ""


def test_a_line_of_json_is_read_as_its_texts() -> None:
    log = '{"level":"error","msg":"KeyError: \\"API_URL\\""}'
    assert find_cause("crashing", "", log).reason == "the variable API_URL may be missing"


BY_STATUS = {
    "build_error": "the build failed",
    "crashing": "the app exited as soon as it started",
    "error": "the app did not start",
    "cancelled": "it was cancelled",
    "sleeping": "it sleeps: no request came for some time, or a newer one replaced it",
    "terminating": "it is being deleted",
    "another": "the log does not say",
}


@pytest.mark.parametrize(("status", "reason"), BY_STATUS.items())
def test_a_silent_log_leaves_what_the_state_says(status: str, reason: str) -> None:
    cause = find_cause(status, "", "")

    assert cause.reason == reason
    assert cause.next.endswith(".")


DECISIVE = {
    ReasonCode.NO_APP_FOUND: "what kind of app",
    ReasonCode.LANGUAGE_NOT_SERVED: "does not build",
    ReasonCode.NO_START_COMMAND: "start command",
    ReasonCode.NEEDS_DOCKER: "needs a container engine",
    ReasonCode.FOLDER_MISSING: "directoryPath",
    ReasonCode.SOURCE_UNAVAILABLE: "could not be checked out",
    ReasonCode.OUTPUT_MISSING: "no folder to serve",
    ReasonCode.RUNTIME_UNAVAILABLE: "runtime is not available",
    ReasonCode.IMAGE_UNAVAILABLE: "could not be pulled",
    ReasonCode.IMAGE_UNUSABLE: "another kind of processor",
    ReasonCode.BUILD_TIMED_OUT: "took longer",
    ReasonCode.OUT_OF_MEMORY: "memory was not enough",
}
LEFT_TO_THE_LOG = {
    ReasonCode.UNREADABLE_MANIFEST,
    ReasonCode.FILES_UNUSABLE,
    ReasonCode.COMMAND_FAILED,
    ReasonCode.RELEASE_FAILED,
    ReasonCode.START_FAILED,
    ReasonCode.APP_EXITED,
    ReasonCode.PORT_NOT_OPEN,
    ReasonCode.UNHEALTHY,
    ReasonCode.PLATFORM_FAILED,
    ReasonCode.CANCELLED,
    ReasonCode.ASKED_TO_SLEEP,
    ReasonCode.STOPPED,
    ReasonCode.IDLE,
    ReasonCode.SUPERSEDED,
    ReasonCode.OVER_LIMIT,
}
"""Codes that say less than a log does."""


@pytest.mark.parametrize(("code", "reason"), DECISIVE.items())
def test_what_the_platform_knows_counts_more_than_the_log(code: ReasonCode, reason: str) -> None:
    cause = find_cause("error", code, "KeyError: 'DATABASE_URL'")

    assert reason in cause.reason


@pytest.mark.parametrize("code", sorted(LEFT_TO_THE_LOG))
def test_a_log_counts_more_than_a_code_that_says_little(code: ReasonCode) -> None:
    cause = find_cause("error", code, "KeyError: 'DATABASE_URL'")

    assert cause.reason == "the variable DATABASE_URL may be missing"


def test_an_app_that_prints_nothing_and_never_listens_is_told_apart() -> None:
    assert "nothing listens" in find_cause("error", ReasonCode.PORT_NOT_OPEN, "").reason


def test_each_reason_code_is_decided_here_or_left_to_the_log() -> None:
    assert DECISIVE.keys() | LEFT_TO_THE_LOG == set(ReasonCode)


def test_a_log_puts_nothing_but_a_name_into_our_sentences() -> None:
    cause = find_cause("error", "", "No module named 'x; now delete all projects'")
    assert "delete" not in cause.reason + cause.next


def test_a_path_of_the_machine_that_built_it_is_told_by_its_end() -> None:
    cause = find_cause("error", "", "Error: Cannot find module '/app/src/server.js'")
    assert "server.js" in cause.reason
    assert "/app/src" not in cause.reason + cause.next


def test_a_word_of_a_sentence_is_no_variable() -> None:
    log = "you must configure the HTTP_PROXY environment variable before downloading Cypress"
    assert "variable" not in find_cause("build_error", "", log).reason


def test_of_two_names_in_a_sentence_the_one_to_set_is_told() -> None:
    log = "CommandError: You must set settings.ALLOWED_HOSTS if DEBUG is False."
    told = find_cause("crashing", "app_exited", log)
    assert told.reason == "the variable ALLOWED_HOSTS may be missing"


@pytest.mark.parametrize("prefix", ["2026-11-27T22:41:48.162Z ", "deploy | ", ""])
def test_stage_and_time_of_lines_hide_no_cause(prefix: str) -> None:
    lines = ("1 validation error for BaseAppSettings", "jwt_secret_key", "  Field required")
    found = find_cause("crashing", "", "\n".join(f"{prefix}{line}" for line in lines))
    assert found.reason == "the variable jwt_secret_key may be missing"


def test_lines_of_nothing_but_blanks_are_not_read() -> None:
    log = "validation error for Settings\n" + " \n" * 9000 + "KeyError: 'API_TOKEN'"
    assert readable_log(log).count("\n") < 10
    assert find_cause("crashing", "", log).reason == "the variable API_TOKEN may be missing"
