"""Findings: what a check has found, and what it could not look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from createos_mcp.contract.values import Json

SEVERITIES = ("critical", "high", "moderate", "low", "unknown")
RAN, SKIPPED, FAILED = "ran", "skipped", "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One fault at one place; of a leaked secret the place alone, never its value."""

    id: str
    check: str
    severity: str
    title: str
    file: str
    line: int | None = None
    package: str | None = None
    installed: str | None = None
    fixed: str | None = None
    """Versions without the fault, the lowest first; None where there is none."""
    link: str | None = None
    aliases: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOutcome:
    """Whether a check looked, and what it saw."""

    name: str
    tool: str = ""
    """What looks: `bandit`."""
    status: str
    """`ran`, `skipped` or `failed`."""
    reason: str | None = None
    """Why it did not look, or what of it; with the way to have it."""
    looked_at: int = 0
    """Packages or files."""
    findings: Sequence[Finding] = field(default=(), repr=False)

    def describe(self) -> dict[str, Json]:
        """As a report lists it."""
        return {
            "name": self.name,
            "tool": self.tool,
            "status": self.status,
            "reason": self.reason,
            "lookedAt": self.looked_at,
        }


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Each fault once, the worst first: advisories that name one another are one."""
    kept: list[Finding] = []
    for one in sorted(findings, key=_order):
        names = {one.id, *one.aliases}
        place = (one.package, one.installed, one.file, one.line)
        is_known = any(
            # One secret has another name with each scanner.
            (names & {other.id, *other.aliases} or one.check == other.check == "secrets")
            and place == (other.package, other.installed, other.file, other.line)
            for other in kept
        )
        if not is_known:
            kept.append(one)
    return kept


def make_report(outcomes: Sequence[CheckOutcome]) -> dict[str, Json]:
    """What a scan has to say, as its `parsedReport`."""
    findings = merge_findings(one for outcome in outcomes for one in outcome.findings)
    counts: Mapping[str, int] = {
        severity: sum(one.severity == severity for one in findings) for severity in SEVERITIES
    }
    return {
        "summary": {"total": len(findings), **counts},
        "checks": [outcome.describe() for outcome in outcomes],
        "vulnerabilities": [{**asdict(one), "aliases": [*one.aliases]} for one in findings],
    }


def _order(one: Finding) -> tuple[int, str, str, int, str]:
    return (
        SEVERITIES.index(one.severity),
        one.package or "",
        one.file,
        one.line or 0,
        # CVE and GHSA before names that few know.
        one.id if one.id.startswith(("CVE", "GHSA")) else f"~{one.id}",
    )
