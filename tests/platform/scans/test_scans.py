"""Scans of seeded apps: every planted fault is found at its place, and none on the clean twin."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from uv import find_uv_bin

from createos_mcp.contract.values import Json
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.scans.findings import FAILED, RAN, SKIPPED, merge_findings
from createos_mcp.platform.scans.source_checks import SOURCE_CHECKS
from tests.eventually import eventually
from tests.platform.pages.visitors import visitor
from tests.platform.platforms import Api, running_platform
from tests.platform.scans.osv_server import osv_server

SEMGREP = "semgrep==1.185.0"

AWS_KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
GITHUB_TOKEN = "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"
SLACK_TOKEN = "xoxb-" + "17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy"
STRIPE_KEY = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
PRIVATE_KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\n"
SECRETS = {
    "aws.py": f'KEY = "{AWS_KEY}"\n',
    "ci.sh": f"git clone https://{GITHUB_TOKEN}@github.com/team/app\n",
    "bot.js": f'const token = "{SLACK_TOKEN}";\n',
    "pay.rb": f'Stripe.api_key = "{STRIPE_KEY}"\n',
    "deploy.pem": PRIVATE_KEY,
}
CODE = {
    "shell.py": "import subprocess\n\n\ndef run(text):\n    subprocess.run(text, shell=True)\n",
    "load.py": "import yaml\n\n\ndef load(text):\n    return yaml.load(text, yaml.Loader)\n",
    "hash.py": "import hashlib\n\n\ndef weak(text):\n    return hashlib.md5(text)\n",
    "evil.py": "import pickle\n\n\ndef load(text):\n    return pickle.loads(text)\n",
    "sql.py": "def find(db, name):\n"
    "    return db.execute(\"SELECT * FROM t WHERE n = '%s'\" % name)\n",
}
LOCKS = {
    "requirements.txt": "requests=={requests}\nPyYAML=={pyyaml}\nJinja2=={jinja2}\n",
    "package-lock.json": json.dumps(
        {
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "app"},
                "node_modules/lodash": {"version": "LODASH"},
                "node_modules/a/node_modules/minimist": {"version": "MINIMIST"},
            },
        }
    ),
    "web/yarn.lock": 'node-fetch@^2.0.0:\n  version "NODE_FETCH"\n  resolved "x"\n',
    "api/go.mod": "module app\n\ngo 1.22\n\nrequire github.com/gin-gonic/gin vGIN\n",
    "core/Cargo.lock": '[[package]]\nname = "time"\nversion = "TIME"\nsource = "registry"\n',
    "old/composer.lock": '{"packages": [{"name": "example/router", "version": "vROUTER"}]}',
}
BAD = {
    "{requests}": "2.19.0", "{pyyaml}": "5.3", "{jinja2}": "2.10", "LODASH": "4.17.4",
    "MINIMIST": "1.2.0", "NODE_FETCH": "2.6.1", "GIN": "1.6.0", "TIME": "0.1.43",
    "ROUTER": "2.0.0",
}  # fmt: skip
GOOD = {
    "{requests}": "2.32.3", "{pyyaml}": "6.0.2", "{jinja2}": "3.1.4", "LODASH": "4.17.21",
    "MINIMIST": "1.2.8", "NODE_FETCH": "2.7.0", "GIN": "1.10.0", "TIME": "0.3.36",
    "ROUTER": "2.4.0",
}  # fmt: skip
PAGE = {"index.html": "x", "Procfile": "web: python -m http.server $PORT\n"}
RUN = {"runtime": "python:3.11", "runCommand": "python3 -m http.server $PORT",
       "installCommand": "true", "buildCommand": "true"}  # fmt: skip


def locks(versions: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, text in LOCKS.items():
        for placeholder, version in versions.items():
            text = text.replace(placeholder, version)  # noqa: PLW2901
        found[name] = text
    return found


SEEDED = {**PAGE, **SECRETS, **CODE, **locks(BAD)}
CLEAN = {
    **PAGE,
    **locks(GOOD),
    "main.py": "import hashlib\nimport os\n\nKEY = os.environ.get('KEY')\n"
    "print(hashlib.sha256(b'x').hexdigest())\n",
    ".env.example": "API_KEY=\nPASSWORD=\n",
    "integrity.txt": "sha512-QxM9bKVuI2Ssm8dj4XvIuFKVmDNoVzTGvtWXEJZ4QqJ4Yzxq8p0r6qk3m0fT8Zy==\n",
}
NOTHING = "Nothing was found."
PLANTED = 9 + len(SECRETS) + len(CODE)


@pytest.fixture
def osv() -> Iterator[str]:
    with osv_server() as address:
        yield address


async def scan(api: Api, files: dict[str, str], name: str) -> tuple[Json, str]:
    """The scan that a deployment brings with it, and the address of its operations."""
    project_id = await api.create_project(name, useBuildAI=False, **RUN)
    change = {"displayName": name, "enabledSecurityScan": True}
    assert (await api.request("PUT", f"/v1/projects/{project_id}", json=change))[0] == 200
    deployment = await api.wait(project_id, await api.upload(project_id, files))
    assert deployment["status"] == "deployed", deployment["reason"]
    path = f"/v1/projects/{project_id}/deployments/{deployment['id']}/security-scans"

    async def read() -> Json:
        status, row = await api.request("GET", path)
        return row if status == 200 else {"status": "pending"}

    ended = await eventually(read, lambda row: row["status"] in {"success", "failed"}, within_s=90)
    return ended, path


async def page_of(api: Api, path: str) -> str:
    """The page of the deployment whose scan is at a path."""
    async with visitor(api) as someone:
        return await someone.page(path.removeprefix("/v1").removesuffix("/security-scans"))


async def test_planted_faults_are_found_exactly_and_secrets_by_their_place_alone(
    tmp_path: Path, osv: str
) -> None:
    async with running_platform(tmp_path, osv_url=osv) as api:
        found, path = await scan(api, SEEDED, "seeded-app")
        report = found["parsedReport"]
        rows = report["vulnerabilities"]
        checks = {check["name"]: check for check in report["checks"]}
        assert {name for name, one in checks.items() if one["status"] == RAN} == {
            "dependencies", "secrets", "code",
        }, checks  # fmt: skip
        assert checks["semgrep"]["status"] == SKIPPED
        assert checks["semgrep"]["reason"].startswith("nothing here reads the code of .js, .rb;")
        by_check: dict[str, set[str]] = {}
        for row in rows:
            by_check.setdefault(row["check"], set()).add(row["package"] or row["file"])
        assert by_check["secrets"] == set(SECRETS)
        assert "secret/stripe-access-key" in {row["id"] for row in rows}
        assert by_check["code"] == set(CODE)
        assert by_check["dependencies"] == {
            "requests", "PyYAML", "Jinja2", "lodash", "minimist", "node-fetch",
            "github.com/gin-gonic/gin", "time", "example/router",
        }  # fmt: skip
        assert report["summary"]["total"] == len(rows) == PLANTED
        (requests,) = [row for row in rows if row["package"] == "requests"]
        assert requests["id"] == "GHSA-x84v-xcm2-53pg"
        assert (requests["severity"], requests["fixed"]) == ("high", "2.20.0")
        order = ["critical", "high", "moderate", "low", "unknown"]
        assert [row["severity"] for row in rows] == sorted(
            (row["severity"] for row in rows), key=order.index
        )
        page = await page_of(api, path)
        assert all(row["id"] in page for row in rows)
        assert NOTHING not in page
        link = urlsplit((await api.get(f"{path}/download"))["downloadUri"])
        packed = (await api.client.get(f"{link.path}?{link.query}")).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        documents = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert len(documents["report.sarif"]["runs"][0]["results"]) == PLANTED
    assert len(documents["sbom.cdx.json"]["components"]) == 9
    assert len(documents["sbom.cdx.json"]["vulnerabilities"]) == 9
    everything = json.dumps([found, documents])
    for secret in (AWS_KEY, GITHUB_TOKEN, SLACK_TOKEN, STRIPE_KEY, "MIIEow"):
        assert secret not in everything


async def test_nothing_is_found_in_the_clean_twin(tmp_path: Path, osv: str) -> None:
    async with running_platform(tmp_path, osv_url=osv) as api:
        found, path = await scan(api, CLEAN, "clean-app")
        assert found["status"] == "success"
        assert found["parsedReport"]["vulnerabilities"] == []
        assert NOTHING in await page_of(api, path)
        assert (await api.request("POST", f"{path}/retrigger"))[0] == 400
        assert (await api.request("POST", f"{path}/trigger"))[0] == 200


async def test_a_check_that_could_not_look_is_never_green(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    async with running_platform(tmp_path, osv_url=nowhere) as api:
        found, path = await scan(api, CLEAN, "offline-app")
        assert found["status"] == "failed"
        checks = {row["name"]: row for row in found["parsedReport"]["checks"]}
        assert checks["dependencies"]["status"] == FAILED
        assert f"the advisories at {nowhere} could not be asked" in found["failedReason"]
        assert checks["secrets"]["status"] == RAN
        assert NOTHING not in await page_of(api, path)
        assert (await api.request("GET", f"{path}/download"))[0] == 404
        assert (await api.request("POST", f"{path}/retrigger"))[0] == 200
        loose, _ = await scan(api, {**PAGE, "requirements.txt": "flask\n"}, "loose-app")
        dependencies = loose["parsedReport"]["checks"][0]
        assert dependencies["status"] == SKIPPED
        assert "requirements.txt: flask" in dependencies["reason"]


async def test_a_check_that_reads_none_of_the_languages_says_so(tmp_path: Path, osv: str) -> None:
    async with running_platform(tmp_path, osv_url=osv) as api:
        found, _ = await scan(api, {**PAGE, "index.js": "eval(text)\n"}, "node-app")
        checks = {row["name"]: row for row in found["parsedReport"]["checks"]}
    assert checks["code"]["status"] == checks["semgrep"]["status"] == SKIPPED
    assert "no file is in a language" in checks["code"]["reason"]
    assert "pipx install semgrep" in checks["semgrep"]["reason"]


UNSAFE = {
    "run.js": "const { exec } = require('child_process');\nexec('ls ' + folder);\n",
    "eval.ts": "export const run = (text: string) => eval(text);\n",
    "find.mjs": "db.query(`SELECT * FROM users WHERE name = ${name}`);\n",
    "tls.js": "fetch(url, { rejectUnauthorized: false });\n",
    "hash.js": "crypto.createHash('md5');\n",
    "main.go": 'package main\n\nfunc f(n string) {\n\texec.Command("sh", "-c", n)\n}\n',
    "query.go": 'package main\n\nfunc g(n string) {\n\tdb.Query("SELECT 1 " + n)\n}\n',
    "run.php": '<?php\nshell_exec("ls $folder");\n',
    "run.rb": 'system("ls #{folder}")\n',
}
SAFE = {
    "run.js": "const { execFile } = require('child_process');\nexecFile('ls', [folder]);\n",
    "eval.ts": "const found = /x/.exec(`a${text}`);\n",
    "find.mjs": "db.query('SELECT * FROM users WHERE name = $1', [name]);\ncache.get(`u-${id}`);\n",
    "hash.js": "crypto.createHash('sha256');\n",
    "main.go": 'package main\n\nfunc f(n string) {\n\texec.Command("ls", n)\n}\n',
    "run.php": '<?php\nshell_exec("ls");\n',
    "run.rb": 'system("ls", folder)\n',
}


@pytest.fixture(scope="module")
def semgrep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the program, as pipx installs it."""
    place = tmp_path_factory.mktemp("semgrep")
    uv = find_uv_bin()
    python = str(place / "venv" / "bin" / "python")
    make = [uv, "venv", "--quiet", "--python", sys.executable, str(place / "venv")]
    # What is in a cache may be readable by its owner alone.
    fill = [uv, "pip", "install", "--quiet", "--no-cache", "--python", python, SEMGREP]
    for command in (make, fill):
        subprocess.run(command, check=True, umask=0o022)
    links = place / "links"
    links.mkdir()
    (links / "semgrep").symlink_to(place / "venv" / "bin" / "semgrep")
    return links


