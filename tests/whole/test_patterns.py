"""The deployment patterns, as the prompts spell them out: which version each address serves."""

import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from createos_mcp.contract.values import Json
from tests.agents import text_of
from tests.eras import Era, both_eras
from tests.platform.dns_servers import Zone
from tests.platform.platforms import ANSWERING, read_page

_CALL = re.compile(r"\b([A-Z]\w+) (?=\{)")


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One project of an agent that works in a directory."""

    client: Client
    project: str
    directory: Path

    async def call(self, tool: str, **arguments: Json) -> Json:
        """What a tool answered that has to succeed, about this project."""
        result = await self.client.call_tool(tool, {"project_id": self.project, **arguments})
        assert not result.is_error, text_of(result)
        return result.structured_content

    def write(self, version: str) -> None:
        """Let the directory hold a version that answers with its name."""
        (self.directory / "main.py").write_text(ANSWERING.replace('"hello"', f'"{version}"'))

    async def steps(self, prompt: str, **arguments: str) -> list[tuple[str, Json]]:
        """The calls of a prompt, in order."""
        given = {"project_id": self.project, **arguments}
        (message,) = (await self.client.get_prompt(prompt, given)).messages
        assert isinstance(message.content, TextContent)
        text = message.content.text
        decode = json.JSONDecoder().raw_decode
        return [(found[1], decode(text[found.end() :])[0]) for found in _CALL.finditer(text)]

    async def served(self) -> dict[str, str]:
        """What the address of each environment answers."""
        rows = (await self.call("ListProjectEnvironments"))["items"]
        return {
            row["uniqueName"]: await read_page(row["extra"]["endpoint"])
            for row in rows
            if row["projectDeploymentId"]
        }

    async def add(self, environment: str) -> None:
        await self.call(
            "CreateProjectEnvironment",
            uniqueName=environment,
            displayName=environment,
            resources={"cpu": 200, "memory": 500, "replicas": 1},
            settings={"runEnvs": {}},
        )

    async def settled(self) -> None:
        """Return once no environment is busy."""
        while True:
            rows = (await self.call("ListProjectEnvironments"))["items"]
            if all(row["status"] == "active" for row in rows):
                return


@asynccontextmanager
async def shop(
    era: Era, name: str, data_dir: Path, directory: Path, dns: str
) -> AsyncIterator[Shop]:
    """A project whose first version serves production."""
    others = {key: value for key, value in os.environ.items() if "CREATEOS" not in key}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "createos_mcp"],
        cwd=directory,
        env={
            **others,
            "CREATEOS_TOOLSETS": "all",
            "CREATEOS_DATA_DIR": str(data_dir),
            "CREATEOS_PLATFORM_DNS_SERVERS": dns,
        },
    )
    async with Client(server, mode=era) as client:
        place = Shop(client=client, project=f"{name}-{era}", directory=directory)
        place.write("one")
        await place.call("Deploy", directory=".")
        yield place


@both_eras
async def test_a_domain_moves_between_blue_and_green(
    era: Era, data_dir: Path, tmp_path: Path, dns: tuple[Zone, str]
) -> None:
    zone, server = dns
    host = f"shop-{era}.example.com"
    async with shop(era, "shop", data_dir, tmp_path, server) as here:
        await here.add("blue")
        await here.call("Deploy", environment_id="blue", directory=".")
        blue = (await here.call("ListProjectEnvironments"))["items"]
        blue_id = next(row["id"] for row in blue if row["uniqueName"] == "blue")
        domain = await here.call("CreateDomain", name=host, environmentId=blue_id)
        shown = next(
            row for row in (await here.call("ListDomains"))["items"] if row["name"] == host
        )
        zone.lines.append(f"{host}. 1 IN CNAME {shown['records']['cname']}.")
        await here.call("RefreshDomain", domain_id=domain["id"])
        gateway = urlsplit(blue[0]["extra"]["hostEndpoint"]).port

        async def visitors() -> str:
            async with httpx2.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{gateway}/", headers={"Host": host})
                return answer.text

        assert await visitors() == "one"
        here.write("two")
        for tool, arguments in await here.steps("blue-green", domain=host):
            await here.call(tool, **arguments)
            expected = "two" if tool == "UpdateDomainEnvironment" else "one"
            assert await visitors() == expected, tool
        assert await here.served() == {"production": "one", "blue": "one", "green": "two"}
        await here.call("UpdateDomainEnvironment", domain_id=host, environmentId="blue")
        assert await visitors() == "one"


@both_eras
async def test_a_canary_is_tried_before_production_gets_the_same_build(
    era: Era, data_dir: Path, tmp_path: Path, dns: tuple[Zone, str]
) -> None:
    async with shop(era, "few", data_dir, tmp_path, dns[1]) as here:
        here.write("two")
        seen = {}
        for tool, arguments in await here.steps("canary"):
            await here.call(tool, **arguments)
            await here.settled()
            seen[tool] = await here.served()
    assert seen["CreateProjectEnvironment"] == {"production": "one"}
    assert seen["Deploy"] == {"production": "one", "canary": "two"}
    assert seen["Diagnose"] == {"production": "one", "canary": "two"}
    assert seen["AssignDeploymentToProjectEnvironment"] == {"production": "two", "canary": "two"}


@both_eras
async def test_a_broken_version_is_rolled_back(
    era: Era, data_dir: Path, tmp_path: Path, dns: tuple[Zone, str]
) -> None:
    async with shop(era, "back", data_dir, tmp_path, dns[1]) as here:
        here.write("two")
        await here.call("Deploy", directory=".")
        assert await here.served() == {"production": "two"}
        for tool, arguments in await here.steps("roll-back"):
            await here.call(tool, **arguments)
            assert await here.served() == {"production": "one"}, tool


@both_eras
async def test_what_was_tested_in_staging_goes_to_production(
    era: Era, data_dir: Path, tmp_path: Path, dns: tuple[Zone, str]
) -> None:
    async with shop(era, "stage", data_dir, tmp_path, dns[1]) as here:
        await here.add("staging")
        here.write("two")
        verdict = await here.call("Deploy", environment_id="staging", directory=".")
        assert await here.served() == {"production": "one", "staging": "two"}
        assert [row["name"] for row in verdict["environments"]] == ["staging"]
        assert [row["name"] for row in verdict["elsewhere"]] == ["production"]
        await here.call(
            "AssignDeploymentToProjectEnvironment",
            environment_id="production",
            deploymentId=f"v{verdict['version']}",
        )
        await here.settled()
        assert await here.served() == {"production": "two", "staging": "two"}


@both_eras
async def test_a_version_that_is_kept_from_all_environments_can_be_looked_at_first(
    era: Era, data_dir: Path, tmp_path: Path, dns: tuple[Zone, str]
) -> None:
    async with shop(era, "look", data_dir, tmp_path, dns[1]) as here:
        here.write("two")
        verdict = await here.call("Deploy", promote=False, directory=".")
        assert await here.served() == {"production": "one"}
        assert verdict["environments"] == []
        assert "no environment serves it" in verdict["next"]
        assert "Tell the user that it is live" not in verdict["next"]
        assert await read_page(verdict["url"]) == "two"
