import pytest

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.workflows.causes import LOG_PATTERNS, find_cause

LOGS = {
    "Error: Cannot find module 'express'\n": "the module express is missing",
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@scope/x'": "the module @scope/x",
    "ModuleNotFoundError: No module named 'flask_cors'": "module flask_cors is not installed",
    "ERROR: No matching distribution found for nosuch==9.9": "the package nosuch",
    "npm error 404 'x@1' is not in this registry.": "does not exist in the registry",
    "npm error `npm ci` can only install packages when your": "lock file does not match",
    'npm error Missing script: "start"': "no script start",
    "Error: listen EADDRINUSE: address already in use :::3000": "the port is in use",
    "Health check on port 3000 failed": "nothing listens",
    "FATAL ERROR: JavaScript heap out of memory": "memory was not enough",
    "Error: build timed out": "took longer",
    "KeyError: 'DATABASE_URL'": "the variable DATABASE_URL",
    '{"level":"error","msg":"KeyError: \\"API_URL\\""}': "the variable API_URL",
    "Error: Missing environment variable: STRIPE_KEY": "the variable STRIPE_KEY",
    "SECRET_KEY_BASE is not set": "the variable SECRET_KEY_BASE",
    "getaddrinfo EAI_AGAIN fonts.example.com\nFailed to compile": "a host name",
    'error: The engine "node" is incompatible with this module.': "another version",
    "npm ERR! code ENOSPC": "the disk is full",
    "ssl.SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED": "a certificate",
    "Error: pg_config executable not found.": "has to be compiled",
    "npm error ERESOLVE unable to resolve dependency tree": "contradict each other",
    "  File x\nSyntaxError: invalid syntax": "does not compile",
    "/bin/sh: 1: vite: not found": "the command vite",
    "Error: connect ECONNREFUSED 127.0.0.1:5432": "could not connect",
    "FileNotFoundError: [Errno 2] No such file or directory: 'config.yml'": "the file config.yml",
}
"""What tools print, and the cause that it means."""


@pytest.mark.parametrize(("log", "reason"), LOGS.items())
def test_a_log_tells_its_cause(log: str, reason: str) -> None:
    assert reason in find_cause("build_error", "", f"some line\n{log}\nThe end").reason


def test_every_sign_has_a_log_that_shows_it() -> None:
    found = {sign.reason for sign in LOG_PATTERNS for log in LOGS if sign.pattern.search(log)}
    assert found == {sign.reason for sign in LOG_PATTERNS}


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
    ReasonCode.NO_START_COMMAND: "start command",
    ReasonCode.NEEDS_DOCKER: "without Docker",
    ReasonCode.FOLDER_MISSING: "directoryPath",
    ReasonCode.OUTPUT_MISSING: "no folder to serve",
    ReasonCode.RUNTIME_UNAVAILABLE: "runtime is not available",
    ReasonCode.BUILD_TIMED_OUT: "took longer",
    ReasonCode.OUT_OF_MEMORY: "memory was not enough",
}
LEFT_TO_THE_LOG = {
    ReasonCode.UNREADABLE_MANIFEST,
    ReasonCode.FILES_UNUSABLE,
    ReasonCode.COMMAND_FAILED,
    ReasonCode.START_FAILED,
    ReasonCode.APP_EXITED,
    ReasonCode.PORT_NOT_OPEN,
    ReasonCode.PLATFORM_FAILED,
    ReasonCode.CANCELLED,
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
