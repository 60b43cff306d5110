"""The pages by what they show and what their forms do, without a browser."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.values import Json
from createos_mcp.platform.marketplace import review
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually
from tests.platform.pages.visitors import Visitor, visitor, words
from tests.platform.platforms import (
    ANSWERING,
    Api,
    another_user,
    read_page,
    running_platform,
    zip_of,
)
from tests.platform.template_drafts import offer

HOSTILE = """<script>alert(1)</script>"'&{{ 7*7 }}\x1b[31m"""
SECRET = "correct-horse-battery-staple"  # noqa: S105 - of nothing


@asynccontextmanager
async def shop(root: Path, **settings: Json) -> AsyncIterator[tuple[Api, Visitor, Json, Json]]:
    """A platform with a live app: its API, a visitor, the deployment and the environment."""
    async with running_platform(root) as api:
        deployment = await api.deploy({"main.py": ANSWERING}, "shop", **settings)
        assert deployment["status"] == "deployed", deployment["reason"]
        environment = await api.environment(deployment["projectId"])
        async with visitor(api) as someone:
            yield api, someone, deployment, environment


def place_of(environment: Json) -> str:
    return f"/projects/{environment['projectId']}/environments/{environment['id']}"


async def until(api: Api, environment: Json, is_there: Callable[[Json], bool]) -> Json:
    return await eventually(lambda: api.environment(environment["projectId"]), is_there)


async def test_the_overview_tells_what_serves_and_beside_it_what_failed(tmp_path: Path) -> None:
    async with shop(tmp_path) as (api, someone, deployment, _):
        failing = await api.upload(deployment["projectId"], {"main.py": "raise SystemExit(3)"})
        await api.wait(deployment["projectId"], failing)
        shown = words(await someone.page("/"))
    assert "shop production live 127.0.0.1:" in shown
    assert "v1" in shown
    assert "v2 crashing" in shown
    assert "exited with code 3" in shown


async def test_every_page_is_there_for_an_empty_platform_and_a_busy_one(tmp_path: Path) -> None:
    general = ("/", "/new", "/services", "/cron", "/git", "/templates", "/account", "/platform")
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        for path in (*general, "/confirm"):
            await someone.page(path)
    async with shop(tmp_path) as (api, someone, deployment, environment):
        job = {"environmentId": environment["id"], "name": "tick", "schedule": "* * * * *"}
        await api.request(
            "POST",
            f"/v1/projects/{deployment['projectId']}/cronjobs",
            json={**job, "type": "http", "settings": {"path": "/tick", "method": "GET"}},
        )
        project = f"/projects/{deployment['projectId']}"
        for path in (
            *general,
            project,
            f"{project}/domains",
            f"{project}/deployments/{deployment['id']}",
            f"{project}/deployments/{deployment['id']}/build.txt",
            f"{project}/deployments/{deployment['id']}/delete",
            place_of(environment),
            f"{place_of(environment)}?window=7d",
            f"{place_of(environment)}/logs?q=asked&level=error&wrap=off",
            f"{place_of(environment)}/logs.txt",
        ):
            await someone.page(path)
        await someone.page("/projects/nothing", status=404)
        assert "Not found" in await someone.page("/nowhere", status=404)


async def test_what_apps_and_users_write_is_text_on_a_page_and_nothing_more(
    tmp_path: Path,
) -> None:
    print_it = f"print({HOSTILE!r}, flush=True)\n{ANSWERING}"
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": print_it}, runEnvs={"GREETING": SECRET})
        environment = await api.environment(deployment["projectId"])
        project = {"displayName": HOSTILE[:30], "description": HOSTILE}
        await api.request("PATCH", f"/v1/projects/{deployment['projectId']}", json=project)
        broken = await api.upload(
            deployment["projectId"], {"main.py": f"raise Exception({HOSTILE!r})"}
        )
        await api.wait(deployment["projectId"], broken)
        async with visitor(api) as someone:
            for path in (
                "/",
                f"/projects/{deployment['projectId']}",
                f"/projects/{deployment['projectId']}/deployments/{broken}",
                place_of(environment),
                f"{place_of(environment)}/logs?q=%3Cscript%3E",
                "/nowhere/%3Cscript%3Ealert(1)",
                "/confirm?code=%3Cscript%3E",
            ):
                source = (await someone.client.get(path)).text
                assert "<script>alert" not in source, path
                assert "\x1b" not in source, path
                assert SECRET not in source, path
            logs = await someone.page(f"{place_of(environment)}/logs")
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in logs


