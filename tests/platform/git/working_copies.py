"""A platform on a socket of its own, and working copies that the real git client pushes from."""

import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.gateway.listeners import Listeners, bind_loopback
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.service import open_platform, utc_now
from tests.platform.platforms import NO_ENGINE, OWN_PORTS, Api

PAGE = "<title>{}</title>"

STAGING: Json = {
    "uniqueName": "staging",
    "displayName": "staging",
    "description": None,
    "branch": "next",
    "isAutoPromoteEnabled": True,
    "settings": {"runEnvs": {}},
    "resources": {"cpu": 200, "memory": 500, "replicas": 1},
}
"""An environment that takes the branch `next`."""


@asynccontextmanager
async def git_platform(root: Path, **changes: Json) -> AsyncIterator[Api]:
    """A platform whose API listens on a port of 127.0.0.1, as git needs it."""
    listener = bind_loopback(0)
    port = listener.getsockname()[1]
    config = PlatformConfig(data_dir=DataDir(root), app_ports=OWN_PORTS, docker_host=NO_ENGINE)
    config = replace(config, api_port=port, **changes)
    config.data_dir.create()
    async with open_platform(config, dict(os.environ), now=utc_now) as (app, gateway, _sandbox):
        api = Listeners(app)
        await api.serve(listener)
        base_url = f"http://127.0.0.1:{port}"
        headers = {"X-Api-Key": config.data_dir.key_file.read_text().strip()}
        async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client:
            try:
                yield Api(
                    client=client,
                    data_dir=root,
                    gateway_port=gateway.port,
                    transport=httpx2.AsyncHTTPTransport(),
                    gateway=gateway,
                )
            finally:
                await api.close_all()


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What git said."""

    ok: bool
    said: str


class WorkingCopy:
    """A repository of a developer.

    Args:
        place: Its directory.
        remote: Where it pushes to.
        key: What git is told when it is asked for a password.
    """

    def __init__(self, place: Path, remote: str, key: str) -> None:
        self.place = place
        self._askpass = place.with_name(f"{place.name}.askpass")
        self._askpass.write_text(f"#!/bin/sh\necho '{key}'\n")
        self._askpass.chmod(0o700)
        place.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", remote)

    def git(self, *words: str) -> str:
        """Run a command that has to succeed; what it prints."""
        done = self._run(*words)
        assert done.ok, done.said
        return done.said

    def commit(self, files: Mapping[str, str], message: str = "Change") -> str:
        """Commit files; the commit's name."""
        for path, text in files.items():
            (self.place / path).parent.mkdir(parents=True, exist_ok=True)
            (self.place / path).write_text(text)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    async def push(self, *words: str) -> Pushed:
        """Push, while the platform in this process answers."""
        return await to_thread.run_sync(self._run, "push", "origin", *words)

    async def clone(self, target: Path) -> Pushed:
        """Clone what was pushed."""
        remote = self.git("remote", "get-url", "origin").strip()
        return await to_thread.run_sync(self._run, "clone", "--quiet", remote, str(target))

    def start_push(self, *words: str) -> "subprocess.Popen[bytes]":
        """Push in the background."""
        return subprocess.Popen(
            ["git", "push", "origin", *words],
            cwd=self.place,
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def _environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place.parent),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ASKPASS": str(self._askpass),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
            "GIT_ALLOW_PROTOCOL": "file:http",
        }

    def _run(self, *words: str) -> Pushed:
        done = subprocess.run(
            ["git", *words],
            cwd=self.place,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        return Pushed(ok=done.returncode == 0, said=done.stdout.decode(errors="replace"))


async def vcs_project(api: Api, repository: str, name: str = "pushed-app", **settings: Json) -> str:
    """A project that is built from a repository, which is made if it is not there; its id."""
    source = {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": repository}
    project = {
        "uniqueName": name,
        "displayName": name,
        "type": "vcs",
        "source": source,
        "settings": {"useBuildAI": True, **settings},
    }
    status, data = await api.request("POST", "/v1/projects", json=project)
    assert status == 201, data
    return str(data["id"])


def working_copy(api: Api, place: Path, repository: str, owner: str = "local") -> WorkingCopy:
    """A working copy whose remote is on the platform."""
    base_url = str(api.client.base_url).rstrip("/")
    remote = f"{base_url}/git/{owner}/{repository}.git"
    return WorkingCopy(place, remote, api.client.headers["X-Api-Key"])


async def deployments_of(api: Api, project_id: str) -> list[Json]:
    """Newest first."""
    found = await api.get(f"/v1/projects/{project_id}/deployments?limit=20")
    rows: list[Json] = found["data"]
    return rows


async def address_of(api: Api, project_id: str, name: str = "production") -> str:
    for environment in await api.get(f"/v1/projects/{project_id}/environments"):
        if environment["uniqueName"] == name:
            return str(environment["extra"]["endpoint"])
    raise AssertionError(name)
