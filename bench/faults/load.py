"""Writes, uploads and visits that go on while the platform comes and goes."""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import httpx2
from ledger import Ledger

from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig

APP = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ.get("GREETING", "hello").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""

UNFINISHED = {"queue", "building", "deploying"}
BACK_AFTER_S = 0.05
PAUSE_S = 0.02
DEPLOY_PAUSE_S = 1.0


def client_of(config: PlatformConfig) -> httpx2.AsyncClient:
    """A client of the platform as it runs now.

    Raises:
        ConnectionError: It does not run.
    """
    state = daemon.find_running(config.data_dir)
    if state is None:
        raise ConnectionError("the platform does not run")
    key = config.data_dir.key_file.read_text().strip()
    return httpx2.AsyncClient(base_url=state.api_url, headers={"X-Api-Key": key}, timeout=30)


class Load:
    """What several users of one platform do at the same time.

    Args:
        ledger: Told of each write before it is sent and after it was acknowledged.
        chance: Decides what is written.
    """

    def __init__(self, config: PlatformConfig, ledger: Ledger, chance: random.Random) -> None:
        self._config = config
        self._ledger = ledger
        self._chance = chance
        self._projects: list[str] = []
        self._environments: dict[str, str] = {}
        self._count = 0
        self.visits = 0

    async def deploy(self, name: str) -> None:
        """Deploy an app, and return once it answers."""
        async with client_of(self._config) as client:
            project_id = await self._create(client, name)
            deployment_id = await self._upload(client, project_id)
            path = f"/v1/projects/{project_id}"
            while True:
                shown = (await client.get(f"{path}/deployments/{deployment_id}")).json()["data"]
                if shown["status"] not in UNFINISHED:
                    break
                await anyio.sleep(0.05)
            if shown["status"] != "deployed":
                raise RuntimeError(f"the app of the load does not run: {shown}")
            (environment,) = (await client.get(f"{path}/environments")).json()["data"]
            self._environments[project_id] = environment["id"]

    async def addresses(self) -> list[str]:
        """Where the deployed apps answer, as the platform tells it now."""
        found = []
        async with client_of(self._config) as client:
            for project_id in self._environments:
                answer = await client.get(f"/v1/projects/{project_id}/environments")
                found += [row["extra"]["endpoint"] for row in answer.json()["data"]]
        return found

    async def write(self) -> None:
        """Change this and that for as long as the load lasts."""
        await self._again_and_again(self._write_once)

    async def deploy_more(self) -> None:
        """Upload new versions, and take old ones back."""
        await self._again_and_again(self._deploy_once)

    async def visit(self) -> None:
        """Ask the apps for their pages."""

        async def once(_: httpx2.AsyncClient) -> None:
            address = self._chance.choice(await self.addresses())
            async with httpx2.AsyncClient(timeout=10) as visitor:
                await visitor.get(address)
                self.visits += 1

        await self._again_and_again(once)

    async def _again_and_again(self, once: Callable[[httpx2.AsyncClient], Awaitable[None]]) -> None:
        while True:
            with suppress(httpx2.TransportError, ConnectionError, FileNotFoundError):
                async with client_of(self._config) as client:
                    while True:
                        await once(client)
            await anyio.sleep(BACK_AFTER_S)

    async def _write_once(self, client: httpx2.AsyncClient) -> None:
        await anyio.sleep(PAUSE_S)
        self._count += 1
        project_id = self._chance.choice(self._projects)
        match self._chance.randrange(4):
            case 0:
                await self._create(client, f"made-{self._count}-{self._chance.randrange(10**6)}")
            case 1:
                settings = {"runEnvs": {"N": str(self._count)}}
                await self._put(client, f"/v1/projects/{project_id}/settings", settings)
            case 2:
                environment_id = self._environments.get(project_id)
                if environment_id:
                    path = f"/v1/projects/{project_id}/environments/{environment_id}"
                    variables = {"runEnvs": {"N": str(self._count)}}
                    await self._put(client, f"{path}/environment-variables", variables)
            case _:
                names = {"displayName": f"Name {self._count}"}
                await self._put(client, f"/v1/projects/{project_id}", names)

    async def _deploy_once(self, client: httpx2.AsyncClient) -> None:
        project_id = self._chance.choice(list(self._environments))
        path = f"/v1/projects/{project_id}"
        if self._chance.random() < 0.5:
            await self._upload(client, project_id)
        else:
            listed = (await client.get(f"{path}/deployments?limit=20")).json()["data"]["data"]
            fit = [row["id"] for row in listed if row["status"] in {"deployed", "sleeping"}]
            if fit:
                place = f"{path}/environments/{self._environments[project_id]}"
                wanted = {"deploymentId": self._chance.choice(fit)}
                await client.post(f"{place}/assign-deployment", json=wanted)
        await anyio.sleep(DEPLOY_PAUSE_S)

    async def _create(self, client: httpx2.AsyncClient, name: str) -> str:
        project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
        answer = await client.post(
            "/v1/projects", json={**project, "settings": {"useBuildAI": True}}
        )
        if answer.status_code != httpx2.codes.CREATED:
            return ""
        project_id: str = answer.json()["data"]["id"]
        self._ledger.made(f"/v1/projects/{project_id}")
        self._projects.append(project_id)
        return project_id

    async def _upload(self, client: httpx2.AsyncClient, project_id: str) -> str:
        path = f"/v1/projects/{project_id}/deployments"
        body = {"files": [{"path": "main.py", "content": APP}]}
        answer = await client.put(f"{path}/files", json=body)
        if answer.status_code != httpx2.codes.OK:
            return ""
        deployment_id: str = answer.json()["data"]["id"]
        self._ledger.made(f"{path}/{deployment_id}")
        return deployment_id

    async def _put(self, client: httpx2.AsyncClient, path: str, body: Mapping[str, Any]) -> None:
        self._ledger.tried(path, body)
        answer = await client.put(path, json=body)
        if answer.status_code == httpx2.codes.OK:
            self._ledger.wrote(path, body)