async def test_the_buttons_of_an_environment_do_what_they_say(tmp_path: Path) -> None:
    async with shop(tmp_path) as (api, someone, first, environment):
        place, address = place_of(environment), environment["extra"]["endpoint"]
        await someone.send(f"{place}/stop")
        await until(api, environment, lambda one: one["extra"].get("stopped"))
        assert "stopped" in words(await someone.page(place))
        await someone.send(f"{place}/restart")
        await until(api, environment, lambda one: one["extra"]["runningReplicas"] == 1)
        await someone.send(f"{place}/resources", cpu="300", memory="600", replicas="2")
        scaled = await until(api, environment, lambda one: one["extra"]["runningReplicas"] == 2)
        assert scaled["resources"] == {"cpu": 300, "memory": 600, "replicas": 2}
        refused = await someone.send(f"{place}/resources", status=400, cpu="x", memory="1")
        assert "cpu" in words(refused.text)
        await api.wait(
            first["projectId"],
            await api.upload(first["projectId"], {"index.html": "two"}),
            "deployed",
        )
        assert await read_page(address) == "two"
        await someone.send(f"{place}/assign", deploymentId=first["id"])
        await until(api, environment, lambda one: one["projectDeploymentId"] == first["id"])
        assert await read_page(address) == "hello"


async def test_variables_are_set_unset_and_pasted_by_name_without_showing_a_value(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path, runEnvs={"SHARED": SECRET}) as (api, someone, _, environment):
        place = place_of(environment)
        await someone.send(f"{place}/variables", name="GREETING", value="moin", restart="yes")
        await eventually(
            lambda: read_page(environment["extra"]["endpoint"]), lambda page: page == "moin"
        )
        await someone.send(f"{place}/variables", pasted="# two\nexport A='1 2'\nB=3\n")
        shown = await someone.page(place)
        assert all(name in words(shown) for name in ("A", "B", "GREETING", "SHARED"))
        assert "moin" not in shown
        assert SECRET not in shown
        await someone.send(f"{place}/variables", unset="A")
        stored = (await api.environment(environment["projectId"]))["settings"]["runEnvs"]
        assert stored == {"GREETING": "moin", "B": "3"}
        refused = await someone.send(f"{place}/variables", status=400, pasted="A=1\nno variable\n")
        assert "line 2" in refused.text
        assert "no variable" not in refused.text
        assert (await api.environment(environment["projectId"]))["settings"]["runEnvs"] == stored


async def test_the_buttons_of_a_deployment_do_what_they_say(tmp_path: Path) -> None:
    async with shop(tmp_path) as (api, someone, first, _):
        project = f"/projects/{first['projectId']}"
        place = f"{project}/deployments/{first['id']}"
        await someone.send(f"{place}/sleep")
        await api.wait(first["projectId"], first["id"], "sleeping")
        await someone.send(f"{place}/wake")
        await api.wait(first["projectId"], first["id"], "deployed")
        again = await someone.send(f"{place}/redeploy")
        second = again.headers["location"].rpartition("/")[2]
        await api.wait(first["projectId"], second, "deployed")
        await api.wait(first["projectId"], first["id"], "sleeping")
        wrong = await someone.send(f"{place}/delete", status=400, typed="2")
        assert "nothing was changed" in wrong.text
        await someone.send(f"{place}/delete", typed="1")
        await api.until_gone(f"/v1{place}")
        assert (await api.environment(first["projectId"]))["projectDeploymentId"] == second
        refused = await someone.send(f"{project}/deployments/{second}/cancel", status=422)
        assert "Only a deployment in queue" in words(refused.text)


