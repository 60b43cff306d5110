"""Advisories: which known vulnerabilities packages have, by https://google.github.io/osv.dev/api/.

One protocol for all ecosystems: the audit commands of the package managers answer that nothing is
known where they could not look.
"""

from collections.abc import Iterator, Mapping, Sequence

import anyio
import httpx2

from createos_mcp.contract.values import Json
from createos_mcp.platform.scans.findings import FAILED, RAN, SKIPPED, CheckOutcome, Finding
from createos_mcp.platform.scans.lock_files import LockedPackages, Package

NAME, TOOL = "dependencies", "osv"
_BATCH = 500
_AT_ONCE = 8
_TIMEOUT_S = 30
_SHOWN = 10
_SEVERITIES = {"CRITICAL": "critical", "HIGH": "high", "MODERATE": "moderate", "MEDIUM": "moderate",
               "LOW": "low"}  # fmt: skip


async def check_dependencies(
    client: httpx2.AsyncClient, url: str, locked: LockedPackages
) -> CheckOutcome:
    """Ask for every package at its version."""
    missed = _missed(locked)
    if not locked.packages:
        reason = missed or "no lock file was found; commit the one of your package manager"
        return CheckOutcome(name=NAME, tool=TOOL, status=SKIPPED, reason=reason)
    try:
        findings = await _ask(client, url.rstrip("/"), locked.packages)
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        said = str(error) or type(error).__name__
        reason = f"the advisories at {url} could not be asked ({said}); retry the scan"
        return CheckOutcome(name=NAME, tool=TOOL, status=FAILED, reason=reason)
    return CheckOutcome(
        name=NAME,
        tool=TOOL,
        status=RAN,
        reason=missed,
        looked_at=len(locked.packages),
        findings=findings,
    )


def _missed(locked: LockedPackages) -> str | None:
    """What nobody can look up, in one sentence."""
    parts = []
    if locked.unpinned:
        names = ", ".join(locked.unpinned[:_SHOWN])
        parts.append(f"not pinned to a version and so not looked up: {names}")
    if locked.unreadable:
        parts.append(f"cannot be read: {', '.join(locked.unreadable[:_SHOWN])}")
    return "; ".join(parts) or None


async def _ask(client: httpx2.AsyncClient, url: str, packages: Sequence[Package]) -> list[Finding]:
    hits: list[tuple[Package, str]] = []
    for start in range(0, len(packages), _BATCH):
        asked = packages[start : start + _BATCH]
        queries = [
            {
                "package": {"ecosystem": package.ecosystem, "name": package.name},
                "version": package.version,
            }
            for package in asked
        ]
        answer = await client.post(
            f"{url}/v1/querybatch", json={"queries": queries}, timeout=_TIMEOUT_S
        )
        answer.raise_for_status()
        results = answer.json()["results"]
        if len(results) != len(asked):
            raise ValueError(f"{len(results)} answers to {len(asked)} questions")
        for package, result in zip(asked, results, strict=True):
            hits += [(package, row["id"]) for row in result.get("vulns") or ()]
    details = await _read_all(client, url, {advisory_id for _, advisory_id in hits})
    return [
        _finding(package, details[advisory_id])
        for package, advisory_id in hits
        if not details[advisory_id].get("withdrawn")
    ]


async def _read_all(
    client: httpx2.AsyncClient, url: str, ids: set[str]
) -> Mapping[str, Mapping[str, Json]]:
    found: dict[str, Mapping[str, Json]] = {}
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def read(advisory_id: str) -> None:
        async with limiter:
            answer = await client.get(f"{url}/v1/vulns/{advisory_id}", timeout=_TIMEOUT_S)
            answer.raise_for_status()
            found[advisory_id] = answer.json()

    try:
        async with anyio.create_task_group() as tasks:
            for advisory_id in sorted(ids):
                tasks.start_soon(read, advisory_id)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return found


def _finding(package: Package, advisory: Mapping[str, Json]) -> Finding:
    aliases = [str(alias) for alias in advisory.get("aliases") or ()]
    severity = str((advisory.get("database_specific") or {}).get("severity", "")).upper()
    fixed = [*dict.fromkeys(_fixed_versions(package, advisory))]
    return Finding(
        id=str(advisory["id"]),
        check=NAME,
        severity=_SEVERITIES.get(severity, "unknown"),
        title=str(advisory.get("summary") or advisory["id"]),
        file=package.file,
        package=package.name,
        installed=package.version,
        fixed=", ".join(fixed) or None,
        link=f"https://osv.dev/vulnerability/{advisory['id']}",
        aliases=aliases,
    )


def _fixed_versions(package: Package, advisory: Mapping[str, Json]) -> Iterator[str]:
    for affected in advisory.get("affected") or ():
        about = affected.get("package") or {}
        if str(about.get("name", "")).lower() != package.name.lower():
            continue
        for versions in affected.get("ranges") or ():
            for event in versions.get("events") or ():
                if "fixed" in event and versions.get("type") != "GIT":
                    yield str(event["fixed"])
