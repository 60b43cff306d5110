"""Checks of images: what packages an image holds, looked up by a kept scanner of the machine.

Its report: https://github.com/anchore/grype#output-formats.
"""

import json
from collections.abc import Iterator, Mapping

from createos_mcp.contract.values import Json
from createos_mcp.platform.scans.findings import Finding

NAME = "image"
PROGRAM = "grype"
REMEDY = "nothing here reads images; install grype on this machine and scan again"

UPDATE = ("db", "update")
"""Fetches its database, unless the one that is there is the newest."""

ARCHIVE = "image.tar"
WORDS = (f"docker-archive:{ARCHIVE}", "--output", "json")

_SEVERITIES = {"critical": "critical", "high": "high", "medium": "moderate", "low": "low",
               "negligible": "low"}  # fmt: skip


def database_variables(directory: str, *, updates: bool) -> Mapping[str, str]:
    """Where the database is, and whether a look at an image may fetch another one."""
    return {
        "GRYPE_DB_CACHE_DIR": directory,
        "GRYPE_DB_AUTO_UPDATE": json.dumps(updates),
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
    }


def read_grype(report: str) -> list[Finding]:
    """What `grype --output json` prints."""
    return list(_findings(json.loads(report)))


def _findings(told: Mapping[str, Json]) -> Iterator[Finding]:
    for match in told["matches"]:
        known, package = match["vulnerability"], match["artifact"]
        places = package.get("locations") or ({"path": ""},)
        fix = known.get("fix") or {}
        yield Finding(
            id=str(known["id"]),
            check=NAME,
            severity=_SEVERITIES.get(str(known.get("severity")).lower(), "unknown"),
            title=str(known.get("description") or known["id"]).split("\n", 1)[0],
            file=str(places[0]["path"]),
            package=str(package["name"]),
            installed=str(package["version"]),
            fixed=", ".join(fix.get("versions") or ()) or None,
            link=known.get("dataSource") or None,
            aliases=[str(one["id"]) for one in match.get("relatedVulnerabilities") or ()],
        )
