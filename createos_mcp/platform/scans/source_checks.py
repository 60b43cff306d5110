"""Checks of the source: kept scanners, each in the sandbox, told by what it prints."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from createos_mcp.platform.scans.findings import Finding

_LOCK_FILES = (
    r"(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|uv\.lock"
    r"|poetry\.lock|Pipfile\.lock|Cargo\.lock|go\.sum|node_modules/.*|\.git/.*)$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceCheck:
    """One scanner: what it is, how it is started and how its lines are read."""

    name: str
    package: str = ""
    """Of PyPI, at one version; empty for a program that the machine has."""
    program: str = ""
    """`semgrep`."""
    remedy: str = ""
    """How to have that program."""
    adds: bool = False
    """Whether it adds to others, and is not missed where it is not installed."""
    words: tuple[str, ...]
    """Of its command line, behind `python` or the program."""
    read: Callable[[str], list[Finding]]
    suffixes: frozenset[str] = frozenset()
    """Of the files that it can read; empty for all."""
    needs: tuple[Path, ...] = ()
    """Files of ours that it reads."""

    @property
    def tool(self) -> str:
        """Whose program it is."""
        return self.program or self.package.partition("==")[0]


_BY_WORD = "Secret Keyword"


def _read_secrets(report: str) -> list[Finding]:
    """What `detect-secrets scan` prints: a baseline as JSON."""
    found = []
    for file, rows in json.loads(report)["results"].items():
        # One secret of a known kind is often told a second time by the word before it.
        rows.sort(key=lambda row: row["type"] != _BY_WORD)
        for row in {(row["line_number"], row["hashed_secret"]): row for row in rows}.values():
            kind = str(row["type"])
            found.append(
                Finding(
                    id=f"secret/{re.sub(r'[^a-z0-9]+', '-', kind.lower()).strip('-')}",
                    check="secrets",
                    severity="high",
                    title=f"{kind} in the source; revoke it, and set it as a variable instead",
                    file=file.removeprefix("./"),
                    line=int(row["line_number"]),
                )
            )
    return found


_BANDIT_SEVERITIES: Mapping[str, str] = {"HIGH": "high", "MEDIUM": "moderate", "LOW": "low"}
_BANDIT_LINE = re.compile(r"FOUND\|([^|]*)\|(\d+)\|([^|]*)\|([^|]*)\|(.*)")


def _read_code(report: str) -> list[Finding]:
    found = []
    for match in filter(None, map(_BANDIT_LINE.fullmatch, report.splitlines())):
        file, line, rule, severity, message = match.groups()
        found.append(
            Finding(
                id=f"bandit/{rule}",
                check="code",
                severity=_BANDIT_SEVERITIES.get(severity, "unknown"),
                title=message,
                file=file.removeprefix("./"),
                line=int(line),
            )
        )
    return found


_SEMGREP_SEVERITIES: Mapping[str, str] = {"ERROR": "high", "WARNING": "moderate", "INFO": "low"}

RULES = Path(__file__).with_name("rules.yaml")
"""Few, and only those that are hardly ever wrong."""


def _read_semgrep(report: str) -> list[Finding]:
    """What `semgrep scan --json` prints."""
    told = json.loads(report)
    failed = [one for one in told["errors"] if one.get("level") == "error"]
    if failed and not told["paths"]["scanned"]:
        raise ValueError(failed[0].get("message", "it read no file"))
    return [
        Finding(
            id=f"semgrep/{row['check_id'].rpartition('.')[2]}",
            check="code",
            severity=_SEMGREP_SEVERITIES.get(row["extra"]["severity"], "unknown"),
            title=" ".join(row["extra"]["message"].split()),
            file=row["path"].removeprefix("./"),
            line=int(row["start"]["line"]),
        )
        for row in told["results"]
    ]


def _read_gitleaks(report: str) -> list[Finding]:
    """What `gitleaks dir` reports, with every secret taken out."""
    return [
        Finding(
            id=f"gitleaks/{row['RuleID']}",
            check="secrets",
            severity="high",
            title=f"{row['RuleID']} in the source; revoke it, and set it as a variable instead",
            file=row["File"].removeprefix("./"),
            line=int(row["StartLine"]),
        )
        for row in json.loads(report) or ()
    ]


SOURCE_CHECKS: tuple[SourceCheck, ...] = (
    SourceCheck(
        name="secrets",
        package="detect-secrets==1.5.0",
        words=(
            "-m",
            "detect_secrets",
            "scan",
            "--all-files",
            "--no-verify",
            "--exclude-files",
            _LOCK_FILES,
            # What has much entropy is a hash far more often than a secret.
            "--disable-plugin",
            "Base64HighEntropyString",
            "--disable-plugin",
            "HexHighEntropyString",
        ),
        read=_read_secrets,
    ),
    SourceCheck(
        name="code",
        package="bandit==1.9.4",
        suffixes=frozenset({".py"}),
        words=(
            "-m",
            "bandit",
            "--recursive",
            ".",
            "--quiet",
            "--exit-zero",
            "--severity-level",
            "medium",
            "--confidence-level",
            "medium",
            "--exclude",
            "./node_modules,./.venv,./tests",
            "--format",
            "custom",
            "--msg-template",
            "FOUND|{relpath}|{line}|{test_id}|{severity}|{msg}",
        ),
        read=_read_code,
    ),
    SourceCheck(
        name="semgrep",
        program="semgrep",
        remedy="install semgrep on this machine (pipx install semgrep) and scan again",
        suffixes=frozenset(
            {
                *(".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue"),
                *(".go", ".rb", ".php", ".java", ".kt", ".cs", ".rs", ".scala", ".swift"),
            }
        ),
        words=(
            "scan",
            *("--config", str(RULES)),
            *("--metrics", "off", "--disable-version-check", "--no-git-ignore"),
            *("--exclude", "node_modules", "--exclude", "vendor", "--exclude", "*.min.js"),
            *("--json", "--quiet", "."),
        ),
        needs=(RULES,),
        read=_read_semgrep,
    ),
    SourceCheck(
        name="gitleaks",
        program="gitleaks",
        adds=True,
        words=(
            *("dir", ".", "--no-banner", "--log-level", "fatal", "--exit-code", "0"),
            *("--redact=100", "--report-format", "json", "--report-path", "-"),
        ),
        read=_read_gitleaks,
    ),
)
"""Those of PyPI are small, kept and fetched when first used; the others run where the machine has
them."""
