"""Templates: from a draft to a purchase, with every amount booked, and a project made of it."""

import io
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from createos_mcp.platform.errors import InvalidRequestError, WrongStateError
from createos_mcp.platform.marketplace import add_credits, list_for_review, review
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.states import TemplateStatus
from tests.platform.platforms import another_user, read_page, running_platform
from tests.platform.template_drafts import PAGE, ROOT, TEXT, draft, offer


async def test_a_template_goes_from_draft_over_review_to_its_buyer(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        template_id = await offer(api)
        assert (await alice.request("GET", f"{ROOT}/{template_id}"))[0] == 403
        assert (await alice.request("POST", f"{ROOT}/{template_id}/buy"))[0] == 404
        status, told = await api.request("PUT", f"{ROOT}/{template_id}/send-for-review")
        assert (status, told["status"]) == (200, "underReview")
        assert (await api.request("PUT", f"{ROOT}/{template_id}/send-for-review"))[0] == 422
        assert [one.id for one in await list_for_review(data_dir)] == [template_id]
        assert await review(data_dir, template_id, "Say what it needs") is TemplateStatus.REJECTED
        (rejection,) = (await api.get(f"{ROOT}/{template_id}/rejections"))["rejections"]
        assert rejection["rejectionReason"] == "Say what it needs"
        assert (await alice.request("GET", f"{ROOT}/{template_id}/rejections"))[0] == 404
        changed = {
            "name": "A page to begin with",
            "description": TEXT,
            "overview": f"{TEXT} It needs nothing.",
            "useCases": TEXT,
            "imageUri": "page.png",
            "videoUrl": "https://example.com/video",
        }
        assert (await alice.request("PUT", f"{ROOT}/{template_id}", json=changed))[0] == 404
        assert (await api.request("PUT", f"{ROOT}/{template_id}", json=changed))[0] == 200
        await api.request("PUT", f"{ROOT}/{template_id}/send-for-review")
        await review(data_dir, template_id, None)
        listed = await alice.get(f"{ROOT}?name=begin")
        assert [(row["id"], row["amount"]) for row in listed["templates"]] == [(template_id, 12.35)]
        status, told = await alice.request("POST", f"{ROOT}/{template_id}/buy")
        assert status == 422
        assert "costs 12.35 credits and you have 0.00" in told
        assert await add_credits(data_dir, "alice", 20.10) == 2010
        status, bought = await alice.request("POST", f"{ROOT}/{template_id}/buy")
        assert status == 200, bought
        assert (await alice.request("POST", f"{ROOT}/{template_id}/buy"))[0] == 422
        assert await add_credits(data_dir, "alice", 0) == 775
        assert await add_credits(data_dir, "local", 0) == 1235
        view = await alice.get(f"{ROOT}/{template_id}")
        assert (view["hasUserPurchased"], view["templatePurchasedId"]) == (True, bought["id"])
        assert view["author"]["name"] == "local"
        await api.request("DELETE", f"{ROOT}/{template_id}")
        assert (await alice.request("GET", f"{ROOT}/{template_id}"))[0] == 404
        (row,) = (await alice.get(f"{ROOT}/purchases"))["purchases"]
        assert (row["purchasedAmount"], row["template"]["name"]) == (12.35, "A page to begin with")


async def test_what_was_bought_can_be_downloaded_and_deployed(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, another_user(api) as alice:
        template_id = await offer(api, amount=0)
        await api.request("PUT", f"{ROOT}/{template_id}/send-for-review")
        await review(DataDir(tmp_path), template_id, None)
        _, bought = await alice.request("POST", f"{ROOT}/{template_id}/buy")
        other = f"{ROOT}/purchases/{bought['id']}"
        assert (await api.request("GET", f"{other}/download"))[0] == 404
        link = urlsplit((await alice.get(f"{other}/download"))["downloadUri"])
        packed = await alice.client.get(f"{link.path}?{link.query}")
        with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
            assert archive.read("index.html").decode() == PAGE["index.html"]
        body = {"installationId": 1}
        status, job = await alice.request("PUT", f"{other}/deploy-via-github", json=body)
        assert status == 200, job
        (project,) = (await alice.get("/v1/projects"))["data"]
        assert project["source"]["vcsFullName"] == "alice/a-page-to-begin-with"
        await alice.wait(project["id"], job["jobId"])
        environment = await alice.environment(project["id"])
        assert await read_page(environment["extra"]["endpoint"]) == PAGE["index.html"]
        assert (await alice.request("PUT", f"{other}/deploy-via-github", json=body))[0] == 200
        again = (await alice.get("/v1/projects"))["data"]
        assert {row["uniqueName"] for row in again} == {
            "a-page-to-begin-with",
            "a-page-to-begin-with-2",
        }
        wrong = {"installationId": 7}
        assert (await alice.request("PUT", f"{other}/deploy-via-github", json=wrong))[0] == 422


async def test_what_cannot_be_a_template_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project("empty-app")
        environment = await api.environment(project_id)
        body = draft(project_id, environment["id"])
        assert (await api.request("POST", ROOT, json=body))[0] == 422
        first = await offer(api, amount=0)
        deployed = await api.get(f"{ROOT}/{first}")
        own = draft(deployed["projectId"], deployed["environmentId"])
        foreign = {**own, "environmentId": environment["id"]}
        assert (await api.request("POST", ROOT, json=foreign))[0] == 422
        assert (await api.request("POST", ROOT, json={**own, "amount": 0.123}))[0] == 400
        assert (await api.request("POST", ROOT, json={**own, "description": "short"}))[0] == 400
        for wrong in ({"runtime": 5}, {"runtime": "cobol:1"}, {"volumes": "x"}, {"port": "one"}):
            status, told = await api.request(
                "POST", ROOT, json={**own, "projectConfiguration": wrong}
            )
            assert status == 400, told
            assert next(iter(wrong)) in told
        for _ in range(9):
            assert (await api.request("POST", ROOT, json=own))[0] == 201
        status, told = await api.request("POST", ROOT, json=own)
        assert (status, "10 templates in draft or review" in told) == (429, True)
        assert len(list((tmp_path / "templates").iterdir())) == 10
        assert (await api.request("POST", f"{ROOT}/{first}/buy"))[0] == 404
    with pytest.raises(WrongStateError):
        await add_credits(DataDir(tmp_path), "local", -1)
    with pytest.raises(InvalidRequestError):
        await add_credits(DataDir(tmp_path), "local", 0.001)


async def test_twelve_starters_are_there_from_the_first_moment(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        listed = await api.get(f"{ROOT}?limit=20")
        assert listed["pagination"]["total"] == 12
        assert {row["author"]["name"] for row in listed["templates"]} == {"createos"}
        counts = await api.get(f"{ROOT}/counts")
        assert {"name": "ai", "count": 4} in counts["categoryCounts"]
        agents = await api.get(f"{ROOT}?categories=MCP,bot")
        assert agents["pagination"]["total"] == 3
        assert (await api.get(f"{ROOT}/my"))["templates"] == []
    async with running_platform(tmp_path) as api:
        assert (await api.get(f"{ROOT}?limit=1"))["pagination"]["total"] == 12
