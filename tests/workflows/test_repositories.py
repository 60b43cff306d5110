"""What Deploy makes of a branch of a GitHub repository, by the requests that it sends."""

from createos_mcp.contract.values import Json
from tests.agents import agent, data_of, text_of
from tests.apis import Asked
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"
DEPLOYMENT_ID = "3f0c9a52-0000-4000-8000-000000000002"
ACCOUNTS = "/v1/app-installations/github/accounts"
DEPLOY = {"project_id": "my-app", "branch": "develop", "timeoutSeconds": 1}

CONNECTED: dict[str, Json] = {
    ACCOUNTS: [{"installationId": 1, "username": "me"}, {"installationId": 12, "username": "Team"}],
    f"{ACCOUNTS}/1/repositories": [{"id": 7, "fullName": "me/shop"}],
    f"{ACCOUNTS}/12/repositories": [{"id": 98, "full_name": "Team/Shop"}],
}


class Cloud:
    """Holds one project at most, once it has been made."""

    def __init__(self, lists: dict[str, Json]) -> None:
        self._lists = lists
        self._projects: list[Json] = []

    def answer(self, asked: Asked) -> tuple[int, Json]:
        return 200, {"status": "success", "data": self._data(asked)}

    def _data(self, asked: Asked) -> Json:
        path = asked.path.partition("?")[0]
        if asked.method == "POST" and path == "/v1/projects":
            self._projects = [{"id": ID, **asked.body}]
        if path in {"/v1/projects", f"/v1/projects/{ID}"}:
            is_list = path == "/v1/projects" and asked.method == "GET"
            return self._projects if is_list else self._projects[0]
        if "/deployments/" in path:
            return {"id": DEPLOYMENT_ID, "projectId": ID, "status": "building"}
        return self._lists.get(path, {"id": DEPLOYMENT_ID})


@both_eras
async def test_a_branch_becomes_a_project_of_the_repository_that_holds_it(era: Era) -> None:
    async with agent(era) as here:
        here.api.respond = Cloud(CONNECTED).answer
        result = data_of(await here.call("Deploy", **DEPLOY, repository="team/shop"))
        made = next(a for a in here.api.asked if (a.method, a.path) == ("POST", "/v1/projects"))
        started = here.api.asked.copy()
    assert made.body["type"] == "vcs"
    assert made.body["source"] == {
        "vcsName": "github",
        "vcsInstallationId": "12",
        "vcsRepoId": "98",
    }
    assert made.body["settings"] == {"useBuildAI": True}
    assert f"/v1/projects/{ID}/trigger-latest?branch=develop" in [a.path for a in started]
    assert f"{ACCOUNTS}/1/repositories" not in [a.path for a in started]
    assert (result["created"], result["status"]) == (True, "building")


@both_eras
async def test_a_repository_that_no_account_shows_is_refused_before_anything_is_made(
    era: Era,
) -> None:
    async with agent(era) as here:
        here.api.respond = Cloud(CONNECTED).answer
        unknown = text_of(await here.call("Deploy", **DEPLOY, repository="team/other"))
        missing = text_of(await here.call("Deploy", **DEPLOY))
        malformed = text_of(await here.call("Deploy", **DEPLOY, repository="shop"))
        here.api.respond = Cloud({ACCOUNTS: []}).answer
        nobody = text_of(await here.call("Deploy", **DEPLOY, repository="team/shop"))
        assert "POST" not in [asked.method for asked in here.api.asked]
    assert "connected accounts: me, Team" in unknown
    assert "my-app does not exist; give owner/repo" in missing
    assert "repository" in malformed
    assert "no account is connected" in nobody