@pytest.mark.examples
async def test_code_in_other_languages_is_read_where_semgrep_is_installed(
    tmp_path: Path, osv: str, semgrep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(semgrep), prepend=os.pathsep)
    async with running_platform(tmp_path, osv_url=osv) as api:
        found, _ = await scan(api, {**PAGE, **UNSAFE}, "unsafe-app")
        clean, _ = await scan(api, {**PAGE, **SAFE}, "safe-app")
    for one in (found, clean):
        checks = {row["name"]: row for row in one["parsedReport"]["checks"]}
        assert checks["semgrep"]["status"] == RAN, checks
    rows = found["parsedReport"]["vulnerabilities"]
    assert {row["file"] for row in rows} == set(UNSAFE)
    assert len(rows) == len(UNSAFE)
    assert clean["parsedReport"]["vulnerabilities"] == []


LEAK = """[
 {
  "RuleID": "slack-bot-token",
  "Description": "Identified a Slack Bot token, which may compromise bot integrations.",
  "StartLine": 2,
  "Match": "REDACTED",
  "Secret": "REDACTED",
  "File": "k.py",
  "Fingerprint": "k.py:slack-bot-token:2"
 }
]"""
"""What gitleaks 8 said of a file, without the members that nobody reads."""


def test_what_gitleaks_says_is_read_and_one_secret_is_told_once() -> None:
    (check,) = [one for one in SOURCE_CHECKS if one.name == "gitleaks"]
    (leak,) = check.read(LEAK)
    assert (leak.file, leak.line, leak.id) == ("k.py", 2, "gitleaks/slack-bot-token")
    same = replace(leak, id="secret/slack-token")
    other = replace(leak, line=3)
    assert len(merge_findings([leak, same, other])) == 2
    assert check.read("null") == check.read("[]") == []


