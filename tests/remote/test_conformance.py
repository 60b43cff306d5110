"""The conformance suite of the protocol, against the product with and without fixtures."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.apis import fake_api
from tests.programs import needs
from tests.remote.servers import MODULE, Served, served

SUITE = "@modelcontextprotocol/conformance@0.1.16"
NODE = "node@22"
"""The suite needs a newer Node than the machine may have."""

FIXTURES = ("-m", "tests.remote.fixture_server")

BASELINE = """server:
  - tools-call-simple-text
  - tools-call-image
  - tools-call-audio
  - tools-call-embedded-resource
  - tools-call-mixed-content
  - tools-call-with-logging
  - tools-call-error
  - tools-call-with-progress
  - tools-call-sampling
  - tools-call-elicitation
  - elicitation-sep1034-defaults
  - elicitation-sep1330-enums
  - resources-read-text
  - resources-read-binary
  - resources-templates-read
  - prompts-get-simple
  - prompts-get-with-args
  - prompts-get-embedded-resource
  - prompts-get-with-image
  - logging-set-level
"""
"""What the product fails because it has no such tools, prompts or resources. An entry that
passes makes the suite fail."""

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


def test_with_fixtures_every_active_scenario_passes(api_url: str, tmp_path: Path) -> None:
    with serving(api_url, FIXTURES) as server:
        done = judge(server, tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Total: 40 passed, 0 failed", done.stdout), done.stdout


def test_without_fixtures_only_what_needs_them_fails(api_url: str, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.yml"
    baseline.write_text(BASELINE)
    with serving(api_url, MODULE) as server:
        done = judge(server, tmp_path / "results", "--expected-failures", str(baseline))
    assert done.returncode == 0, done.stdout
