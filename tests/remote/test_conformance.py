"""The conformance suite of the protocol, against the product with and without fixtures."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from tests.apis import fake_api
from tests.programs import needs
from tests.remote.servers import MODULE, Served, served

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node@22"
"""The suite needs a newer Node than the machine may have."""

FIXTURES = ("-m", "tests.remote.fixture_server")

OF_BOTH = (
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "json-schema-2020-12",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
)
BASELINES: Mapping[str, Sequence[str]] = {
    "2025-11-25": (
        *OF_BOTH,
        "logging-set-level",
        "server-sse-polling",
        "tools-call-with-logging",
        "tools-call-sampling",
        "tools-call-elicitation",
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
    ),
    "2026-07-28": (
        *OF_BOTH,
        "server-stateless",
        "http-custom-header-server-validation",
        "input-required-result-basic-elicitation",
        "input-required-result-basic-sampling",
        "input-required-result-basic-list-roots",
        "input-required-result-request-state",
        "input-required-result-multiple-input-requests",
        "input-required-result-multi-round",
        "input-required-result-non-tool-request",
        "input-required-result-result-type",
        "input-required-result-tampered-state",
        "input-required-result-capability-check",
        "input-required-result-missing-input-response",
        "input-required-result-ignore-extra-params",
    ),
}
"""What the product fails because it has no such tools, prompts or resources. An entry that
passes makes the suite fail."""

OF_TASKS: Mapping[str, int] = {
    "tasks-lifecycle": 9,
    "tasks-capability-negotiation": 5,
    "tasks-wire-fields": 4,
    "tasks-request-state-removal": 3,
    "tasks-mrtr-input": 4,
    "tasks-request-headers": 5,
    "tasks-dispatch-and-envelope": 9,
    "tasks-required-task-error": 3,
    "tasks-mrtr-composition": 2,
}
"""Checks of each scenario of the extension; that of status notifications is not written yet."""

pytestmark = needs("npx")


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    with fake_api() as api:
        yield api.url


def serving(api_url: str, program: tuple[str, ...]) -> AbstractContextManager[Served]:
    shared = {"CREATEOS_API_KEY": "skp_x", "CREATEOS_SERVE_SHARE_KEY": "true"}
    return served(api_url, program=program, variables=shared)


def judge(server: Served, results: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the suite says of a server."""
    program = ("npx", "--yes", "-p", NODE, "-p", SUITE, "conformance", "server")
    return subprocess.run(
        [*program, "--url", f"{server.url}/mcp", "-o", str(results), *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(("revision", "checks"), [("2025-11-25", 81), ("2026-07-28", 150)])
def test_with_fixtures_every_scenario_passes(
    revision: str, checks: int, api_url: str, tmp_path: Path
) -> None:
    with serving(api_url, FIXTURES) as server:
        done = judge(server, tmp_path, "--suite", "all", "--spec-version", revision)
    assert done.returncode == 0, done.stdout
    assert f"Total: {checks} passed, 0 failed" in done.stdout, done.stdout


@pytest.mark.parametrize("revision", BASELINES)
def test_without_fixtures_only_what_needs_them_fails(
    revision: str, api_url: str, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.yml"
    baseline.write_text(yaml.safe_dump({"server": list(BASELINES[revision])}))
    chosen = ("--suite", "all", "--spec-version", revision, "--expected-failures", str(baseline))
    with serving(api_url, MODULE) as server:
        done = judge(server, tmp_path / "results", *chosen)
    assert done.returncode == 0, done.stdout


def test_every_scenario_of_the_tasks_extension_passes(api_url: str, tmp_path: Path) -> None:
    with serving(api_url, FIXTURES) as server:
        for scenario, checks in OF_TASKS.items():
            chosen = ("--scenario", scenario, "--spec-version", "2026-07-28", "--force")
            done = judge(server, tmp_path / scenario, *chosen)
            assert done.returncode == 0, done.stdout
            assert f"Passed: {checks}/{checks}, 0 failed" in done.stdout, done.stdout
