"""A GitHub App: installations, deliveries and statuses, with `emulate` for GitHub."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import GitHubError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.repositories import forget_app, register_app
from createos_mcp.platform.store.github_app import AppRegistration
from tests.eventually import eventually
from tests.platform.git.github_front import Front, github_front
from tests.platform.git.github_server import github_server, install_emulate
from tests.platform.git.working_copies import (
    PAGE,
    WorkingCopy,
    address_of,
    git_platform,
    working_copy,
)
from tests.platform.platforms import Api, another_user, read_page

pytestmark = pytest.mark.examples

ACCOUNTS = "/v1/app-installations/github/accounts"
INSTALL = "/v1/app-installations/github"
REDIRECT = "http://localhost/installed"
APP_ID, INSTALLATION, SECRET = 77, 4242, "deliveries are signed with this"
CLIENT = {"client_id": "Iv1.ship", "client_secret": "known to the machine alone"}
CODE = {"installationId": INSTALLATION, "code": "from-the-redirect"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_emulate(tmp_path_factory.mktemp("emulate"))


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A platform with an app on GitHub, and a repository there."""

    api: Api
    front: Front
    copy: WorkingCopy
    data_dir: DataDir
    registration: AppRegistration

    async def connect(self) -> Json:
        """Connect the installation; the repository that it shows."""
        await register_app(self.data_dir, self.registration)
        status, told = await self.api.request("POST", INSTALL, json=CODE)
        assert (status, "octo is connected" in told) == (200, True)
        (shop,) = await self.api.get(f"{ACCOUNTS}/{INSTALLATION}/repositories")
        assert shop["fullName"] == "octo/shop"
        return shop

    async def build(self, shop: Json) -> tuple[str, str]:
        """A project that is built from the repository; its ID and its address."""
        source = {
            "vcsName": "github",
            "vcsInstallationId": str(INSTALLATION),
            "vcsRepoId": str(shop["id"]),
        }
        status, made = await self.api.request(
            "POST",
            "/v1/projects",
            json={
                "uniqueName": "shop-app",
                "displayName": "shop-app",
                "type": "vcs",
                "source": source,
                "settings": {"useBuildAI": True},
            },
        )
        assert status == 201, made
        return made["id"], await address_of(self.api, made["id"])

    async def code_of(self, login: str) -> Json:
        """What GitHub's redirect brings when a user of it allows the app."""
        answer = await self.api.client.post(
            f"{self.front.url}/login/oauth/callback",
            data={"login": login, "redirect_uri": REDIRECT, "client_id": CLIENT["client_id"]},
        )
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        return {"installationId": INSTALLATION, "code": code}

    async def push(self, page: str) -> str:
        """Commit a page and push it; the commit."""
        sha = self.copy.commit({"index.html": PAGE.format(page)})
        assert (await self.copy.push("main")).ok
        return sha

    async def deliver(self, event: str, body: Json, number: str, *, key: str = SECRET) -> int:
        """Send a delivery as GitHub does; the status of its answer."""
        content = json.dumps(body).encode()
        digest = hmac.new(key.encode(), content, hashlib.sha256).hexdigest()
        headers = {
            "x-github-event": event,
            "x-github-delivery": number,
            "x-hub-signature-256": f"sha256={digest}",
            "content-type": "application/json",
        }
        answer = await self.api.client.post("/github/webhook", content=content, headers=headers)
        return answer.status_code


