"""A platform in this process, and a client that speaks to its API as any other would."""

import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import httpx2
import psutil
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.gateway.gateway import Gateway
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.service import open_platform, utc_now
from createos_mcp.platform.users import add_user
from tests.eventually import eventually

PATIENCE_S = 60.0

OWN_PORTS = range(20_000 + os.getpid() % 97 * 100, 30_000)
"""Where this process looks for addresses first; several may test on one machine at once."""

NO_ENGINE = "unix:///nonexistent/engine.sock"
"""Nothing depends on what else runs on the machine."""

ANSWERING = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ.get("GREETING", "hello").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        print("asked for", self.path, flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
"""A Python app that answers with its variable GREETING."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """A client with the first user's key."""

    client: httpx2.AsyncClient
    data_dir: Path
    gateway_port: int
    transport: httpx2.AsyncBaseTransport = field(default_factory=httpx2.AsyncHTTPTransport)
    gateway: Gateway | None = None
    """The platform's own, where it runs in this process."""

    async def request(self, method: str, path: str, **options: Json) -> tuple[int, Json]:
        """Status and `data` of one call."""
        answer = await self.client.request(method, path, **options)
        return answer.status_code, answer.json()["data"]

    async def get(self, path: str) -> Json:
        status, data = await self.request("GET", path)
        assert status == 200, data
        return data

    async def create_project(self, name: str = "demo-app", **changes: Json) -> str:
        settings = {"useBuildAI": True, **changes}
        project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
        status, data = await self.request(
            "POST", "/v1/projects", json={**project, "settings": settings}
        )
        assert status == 201, data
        project_id: str = data["id"]
        return project_id

    async def upload(
        self, project_id: str, files: Mapping[str, str], *, promote: str | None = None
    ) -> str:
        body = {"files": [{"path": path, "content": text} for path, text in files.items()]}
        query = f"?promote={promote}" if promote else ""
        status, data = await self.request(
            "PUT", f"/v1/projects/{project_id}/deployments/files{query}", json=body
        )
        assert status == 200, data
        deployment_id: str = data["id"]
        return deployment_id

    async def wait(
        self, project_id: str, deployment_id: str, *statuses: str, timeout_s: float = PATIENCE_S
    ) -> Json:
        """The deployment once it is in one of these states, by default any that lasts."""

        def is_there(deployment: Json) -> bool:
            status = deployment["status"]
            return status in statuses if statuses else status not in UNFINISHED

        path = f"/v1/projects/{project_id}/deployments/{deployment_id}"
        return await eventually(lambda: self.get(path), is_there, within_s=timeout_s)

    async def deploy(
        self, files: Mapping[str, str], name: str = "demo-app", **settings: Json
    ) -> Json:
        """A new project's first deployment, once it has stopped changing."""
        project_id = await self.create_project(name, **settings)
        return await self.wait(project_id, await self.upload(project_id, files))

    async def build_log(self, deployment: Json) -> str:
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        return "\n".join(line["log"] for line in await self.get(f"{path}/build-logs"))

    async def environment(self, project_id: str) -> Json:
        return (await self.get(f"/v1/projects/{project_id}/environments"))[0]

    async def until_gone(self, path: str) -> None:
        """Return once nothing is at a path any more."""
        await eventually(lambda: self.client.get(path), lambda answer: answer.status_code == 404)


@asynccontextmanager
async def another_user(api: Api, name: str = "alice") -> AsyncIterator[Api]:
    """The same platform with the key of a user who is added now."""
    _, key = await add_user(DataDir(api.data_dir), name)
    async with _client(api.transport, str(api.client.base_url), key) as client:
        yield replace(api, client=client)


def _client(transport: httpx2.AsyncBaseTransport, base_url: str, key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=transport,
        base_url=base_url,
        headers={"X-Api-Key": key},
        timeout=PATIENCE_S,
    )


UNFINISHED = {"queue", "building", "deploying"}


async def read_page(address: str) -> str:
    """What an address answers, whatever its status."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
        return (await client.get(address)).text


def processes_of(root: Path) -> list[str]:
    """Command lines that name the directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(root) in line and process.pid != os.getpid():
            found.append(line)
    return found


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    """The files as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return packed.getvalue()


@asynccontextmanager
async def running_platform(
    root: Path,
    variables: Mapping[str, str] = os.environ,
    *,
    now: Callable[[], datetime] = utc_now,
    **changes: Json,
) -> AsyncIterator[Api]:
    """A platform over a directory; its apps are gone when this ends."""
    config = PlatformConfig(data_dir=DataDir(root), app_ports=OWN_PORTS, docker_host=NO_ENGINE)
    config = replace(config, **changes)
    config.data_dir.create()
    async with open_platform(config, dict(variables), now=now) as (app, gateway, _sandbox):
        transport = httpx2.ASGITransport(app=app)
        key = config.data_dir.key_file.read_text().strip()
        async with _client(transport, "http://platform.test", key) as client:
            yield Api(
                client=client,
                data_dir=root,
                gateway_port=gateway.port,
                transport=transport,
                gateway=gateway,
            )


@asynccontextmanager
async def started_platform(config: PlatformConfig) -> AsyncIterator[tuple[Api, int]]:
    """A platform in a process of its own, and that process; it goes on when this ends."""
    state = await to_thread.run_sync(daemon.start_platform, config, os.environ)
    key = config.data_dir.key_file.read_text().strip()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{state.api_port}", headers={"X-Api-Key": key}, timeout=60
    ) as client:
        root, port = config.data_dir.root, state.gateway_port
        yield Api(client=client, data_dir=root, gateway_port=port), state.pid
