"""Scans of images: saved from a real engine, and looked at by the scanner of the machine.

The scanner here is a stand-in that answers as grype 0.121 did of an image with these packages; it
refuses what is not an archive of an image, and a database that it could change.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.scans.findings import FAILED, RAN, SKIPPED
from tests.eventually import eventually
from tests.platform.engines.daemons import SERVE, DockerDaemon
from tests.platform.engines.test_images import PAGES, deploy, image_project
from tests.platform.platforms import Api, running_platform
from tests.platform.scans.osv_server import osv_server

pytestmark = pytest.mark.engines

REPORT = {
    "matches": [
        {
            "vulnerability": {
                "id": "CVE-2030-0001",
                "dataSource": "https://security.example/CVE-2030-0001",
                "severity": "High",
                "description": "a flaw in leaky\nmore",
                "fix": {"versions": ["2.0-1"], "state": "fixed"},
            },
            "relatedVulnerabilities": [],
            "artifact": {
                "name": "leaky",
                "version": "1.0-1",
                "type": "deb",
                "locations": [{"path": "/var/lib/dpkg/status"}],
            },
        }
    ]
}
GRYPE = f"""#!/bin/sh
if [ "$1 $2" = "db update" ]; then
  [ -z "$OFFLINE" ] || {{ echo "no route to host"; exit 1; }}
  echo known >"$GRYPE_DB_CACHE_DIR/advisories"
  chmod 600 "$GRYPE_DB_CACHE_DIR/advisories"
  exit
fi
[ "$GRYPE_DB_AUTO_UPDATE" = false ] || exit 9
[ "$(cat "$GRYPE_DB_CACHE_DIR/advisories")" = known ] || exit 8
(: >"$GRYPE_DB_CACHE_DIR/mine") 2>/dev/null && exit 7
tar -xOf "${{1#docker-archive:}}" manifest.json >/dev/null || exit 6
cat <<'END'
{json.dumps(REPORT)}
END
"""
FILES = {
    **PAGES,
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": "Package: leaky\nStatus: install ok installed\nVersion: 1.0-1\n"
    "Architecture: amd64\nMaintainer: a <a@example.com>\nDescription: x\n\n",
}


@pytest.fixture(scope="module")
def leaky(engine: DockerDaemon, registry: str) -> str:
    reference = f"{registry}/team/leaky:1"
    engine.publish(reference, FILES, "EXPOSE 8080")
    engine.docker("rmi", reference)
    return reference


@pytest.fixture
def osv() -> Iterator[str]:
    with osv_server() as address:
        yield address


@pytest.fixture
def grype(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "grype"
    program.parent.mkdir(mode=0o755)
    program.write_text(GRYPE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


async def scan(api: Api, project_id: str, deployment: Json) -> Json:
    change = {"displayName": "scanned", "enabledSecurityScan": True}
    assert (await api.request("PUT", f"/v1/projects/{project_id}", json=change))[0] == 200
    path = f"/v1/projects/{project_id}/deployments/{deployment['id']}/security-scans"
    assert (await api.request("POST", f"{path}/trigger"))[0] == 200
    return await eventually(
        lambda: api.get(path), lambda row: row["status"] in {"success", "failed"}, within_s=90
    )


def checks_of(found: Json) -> dict[str, Json]:
    return {row["name"]: row for row in found["parsedReport"]["checks"]}


@pytest.mark.usefixtures("grype")
async def test_what_is_known_of_an_images_packages_is_found(
    engine: DockerDaemon, leaky: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_platform(tmp_path / "data", docker_host=engine.host) as api:
        project_id = await image_project(api)
        deployment = await deploy(api, project_id, leaky)
        found = await scan(api, project_id, deployment)
        assert (found["status"], found["tool"]) == ("success", "grype"), found
        (row,) = found["parsedReport"]["vulnerabilities"]
        assert (row["id"], row["severity"], row["title"]) == (
            "CVE-2030-0001", "high", "a flaw in leaky",
        )  # fmt: skip
        assert (row["package"], row["installed"], row["fixed"]) == ("leaky", "1.0-1", "2.0-1")
        assert (row["check"], row["file"]) == ("image", "/var/lib/dpkg/status")
        checks = checks_of(found)
        assert checks["image"]["status"] == RAN
        assert checks["secrets"] == {
            "name": "secrets", "tool": "detect-secrets", "status": SKIPPED,
            "reason": "an image has no source here", "lookedAt": 0,
        }  # fmt: skip
        assert not list((tmp_path / "data" / "run").glob("scan-*"))
    # A database that is there will do where no newer one is to be had.
    monkeypatch.setenv("OFFLINE", "1")
    async with running_platform(tmp_path / "data", docker_host=engine.host) as api:
        assert (await scan(api, project_id, deployment))["status"] == "success"
        await api.wait(project_id, deployment["id"], "deployed")


@pytest.mark.usefixtures("grype")
async def test_without_a_database_nothing_is_called_clean(
    engine: DockerDaemon, leaky: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLINE", "1")
    async with running_platform(tmp_path / "data", docker_host=engine.host) as api:
        project_id = await image_project(api)
        found = await scan(api, project_id, await deploy(api, project_id, leaky))
    assert (found["status"], checks_of(found)["image"]["status"]) == ("failed", FAILED)
    assert "grype could not fetch its database (no route to host)" in found["failedReason"]


async def test_without_a_scanner_the_way_to_have_one_is_told(
    engine: DockerDaemon, leaky: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        project_id = await image_project(api)
        found = await scan(api, project_id, await deploy(api, project_id, leaky))
    assert (found["status"], checks_of(found)["image"]["status"]) == ("failed", SKIPPED)
    assert "install grype on this machine and scan again" in found["failedReason"]


@pytest.mark.usefixtures("grype")
async def test_of_a_dockerfile_both_the_files_and_the_image_are_looked_at(
    engine: DockerDaemon, leaky: str, osv: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": f"FROM {leaky}\nCMD {SERVE}\nEXPOSE 8080\n",
        "package-lock.json": json.dumps(
            {"lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "4.17.4"}}}
        ),
    }
    async with running_platform(tmp_path / "data", docker_host=engine.host, osv_url=osv) as api:
        deployment = await api.deploy(files)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        found = await scan(api, deployment["projectId"], deployment)
    assert found["status"] == "success", found
    assert {row["check"] for row in found["parsedReport"]["vulnerabilities"]} == {
        "dependencies", "image",
    }  # fmt: skip
