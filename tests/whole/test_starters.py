"""Every starter that comes with the platform, bought and deployed, and asked for its page."""

from pathlib import Path

import pytest

from createos_mcp.platform.deploy.template_files import Starter, read_starters
from tests.platform.platforms import read_page, running_platform

STARTERS = list(read_starters())
SHOWN = {
    "agent-swarm": "planner",
    "ai-agent": "calculate",
    "blue-green": "blue 1",
    "cron-target": "ready",
    "json-api": "/docs",
    "mcp-server": "Not Found",
    "rag-pipeline": '"passages": 1',
    "slack-bot": "SLACK_SIGNING_SECRET",
    "static-site": "A static site",
    "web-app": "Guest book",
}
WORKERS = {"discord-bot": "DISCORD_TOKEN", "worker": "worker ready"}


@pytest.mark.examples
@pytest.mark.parametrize("starter", STARTERS, ids=[starter.name for starter in STARTERS])
async def test_a_starter_goes_live_as_it_is(starter: Starter, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        root = "/v1/project-templates"
        _, bought = await api.request("POST", f"{root}/{starter.id}/buy")
        path = f"{root}/purchases/{bought['id']}/deploy-via-github"
        _, job = await api.request("PUT", path, json={"installationId": 1})
        (project,) = (await api.get("/v1/projects"))["data"]
        deployment = await api.wait(project["id"], job["jobId"], timeout_s=300)
        log = await api.build_log(deployment)
        assert deployment["status"] == "deployed", (deployment["reason"], log)
        environment = await api.environment(project["id"])
        if starter.name in WORKERS:
            logs = f"/v1/projects/{project['id']}/deployments/{deployment['id']}/deployment-logs"
            text = await api.get(f"{logs}?since-seconds=600")
            assert WORKERS[starter.name] in str(text)
        else:
            assert SHOWN[starter.name] in await read_page(environment["extra"]["endpoint"])