async def test_a_project_is_made_of_a_dropped_folder_and_deleted_by_its_name(
    tmp_path: Path,
) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        file = {"file": ("app.zip", zip_of({"index.html": "dropped"}), "application/zip")}
        own = {"origin": someone.origin}
        made = await someone.client.post(
            "/new", data={"name": "dropped-app"}, files=file, headers=own
        )
        assert made.status_code == 303, made.text
        _, _, project_id, _, deployment_id = made.headers["location"].split("/")
        done = await api.wait(project_id, deployment_id, "deployed")
        assert await read_page(done["extra"]["endpoint"]) == "dropped"
        file = {"file": ("app.zip", zip_of({"index.html": "again"}), "application/zip")}
        again = await someone.client.post(f"/projects/{project_id}/deploy", files=file, headers=own)
        done = await api.wait(project_id, again.headers["location"].rpartition("/")[2], "deployed")
        assert await read_page(done["extra"]["endpoint"]) == "again"
        for fields in ({"name": "other-app"}, {"name": "x"}):
            refused = await someone.client.post("/new", data=fields, headers=own)
            assert refused.status_code == 400
        page = words(await someone.page(f"/projects/{project_id}/delete"))
        assert "Type dropped-app to confirm" in page
        await someone.send(f"/projects/{project_id}/delete", status=400, typed="dropped")
        await someone.send(f"/projects/{project_id}/delete", typed="dropped-app")
        await api.until_gone(f"/v1/projects/{project_id}")


async def test_cron_jobs_run_now_pause_and_resume_and_domains_are_added_and_deleted(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path) as (api, someone, first, environment):
        project = f"/projects/{first['projectId']}"
        _, job = await api.request(
            "POST",
            f"/v1{project}/cronjobs",
            json={
                "environmentId": environment["id"],
                "name": "nightly",
                "schedule": "0 0 1 1 *",
                "type": "http",
                "settings": {"path": "/tick", "method": "GET"},
            },
        )
        place = f"{project}/cronjobs/{job['id']}"
        await someone.send(f"{place}/run")
        await eventually(lambda: someone.page("/cron"), lambda page: "success 200" in words(page))
        await someone.send(f"{place}/suspend")
        assert "suspended" in words(await someone.page("/cron"))
        await someone.send(f"{place}/resume")
        assert "active" in words(await someone.page("/cron"))
        added = await someone.send(
            f"{project}/domains", name="www.example.test", environmentId=environment["id"]
        )
        assert added.headers["location"] == f"{project}/domains"
        (domain,) = await api.get(f"/v1{project}/domains")
        assert domain["records"]["txt_records"][0]["value"] in await someone.page(
            f"{project}/domains"
        )
        await someone.send(f"{project}/domains/{domain['id']}/delete", typed="www.example.test")
        assert await api.get(f"/v1{project}/domains") == []