async def test_a_report_of_one_long_line_is_read_whole(
    tmp_path: Path, osv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"RuleID": "token", "File": f"{n}.txt", "StartLine": 1} for n in range(2_000)]
    program(tmp_path / "bin" / "gitleaks", f"cat <<'END'\n{json.dumps(rows)}\nEND\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    async with running_platform(tmp_path / "data", osv_url=osv) as api:
        found, _ = await scan(api, PAGE, "leaky-app")
    assert found["parsedReport"]["summary"]["total"] == len(rows)


FAILING = {
    "says why": ("echo no rules >&2; exit 2", "no rules"),
    "says nothing": ("exit 3", "it exited with 3"),
    "reports a link": ('ln -sf /etc/passwd "$TMPDIR/report"', "its output cannot be used"),
    "reports a pipe": ('rm "$TMPDIR/report"; mkfifo "$TMPDIR/report"', "is not a file"),
    "reports nonsense": ("echo '[{]'", "its output cannot be used"),
}


async def test_a_scanner_that_fails_is_told_and_leads_nowhere(
    tmp_path: Path, osv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gitleaks = tmp_path / "bin" / "gitleaks"
    program(gitleaks, "exit 1")
    monkeypatch.setenv("PATH", str(gitleaks.parent), prepend=os.pathsep)
    async with running_platform(tmp_path / "data", osv_url=osv) as api:
        _, path = await scan(api, PAGE, "plain-app")
        for what, (script, said) in FAILING.items():
            program(gitleaks, script)
            assert (await api.request("POST", f"{path}/retrigger"))[0] == 200
            found = await eventually(
                lambda: api.get(path), lambda row: row["status"] == "failed", within_s=90
            )
            (check,) = [row for row in found["parsedReport"]["checks"] if row["name"] == "gitleaks"]
            assert (what, check["status"]) == (what, FAILED)
            assert said in check["reason"], what
            assert "root:" not in json.dumps(found)


def program(place: Path, script: str) -> None:
    """A program of the machine, in a folder of its own."""
    place.parent.mkdir(mode=0o755, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}")
    place.chmod(0o755)


async def test_a_scan_that_was_interrupted_goes_on_with_the_next_start(
    tmp_path: Path, osv: str
) -> None:
    async with running_platform(tmp_path, osv_url=osv) as api:
        project_id = await api.create_project("cut-app", useBuildAI=False, **RUN)
        deployment = await api.wait(project_id, await api.upload(project_id, CLEAN))
        change = {"displayName": "cut-app", "enabledSecurityScan": True}
        await api.request("PUT", f"/v1/projects/{project_id}", json=change)
        path = f"/v1/projects/{project_id}/deployments/{deployment['id']}/security-scans"
        assert (await api.request("POST", f"{path}/trigger"))[0] == 200
        assert (await api.request("POST", f"{path}/trigger"))[0] == 400
    async with running_platform(tmp_path, osv_url=osv) as api:
        found = await eventually(
            lambda: api.get(path), lambda row: row["status"] == "success", within_s=90
        )
        assert found["parsedReport"]["summary"]["total"] == 0


def test_advisories_are_asked_of_osv_by_default() -> None:
    assert PlatformConfig.osv_url == "https://api.osv.dev"
