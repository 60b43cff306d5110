"""Checks of the source: kept scanners, each in the sandbox, told by the lines that it prints."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    package: str
    """Of PyPI, at one version."""
    words: tuple[str, ...]
    """Of its command line, behind `python`."""
    read: Callable[[Sequence[str]], list[Finding]]
    exit_codes: frozenset[int] = frozenset({0})
    """With which it says that it has looked."""

    def command(self, python: Path) -> tuple[str, ...]:
        """Program and arguments, for the directory of the files."""
        return (str(python), "-B", *self.words)


_BY_WORD = "Secret Keyword"


def _read_secrets(lines: Sequence[str]) -> list[Finding]:
    """What `detect-secrets scan` prints: a baseline as JSON."""
    found = []
    for file, rows in json.loads("\n".join(lines))["results"].items():
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


def _read_code(lines: Iterable[str]) -> list[Finding]:
    found = []
    for match in filter(None, map(_BANDIT_LINE.fullmatch, lines)):
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
)
"""Each one small, kept, and carried by PyPI."""
