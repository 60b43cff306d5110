"""Accounts on GitHub: its API by `emulate`, its repositories by another platform's git host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from createos_mcp.platform.errors import GitHubError
from createos_mcp.platform.git.git_commands import run_git
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.repositories import connect_github, disconnect_github
from tests.eventually import eventually
from tests.platform.git.github_server import github_server, install_emulate
from tests.platform.git.working_copies import (
    PAGE,
    address_of,
    deployments_of,
    git_platform,
    working_copy,
)
from tests.platform.platforms import another_user, read_page

pytestmark = pytest.mark.examples

ACCOUNTS = "/v1/app-installations/github/accounts"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_emulate(tmp_path_factory.mktemp("emulate"))


@contextmanager
def server(modules: Path, token: str) -> Iterator[str]:
    with github_server(modules, {token: "octo"}, "octo/shop") as address:
        yield address


def repositories_below(root: Path) -> list[Path]:
    """Those that a platform has fetched."""
    return [file.parent for file in root.rglob("shallow") if (file.parent / "HEAD").is_file()]


def commits_below(root: Path) -> list[int]:
    """How many commits each of them holds."""
    words = ("rev-list", "--count", "--all")
    return [int(run_git(place, words)) for place in repositories_below(root)]


async def test_repositories_of_an_account_are_listed_followed_and_deployed(
    modules: Path, tmp_path: Path
) -> None:
    data_dir = DataDir(tmp_path / "data")
    async with git_platform(tmp_path / "remote") as remote, another_user(remote, "octo") as octo:
        await octo.request(
            "POST",
            "/v1/projects",
            json={
                "uniqueName": "unbuilt",
                "displayName": "unbuilt",
                "type": "vcs",
                "source": {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": "shop"},
                "settings": {"useBuildAI": True, "ignoreBranches": ["*"]},
            },
        )
        token = octo.client.headers["X-Api-Key"]
        copy = working_copy(octo, tmp_path / "copy", "shop", "octo")
        copy.commit({"index.html": PAGE.format("from afar")})
        assert (await copy.push("main")).ok
        with server(modules, token) as api_url:
            async with git_platform(data_dir.root, github_poll_s=0.5) as api:
                git_url = f"{str(remote.client.base_url).rstrip('/')}/git"
                account = await connect_github(
                    data_dir, token, user=None, api_url=api_url, git_url=git_url
                )
                number = account.installation_id
                listed = await api.get(ACCOUNTS)
                assert [(row["installationId"], row["username"]) for row in listed] == [
                    (1, "local"),
                    (number, "octo"),
                ]
                (shop,) = await api.get(f"{ACCOUNTS}/{number}/repositories")
                assert shop["fullName"] == shop["full_name"] == "octo/shop"
                branches = f"{ACCOUNTS}/{number}/repositories/branches?repository=octo/shop"
                assert [row["name"] for row in await api.get(f"{branches}&per-page=1")] == ["main"]
                assert await api.get(f"{branches}&per-page=1&page=2") == []
                wanted = {"repository": "octo/shop", "branch": "main"}
                _, tree = await api.request(
                    "POST", f"{ACCOUNTS}/{number}/repositories/content", json=wanted
                )
                assert [entry["path"] for entry in tree["tree"]] == ["README.md"]
                project = {
                    "uniqueName": "shop-app",
                    "displayName": "shop-app",
                    "type": "vcs",
                    "source": {
                        "vcsName": "github",
                        "vcsInstallationId": str(number),
                        "vcsRepoId": str(shop["id"]),
                    },
                    "settings": {"useBuildAI": True},
                }
                status, made = await api.request("POST", "/v1/projects", json=project)
                assert status == 201, made
                address = await address_of(api, made["id"])
                await eventually(lambda: read_page(address), lambda page: "from afar" in page)
                for fetched in repositories_below(data_dir.root):
                    (fetched / "shallow.lock").touch()  # as a git that was killed leaves it
                copy.commit({"index.html": PAGE.format("pushed there")})
                assert (await copy.push("main")).ok
                await eventually(lambda: read_page(address), lambda page: "pushed there" in page)
                status, told = await api.request(
                    "POST", f"/v1/projects/{made['id']}/trigger-latest"
                )
                assert "is version 2 already" in told
                assert commits_below(data_dir.root) == [1]
                rows = await deployments_of(api, made["id"])
                assert [row["source"]["branch"] for row in rows] == ["main", "main"]
                async with another_user(api) as alice:
                    refused = f"{ACCOUNTS}/{number}/repositories"
                    assert (await alice.request("GET", refused))[0] == 404
                    assert (await alice.request("POST", "/v1/projects", json=project))[0] == 404
                assert await disconnect_github(data_dir, "OCTO", user=None)
                assert (await api.request("GET", f"{ACCOUNTS}/{number}/repositories"))[0] == 404
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


async def test_what_is_no_github_is_refused_with_its_address(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        elsewhere = str(api.client.base_url).rstrip("/")
        with pytest.raises(GitHubError, match="it has no such thing"):
            await connect(tmp_path, "token", elsewhere)
    with pytest.raises(GitHubError, match=f"{elsewhere} cannot be reached"):
        await connect(tmp_path, "token", elsewhere)


async def connect(root: Path, token: str, api_url: str) -> None:
    await connect_github(DataDir(root / "data"), token, user=None, api_url=api_url, git_url=api_url)
