"""Documents of a scan in the forms that other programs read."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from urllib.parse import quote

from createos_mcp.contract.values import Json
from createos_mcp.platform.scans.lock_files import Package

_LEVELS = {"critical": "error", "high": "error", "moderate": "warning", "low": "note"}
_PURL_TYPES = {
    "PyPI": "pypi",
    "npm": "npm",
    "Go": "golang",
    "crates.io": "cargo",
    "Packagist": "composer",
    "RubyGems": "gem",
}
_CYCLONE_SEVERITIES = {"moderate": "medium"}


def pack_documents(report: Mapping[str, Json], packages: Sequence[Package]) -> bytes:
    """A zip: `report.json`, `report.sarif` and `sbom.cdx.json`."""
    documents = {
        "report.json": report,
        "report.sarif": as_sarif(report),
        "sbom.cdx.json": as_cyclonedx(report, packages),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, document in documents.items():
            archive.writestr(name, json.dumps(document, indent=2))
    return packed.getvalue()


def as_sarif(report: Mapping[str, Json]) -> Json:
    """https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""
    rows = report["vulnerabilities"]
    rules = {
        row["id"]: {
            "id": row["id"],
            "shortDescription": {"text": row["title"]},
            **({"helpUri": row["link"]} if row["link"] else {}),
        }
        for row in rows
    }
    results = [
        {
            "ruleId": row["id"],
            "level": _LEVELS.get(row["severity"], "warning"),
            "message": {"text": _sentence(row)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(row["file"])},
                        **({"region": {"startLine": row["line"]}} if row["line"] else {}),
                    }
                }
            ],
        }
        for row in rows
    ]
    driver = {
        "name": "createos-mcp",
        "version": version("createos-mcp"),
        "rules": [*rules.values()],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def as_cyclonedx(report: Mapping[str, Json], packages: Sequence[Package]) -> Json:
    """https://cyclonedx.org/docs/1.6/json/."""
    components = {
        _purl(package): {
            "type": "library",
            "bom-ref": _purl(package),
            "name": package.name,
            "version": package.version,
            "purl": _purl(package),
        }
        for package in packages
    }
    by_place = {(package.name, package.version): _purl(package) for package in packages}
    vulnerabilities = [
        {
            "id": row["id"],
            "source": {"name": "OSV", "url": row["link"]},
            "ratings": [{"severity": _CYCLONE_SEVERITIES.get(row["severity"], row["severity"])}],
            "description": row["title"],
            "affects": [{"ref": by_place[(row["package"], row["installed"])]}],
        }
        for row in report["vulnerabilities"]
        if (row["package"], row["installed"]) in by_place
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [*components.values()],
        "vulnerabilities": vulnerabilities,
    }


def _purl(package: Package) -> str:
    """https://github.com/package-url/purl-spec."""
    kind = _PURL_TYPES[package.ecosystem]
    name = quote(package.name, safe="/")
    return f"pkg:{kind}/{name}@{quote(package.version, safe='')}"


def _sentence(row: Mapping[str, Json]) -> str:
    if not row["package"]:
        return str(row["title"])
    fixed = f"; fixed in {row['fixed']}" if row["fixed"] else ""
    return f"{row['package']} {row['installed']}: {row['title']}{fixed}"