@asynccontextmanager
async def playing(modules: Path, private_key: str, root: Path) -> AsyncIterator[Scene]:
    """Begin a scene; nothing is polled in it."""
    data_dir = DataDir(root / "data")
    unbuilt = {
        "uniqueName": "unbuilt",
        "displayName": "unbuilt",
        "type": "vcs",
        "source": {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": "shop"},
        "settings": {"useBuildAI": True, "ignoreBranches": ["*"]},
    }
    async with (
        git_platform(root / "remote") as remote,
        another_user(remote, "octo") as octo,
        git_platform(data_dir.root, github_poll_s=3600) as api,
    ):
        await octo.request("POST", "/v1/projects", json=unbuilt)
        own = str(api.client.base_url).rstrip("/")
        app = {
            "app_id": APP_ID,
            "slug": "ship",
            "name": "Ship",
            "private_key": private_key,
            "permissions": {"contents": "read", "statuses": "write"},
            "events": ["push"],
            "webhook_url": f"{own}/github/webhook",
            "webhook_secret": SECRET,
            "installations": [{"installation_id": INSTALLATION, "account": "octo"}],
        }
        git_url = f"{str(remote.client.base_url).rstrip('/')}/git"
        oauth = {**CLIENT, "name": "Ship", "redirect_uris": [REDIRECT]}
        with github_server(
            modules, {"pat": "octo", "other": "mona"}, "octo/shop", apps=[app], oauth_apps=[oauth]
        ) as api_url:
            async with github_front(
                api_url, git_url, octo.client.headers["X-Api-Key"], {"octo": INSTALLATION}
            ) as front:
                registration = AppRegistration(
                    app_id=str(APP_ID),
                    client_id="",
                    api_url=front.url,
                    git_url=front.url,
                    private_key=private_key,
                    webhook_secret=SECRET,
                    client_secret="",
                )
                yield Scene(
                    api=api,
                    front=front,
                    copy=working_copy(octo, root / "copy", "shop", "octo"),
                    data_dir=data_dir,
                    registration=registration,
                )


async def test_only_the_owner_connects_an_installation_where_no_code_can_be_checked(
    modules: Path, private_key: str, tmp_path: Path
) -> None:
    async with playing(modules, private_key, tmp_path) as scene:
        status, told = await scene.api.request("POST", INSTALL, json=CODE)
        assert (status, "platform github app" in told) == (400, True)
        assert await register_app(scene.data_dir, scene.registration) == "Ship"
        async with another_user(scene.api) as alice:
            assert (await alice.request("POST", INSTALL, json=CODE))[0] == 403
        unknown = {**CODE, "installationId": 1_000_000}
        status, told = await scene.api.request("POST", INSTALL, json=unknown)
        assert (status, "no such thing" in told) == (422, True)
        await scene.connect()
        wrong = replace(scene.registration, app_id="1")
        with pytest.raises(GitHubError):
            await register_app(scene.data_dir, wrong)


async def test_a_code_of_github_tells_whose_an_installation_is(
    modules: Path, private_key: str, tmp_path: Path
) -> None:
    async with playing(modules, private_key, tmp_path) as scene, another_user(scene.api) as alice:
        await register_app(scene.data_dir, replace(scene.registration, **CLIENT))
        foreign = await scene.code_of("mona")
        status, told = await alice.request("POST", INSTALL, json=foreign)
        assert (status, "not among the installations" in told) == (403, True)
        own = await scene.code_of("octo")
        assert (await alice.request("POST", INSTALL, json=own))[0] == 200
        (shop,) = await alice.get(f"{ACCOUNTS}/{INSTALLATION}/repositories")
        assert shop["fullName"] == "octo/shop"
        status, told = await scene.api.request("POST", INSTALL, json=own)
        assert (status, "the code is not accepted" in told) == (422, True), "it is good once"
        assert [one["installationId"] for one in await scene.api.get(ACCOUNTS)] == [1]
        wrong = {**CLIENT, "client_secret": "another"}
        await register_app(scene.data_dir, replace(scene.registration, **wrong))
        status, told = await alice.request("POST", INSTALL, json=await scene.code_of("octo"))
        assert (status, "client_secret passed are incorrect" in told) == (422, True)


async def test_a_commit_is_told_what_became_of_it_and_no_token_is_kept(
    modules: Path, private_key: str, tmp_path: Path
) -> None:
    async with playing(modules, private_key, tmp_path) as scene:
        first = await scene.push("first")
        _, address = await scene.build(await scene.connect())
        await eventually(lambda: read_page(address), lambda page: "first" in page)

        async def states() -> list[str]:
            return [row["state"] for row in scene.front.statuses if row["sha"] == first]

        seen = await eventually(states, lambda found: found[-1:] == ["success"])
        assert seen in (["pending", "success"], ["success"])
        assert {row["context"] for row in scene.front.statuses} == {"createos/shop-app"}
        assert scene.front.statuses[-1]["target_url"] == address
        for file in scene.data_dir.root.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert b"ghs_" not in content, file
                assert b"BEGIN PRIVATE KEY" not in content, file


async def test_deliveries_lead_to_what_was_pushed_once_and_only_when_github_signed_them(
    modules: Path, private_key: str, tmp_path: Path
) -> None:
    async with playing(modules, private_key, tmp_path) as scene:
        await scene.push("first")
        shop = await scene.connect()
        project_id, address = await scene.build(shop)
        await eventually(lambda: read_page(address), lambda page: "first" in page)
        await scene.push("second")
        moved = await scene.api.client.put(
            f"{scene.front.url}/repos/octo/shop/contents/notes.txt",
            json={"message": "notes", "content": "bm90ZXM=", "branch": "main"},
            headers={"Authorization": "Bearer pat"},
        )
        assert moved.is_success, moved.text
        await eventually(lambda: read_page(address), lambda page: "second" in page)

        push = {"repository": {"id": shop["id"]}}
        assert await scene.deliver("push", push, "1", key="not the one") == 401
        assert await scene.deliver("push", [], "2") == 400
        await scene.push("third")
        assert [await scene.deliver("push", push, "3") for _ in range(2)] == [202, 202]
        await eventually(lambda: read_page(address), lambda page: "third" in page)
        rows = (await scene.api.get(f"/v1/projects/{project_id}/deployments?limit=20"))["data"]
        assert len(rows) == 3

        gone = {"action": "deleted", "installation": {"id": INSTALLATION}}
        assert await scene.deliver("installation", gone, "4") == 202

        async def numbers() -> list[int]:
            return [row["installationId"] for row in await scene.api.get(ACCOUNTS)]

        await eventually(numbers, lambda found: found == [1])
        assert await forget_app(scene.data_dir)
        assert await scene.deliver("push", push, "5") == 401
