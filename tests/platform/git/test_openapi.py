"""Answers in GitHub's form, checked against the description that GitHub publishes."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from createos_mcp.contract.values import Json
from tests.platform.git.working_copies import git_platform, vcs_project, working_copy
from tests.programs import is_required

pytestmark = pytest.mark.examples

PACKAGE = "@octokit/openapi@22"
ACCOUNT = "/v1/app-installations/github/accounts/1"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Json]:
    """The description, as the npm package has it."""
    npm, place = shutil.which("npm"), tmp_path_factory.mktemp("openapi")
    if npm is None and not is_required("npm"):
        pytest.skip("npm is not installed")
    words = [str(npm), "install", "--no-audit", "--no-fund", "--prefix", str(place), PACKAGE]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    file = place / "node_modules/@octokit/openapi/generated/api.github.com.json"
    read: dict[str, Json] = json.loads(file.read_text())
    return read


def check(published: Mapping[str, Json], path: str, answer: Json) -> None:
    """Fail where an answer is not what GitHub's own could be."""
    described = published["paths"][path]["get"]["responses"]["200"]["content"]
    schema = described["application/json"]["schema"]
    whole = {**schema, "components": published["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer)


async def test_branches_and_trees_are_such_as_github_could_answer(
    published: Mapping[str, Json], tmp_path: Path
) -> None:
    async with git_platform(tmp_path / "data") as api:
        await vcs_project(api, "shop")
        copy = working_copy(api, tmp_path / "copy", "shop")
        copy.commit({"index.html": "<p>", "src/deep/a.js": "1"})
        assert (await copy.push("main")).ok
        branches = await api.get(f"{ACCOUNT}/repositories/branches?repository=local/shop")
        assert [row["name"] for row in branches] == ["main"]
        check(published, "/repos/{owner}/{repo}/branches", branches)
        wanted = {"repository": "local/shop", "branch": "main"}
        _, tree = await api.request("POST", f"{ACCOUNT}/repositories/content", json=wanted)
        assert {row["path"] for row in tree["tree"]} == {"index.html", "src/deep/a.js"}
        check(published, "/repos/{owner}/{repo}/git/trees/{tree_sha}", tree)
        with pytest.raises(jsonschema.ValidationError):
            check(published, "/repos/{owner}/{repo}/branches", [{"name": 1}])
