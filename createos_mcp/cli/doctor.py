"""The command `doctor`: what could keep calls from working, and what to do about it."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import anyio

from createos_mcp.cli.checks import (
    CheckResult,
    Status,
    check_address,
    check_connection,
    check_key,
    check_programs,
    check_project,
    examine_settings,
    target_of,
)
from createos_mcp.cli.client_checks import check_clients
from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import say
from createos_mcp.client.target import ApiTarget
from createos_mcp.contract.errors import NoPlatformHereError
from createos_mcp.settings.settings import Settings

_STYLES: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def examine(invocation: Invocation) -> int:
    """Check everything and show it; 1 when something fails."""
    findings = list(_findings(invocation))
    is_well = all(finding.status != "fail" for finding in findings)
    if invocation.given["json"]:
        say(json.dumps({"ok": is_well, "checks": [asdict(finding) for finding in findings]}))
    else:
        _write_results(findings)
    return 0 if is_well else 1


def _findings(invocation: Invocation) -> Iterator[CheckResult]:
    known = [*examine_settings(invocation), *check_key(invocation)]
    known.append(check_address(invocation.settings))
    yield from known
    # A wrong setting may lead a key to another address than the one that is meant.
    if all(finding.status != "fail" for finding in known):
        yield from _destination_findings(invocation)
    yield from check_programs(invocation.environ)
    yield from check_clients(invocation.environ)


def _destination_findings(invocation: Invocation) -> Iterator[CheckResult]:
    if invocation.settings.is_local:
        yield from _local_findings(invocation)
    else:
        yield from _findings_at(target_of(invocation.settings), invocation.settings)


def _findings_at(target: ApiTarget, settings: Settings) -> Iterator[CheckResult]:
    reached = anyio.run(check_connection, target, settings)
    yield from reached
    if all(finding.status != "fail" for finding in reached):
        yield from anyio.run(check_project, target, settings)


def _local_findings(invocation: Invocation) -> Iterator[CheckResult]:
    if sys.platform != "linux":
        yield CheckResult(
            name="platform",
            status="fail",
            detail=str(NoPlatformHereError(sys.platform)),
            remedy="Set CREATEOS_API_KEY to use the CreateOS cloud.",
        )
        return
    # It imports the platform, which is for Linux alone.
    from createos_mcp.cli.local_checks import check_machine, find_target  # noqa: PLC0415

    target, findings = find_target(invocation)
    yield from findings
    if target is not None:
        yield from _findings_at(target, invocation.settings)
    yield from check_machine(invocation)


def _write_results(findings: Sequence[CheckResult]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line = f"{finding.status:<4}  {finding.name.ljust(width)}  {finding.detail}"
        say(line, style=_STYLES[finding.status])
        if finding.remedy:
            say(f"      {' ' * width}  {finding.remedy}")
