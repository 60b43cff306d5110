"""Which service a failing app is told of, and how one of its own is called."""

from pathlib import Path

import pytest

from createos_mcp.workflows.causes import find_cause
from createos_mcp.workflows.managed_services import suggest_service
from tests.agents import agent, text_of
from tests.eras import Era, both_eras
from tests.workflows.local_agents import saying, working_in

LOGS = {
    "KeyError: 'DATABASE_URL'": "postgres",
    "Error: environment variable REDIS_URL is not set": "valkey",
    "Error: connect ECONNREFUSED 127.0.0.1:5432": "postgres",
    "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.":
        "valkey",
    'psycopg.OperationalError: connection to server at "localhost" (127.0.0.1), port 5432 failed':
        "postgres",
    "KeyError: 'STRIPE_KEY'": None,
    "ModuleNotFoundError: No module named 'flask'": None,
    "Can't connect to MySQL server on 'localhost' (111)": "mariadb",
    "MongooseServerSelectionError: connect ECONNREFUSED 127.0.0.1:27017": "mongodb",
    "Error: environment variable MONGODB_URI is not set": "mongodb",
}  # fmt: skip


@pytest.mark.parametrize(("log", "kind"), LOGS.items(), ids=LOGS)
def test_an_app_that_misses_a_service_is_told_the_one_call_that_helps(
    log: str, kind: str | None
) -> None:
    step = suggest_service(find_cause("crashing", "app_exited", log), log)
    if kind is None:
        assert step is None
    else:
        assert f'services ["{kind}"]' in str(step)


NEEDING = "import os\nprint(os.environ['DATABASE_URL'][:13])\n"


@both_eras
async def test_deploy_makes_a_database_binds_it_once_and_the_next_deploy_finds_it(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    name = f"needy-{era}"
    (tmp_path / "main.py").write_text(NEEDING + saying("with a database"))
    call = {"project_id": name, "directory": "."}
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        failed = await agent.call("Deploy", **call)
        assert failed["live"] is False
        assert 'services ["postgres"]' in failed["next"]
        for _ in range(2):
            deployed = await agent.call("Deploy", **call, services=["postgres"])
            assert "with a database" in deployed["health"]["page"], deployed
        listed = (await agent.call("ListServices"))["items"]
        (service,) = [row for row in listed if row["name"].startswith(name)]
        assert (service["name"], service["kind"]) == (f"{name}-postgres", "postgres")
        shown = await agent.call("GetService", service_id=service["name"])
        assert [row["variable"] for row in shown["bindings"]] == ["DATABASE_URL"]
        told = (await agent.call("Status"))["services"]
        (row,) = [row for row in told if row["service"] == service["name"]]
        assert (row["state"], row["boundTo"]) == ("running", [f"{name} (production)"])
        asked = {"project_id": f"unmade-{era}", "directory": ".", "services": ["mongodb"]}
        refused = await agent.refusal("Deploy", **asked)
        assert "Install Docker" in refused
        projects = (await agent.call("ListProjects"))["items"]
        assert f"unmade-{era}" not in {row["uniqueName"] for row in projects}
        refused = await agent.refusal("Deploy", **call, services=["oracle"])
        assert "services: 'oracle' is neither a service nor a kind of one" in refused
        refused = await agent.refusal("DeleteService", service_id=service["name"])
        assert "createos-mcp confirm" in refused


@both_eras
async def test_the_cloud_has_no_services_and_says_so(era: Era) -> None:
    files = [{"path": "index.html", "content": "<p>"}]
    async with agent(era) as cloud:
        refused = text_of(
            await cloud.call("Deploy", project_id="shop", files=files, services=["valkey"])
        )
    assert "services: the cloud has none" in refused
    assert "was created" not in refused