async def test_a_key_is_shown_once_and_revoked_by_its_name(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        until_date = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        made = await someone.send("/account/keys", status=200, name="laptop", until=until_date)
        (secret,) = [word for word in words(made.text).split() if word.startswith("skp_")]
        status, _ = await api.request("GET", "/v1/projects", headers={"x-api-key": secret})
        assert status == 200
        assert secret not in await someone.page("/account")
        (key,) = [one for one in await api.get("/v1/api-keys") if one["name"] == "laptop"]
        await someone.send(f"/account/keys/{key['id']}/revoke", typed="laptop")
        status, _ = await api.request("GET", "/v1/projects", headers={"x-api-key": secret})
        assert status == 401


async def test_an_agents_call_is_confirmed_by_its_code(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:
        codes = ConfirmationCodes(tmp_path / "confirmations")
        code = codes.issue(call="c", caller="me", text="Delete shop?", typed="shop")
        assert "Delete shop?" in await someone.page(f"/confirm?code={code}")
        assert "no call to confirm" in await someone.page("/confirm?code=AAAA-BBBB")
        await someone.send("/confirm", status=400, code=code, typed="other")
        assert not codes.take("c", "me")
        told = await someone.send("/confirm", status=200, code=code, typed="shop")
        assert "Confirmed" in told.text
        assert codes.take("c", "me")


async def events_of(someone: Visitor, path: str, **headers: str) -> AsyncIterator[str]:
    """A stream's events; the transport of a test gives them when it has ended."""
    answer = await someone.client.get(path, headers={"accept": "text/event-stream", **headers})
    assert answer.headers["content-type"].startswith("text/event-stream")
    for text in answer.text.split("\n\n"):
        if text:
            yield text


async def test_a_build_log_streams_from_any_line_on_and_ends_with_the_state(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path) as (api, someone, first, _):
        place = f"/projects/{first['projectId']}/deployments/{first['id']}"
        whole = [text async for text in events_of(someone, f"{place}/events")]
        lines = [text for text in whole if "event: lines" in text]
        count = len(await api.get(f"/v1{place}/build-logs"))
        assert lines[-1].startswith(f"id: {count}\n")
        assert whole[-1] == "event: end\ndata: deployed"
        rest = [
            text
            async for text in events_of(
                someone, f"{place}/events", **{"last-event-id": str(count - 1)}
            )
        ]
        (line,) = [text for text in rest if "event: lines" in text]
        assert line.count("[[") == 1
        assert f"[[{count}, " in line


@pytest.mark.parametrize(("path", "most"), [("/", 16_000), ("{deployment}", 90_000)])
async def test_a_page_is_light(path: str, most: int, tmp_path: Path) -> None:
    """With all that it loads, as a browser without a cache would."""
    async with shop(tmp_path) as (_, someone, first, _):
        deployment = f"/projects/{first['projectId']}/deployments/{first['id']}"
        parts = [
            path.format(deployment=deployment),
            "/static/app.css",
            "/static/live.js",
            "/static/icon.svg",
        ]
        sizes = [len((await someone.client.get(part)).content) for part in parts]
    assert sum(sizes) <= most
    assert len(parts) <= 5


async def test_the_owner_lets_another_user_in_and_nobody_else_does(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as owner:
        added = await owner.send("/platform/users", status=200, name="alice")
        (key,) = re.findall(r"skp_[\w-]+", added.text)
        assert "skp_" not in await owner.page("/platform")
        taken = await owner.send("/platform/users", status=409, name="alice")
        assert "taken" in words(taken.text)
        refused = await owner.send("/platform/users", status=400, name="al ice")
        assert "letters, digits" in words(refused.text)
        client = httpx2.AsyncClient(
            transport=api.transport, base_url=api.client.base_url, headers={"x-api-key": key}
        )
        async with client, visitor(replace(api, client=client)) as alice:
            await alice.send("/platform/users", status=403, name="bob")
            assert "alice" in words(await alice.page("/account"))


async def test_a_template_is_taken_deployed_and_downloaded(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        template_id = await offer(api, amount=0)
        await api.request("PUT", f"/v1/project-templates/{template_id}/send-for-review")
        await review(DataDir(tmp_path), template_id, None)
        async with another_user(api) as alice, visitor(alice) as someone:
            await someone.send(f"/templates/{template_id}/buy")
            page = await someone.page("/templates")
            (purchase,) = set(re.findall(r"purchases/([\w-]+)/deploy", page))
            await someone.send(f"/templates/purchases/{purchase}/deploy")
            shown = await eventually(lambda: someone.page("/"), lambda page: "live" in words(page))
            assert "127.0.0.1:" in shown
            files = await someone.client.get(f"/templates/purchases/{purchase}/download")
            assert (files.status_code, "/downloads/" in files.headers["location"]) == (303, True)


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"a": 1}', "null"])
async def test_rules_that_are_none_are_refused_with_what_was_expected(
    tmp_path: Path, content: str
) -> None:
    async with running_platform(tmp_path) as api, visitor(api) as someone:

        async def ask(rules: str) -> httpx2.Response:
            sent = {"rules": ("rules.json", rules.encode())}
            headers = {"origin": someone.origin}
            return await someone.client.post("/ignore-rules", files=sent, headers=headers)

        answer, told = await ask(content), await ask('{"src/.gitignore": "*.log\\n!a"}')
    assert answer.status_code == 400
    assert "rules: expected" in words(answer.text)
    assert [takes for takes, _ in told.json()["src/.gitignore"]] == [True, False]
