"""Pushes by the real git client: what is built of them, and what who pushes is told."""

from pathlib import Path

import anyio
from anyio import to_thread

from tests.eventually import eventually
from tests.platform.git.working_copies import (
    PAGE,
    STAGING,
    address_of,
    deployments_of,
    git_platform,
    vcs_project,
    working_copy,
)
from tests.platform.platforms import another_user, read_page


async def test_a_push_goes_live_and_the_terminal_shows_how(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(api, "my-app")
        copy = working_copy(api, tmp_path / "copy", "my-app")
        sha = copy.commit({"index.html": PAGE.format("first")}, "Say first")
        pushed = await copy.push("main")
        assert pushed.ok, pushed.said
        page = await read_page(await address_of(api, project_id))
        assert page == PAGE.format("first")
        assert f"main at {sha[:8]}: Say first" in pushed.said
        assert f"live at production {await address_of(api, project_id)}" in pushed.said
        (row,) = await deployments_of(api, project_id)
        assert row["source"] == {
            "kind": "git",
            "branch": "main",
            "commit": sha,
            "commitMessage": "Say first",
            "commitAuthor": "Ada",
        }
        copy.commit({"index.html": PAGE.format("second")})
        assert (await copy.push("main")).ok
        assert await read_page(await address_of(api, project_id)) == PAGE.format("second")
        failing = copy.commit({"package.json": "{", "index.html": ""})
        pushed = await copy.push("main")
        assert pushed.ok, "the commit is taken, whatever becomes of it"
        assert "build_error. " in pushed.said
        assert await read_page(await address_of(api, project_id)) == PAGE.format("second")
        assert (await deployments_of(api, project_id))[0]["source"]["commit"] == failing


async def test_branches_go_where_an_environment_has_them(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(api, "my-app", ignoreBranches=["docs/*"])
        path = f"/v1/projects/{project_id}/environments"
        assert (await api.request("POST", path, json=STAGING))[0] == 201
        copy = working_copy(api, tmp_path / "copy", "my-app")
        copy.commit({"index.html": PAGE.format("one")})
        assert (await copy.push("main")).ok
        copy.git("checkout", "--quiet", "-b", "next")
        copy.commit({"index.html": PAGE.format("two")})
        assert (await copy.push("next")).ok
        assert await read_page(await address_of(api, project_id)) == PAGE.format("one")
        assert await read_page(await address_of(api, project_id, "staging")) == PAGE.format("two")
        copy.git("checkout", "--quiet", "-b", "docs/help")
        copy.commit({"index.html": PAGE.format("three")})
        ignored = await copy.push("docs/help")
        assert "not built, ignoreBranches has docs/*" in ignored.said
        copy.git("tag", "v1")
        assert (await copy.push("v1")).ok
        other = await copy.push("docs/help:refs/heads/other")
        assert "no environment takes this branch" in other.said
        assert len(await deployments_of(api, project_id)) == 3
        copy.git("commit", "--quiet", "--amend", "--message", "Again")
        assert "live at" not in (await copy.push("--force", "docs/help:other")).said
        assert (await copy.push("--delete", "other")).ok
        assert await read_page(await address_of(api, project_id, "staging")) == PAGE.format("two")


async def test_a_folder_of_a_monorepo_is_built_when_something_in_it_changed(
    tmp_path: Path,
) -> None:
    async with git_platform(tmp_path / "data") as api:
        web = await vcs_project(api, "mono", "web-app", directoryPath="apps/web")
        docs = await vcs_project(api, "mono", "docs-app", directoryPath="apps/docs")
        copy = working_copy(api, tmp_path / "copy", "mono")
        pages = {f"apps/{name}/index.html": PAGE.format(name) for name in ("web", "docs")}
        copy.commit(pages)
        assert (await copy.push("main")).ok
        copy.commit({"apps/web/index.html": PAGE.format("new")})
        said = (await copy.push("main")).said
        assert "docs-app: not built, nothing in apps/docs has changed" in said
        assert await read_page(await address_of(api, web)) == PAGE.format("new")
        assert await read_page(await address_of(api, docs)) == PAGE.format("docs")
        assert len(await deployments_of(api, docs)) == 1


async def test_of_several_pushes_in_a_row_the_newest_wins(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data", builds_at_once=1) as api:
        command = "sleep 2"
        project_id = await vcs_project(
            api, "my-app", useBuildAI=False, runtime="static", buildCommand=command, buildDir="."
        )
        copy = working_copy(api, tmp_path / "copy", "my-app")
        pushes = []
        for number in range(4):
            copy.commit({"index.html": PAGE.format(number)})
            pushes.append(copy.start_push("main"))
            while len(await deployments_of(api, project_id)) <= number:
                await anyio.sleep(0.05)
        rows = await eventually(
            lambda: deployments_of(api, project_id),
            lambda rows: rows[0]["status"] == "deployed",
        )
        assert await read_page(await address_of(api, project_id)) == PAGE.format(3)
        cancelled = [row for row in rows if row["status"] == "cancelled"]
        assert [row["versionNumber"] for row in cancelled] == [3, 2]
        assert {row["reasonCode"] for row in cancelled} == {"superseded"}
        for push in pushes:
            assert await to_thread.run_sync(push.wait, 60) == 0


async def test_the_build_goes_on_when_who_pushed_leaves(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(
            api, "my-app", useBuildAI=False, runtime="static", buildCommand="sleep 2", buildDir="."
        )
        copy = working_copy(api, tmp_path / "copy", "my-app")
        copy.commit({"index.html": PAGE.format("left")})
        push = copy.start_push("main")
        await eventually(lambda: deployments_of(api, project_id), bool)
        push.kill()
        await to_thread.run_sync(push.wait, 60)
        await eventually(
            lambda: deployments_of(api, project_id), lambda rows: rows[0]["status"] == "deployed"
        )
        assert await read_page(await address_of(api, project_id)) == PAGE.format("left")


async def test_previews_come_and_go_with_their_branches(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(api, "my-app")
        settings = {"previewBranches": ["feature/*"]}
        path = f"/v1/projects/{project_id}"
        status, data = await api.request("PUT", f"{path}/runtime-settings", json=settings)
        assert status == 200, data
        copy = working_copy(api, tmp_path / "copy", "my-app")
        copy.commit({"index.html": PAGE.format("main")})
        assert (await copy.push("main")).ok
        copy.git("checkout", "--quiet", "-b", "feature/login")
        copy.commit({"index.html": PAGE.format("login")})
        pushed = await copy.push("feature/login")
        (preview,) = [
            row for row in await api.get(f"{path}/environments") if row["branch"] == "feature/login"
        ]
        assert preview["uniqueName"].startswith("preview-feature-login-")
        assert f"preview {preview['uniqueName']} at {preview['extra']['endpoint']}" in pushed.said
        assert await read_page(preview["extra"]["endpoint"]) == PAGE.format("login")
        assert await read_page(await address_of(api, project_id)) == PAGE.format("main")
        removed = await copy.push("--delete", "feature/login")
        assert f"the preview {preview['uniqueName']} goes" in removed.said
        await eventually(
            lambda: api.get(f"{path}/environments"), lambda environments: len(environments) == 1
        )


async def test_nobody_reaches_the_repositories_of_another_user(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        await vcs_project(api, "my-app")
        own = working_copy(api, tmp_path / "own", "my-app")
        own.commit({"index.html": "mine"})
        assert (await own.push("main")).ok
        async with another_user(api) as alice:
            hers = working_copy(alice, tmp_path / "hers", "my-app")
            hers.commit({"index.html": "hers"})
            refused = await hers.push("main")
            assert not refused.ok
            assert "not found" in refused.said.lower()
            source = {"vcsName": "github", "vcsInstallationId": "1", "vcsRepoId": "1"}
            project = {"uniqueName": "hers", "displayName": "hers", "type": "vcs"}
            answer = await alice.request(
                "POST", "/v1/projects", json={**project, "source": source, "settings": {}}
            )
            assert answer[0] == 404
            accounts = "/v1/app-installations/github/accounts"
            assert await alice.get(f"{accounts}/1/repositories") == []
            tree = {"repository": "local/my-app", "branch": "main"}
            url = f"{accounts}/1/repositories/content"
            assert (await alice.request("POST", url, json=tree))[0] == 404
        wrong = working_copy(api, tmp_path / "wrong", "my-app")
        (tmp_path / "wrong.askpass").write_text("#!/bin/sh\necho wrong\n")
        wrong.commit({"index.html": "x"})
        assert "Authentication failed" in (await wrong.push("main")).said


async def test_what_was_pushed_while_nobody_listened_is_built_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with git_platform(tmp_path / "data") as api:
        project_id = await vcs_project(api, "my-app")
    bare = tmp_path / "data" / "repositories" / "1.git"
    async with git_platform(tmp_path / "other") as other:
        copy = working_copy(other, tmp_path / "copy", "unused")
        copy.commit({"index.html": PAGE.format("late")})
        copy.git("-c", "core.hooksPath=/dev/null", "push", "--quiet", str(bare), "main")
    async with git_platform(tmp_path / "data") as api:
        rows = await eventually(
            lambda: deployments_of(api, project_id),
            lambda rows: bool(rows) and rows[0]["status"] == "deployed",
        )
        assert len(rows) == 1
        assert await read_page(await address_of(api, project_id)) == PAGE.format("late")


async def test_a_branch_is_deployed_on_request_and_once_for_each_commit(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        empty = await vcs_project(api, "empty", "empty-app")
        status, told = await api.request("POST", f"/v1/projects/{empty}/trigger-latest")
        assert (status, "nothing was pushed yet" in told) == (400, True)
        copy = working_copy(api, tmp_path / "copy", "full")
        await vcs_project(api, "full", "first-app")
        copy.commit({"index.html": PAGE.format("full")})
        assert (await copy.push("main:trunk")).ok
        project_id = await vcs_project(api, "full", "later-app")
        path = f"/v1/projects/{project_id}/trigger-latest"
        status, told = await api.request("POST", path)
        assert status == 200
        await api.wait(project_id, told["id"])
        assert await read_page(await address_of(api, project_id)) == PAGE.format("full")
        status, told = await api.request("POST", f"{path}?branch=trunk")
        assert "is version 1 already" in told
        status, told = await api.request("POST", f"{path}?branch=nope")
        assert (status, "it has trunk" in told) == (400, True)
        again = f"/v1/projects/{project_id}/deployments"
        (row,) = await deployments_of(api, project_id)
        status, repeated = await api.request("POST", f"{again}/{row['id']}/retrigger")
        assert status == 200, repeated
        assert repeated["source"]["commit"] == row["source"]["commit"]


async def test_eight_clones_and_a_large_push_at_once(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        await vcs_project(api, "large", ignoreBranches=["*"])
        copy = working_copy(api, tmp_path / "copy", "large")
        (copy.place / "blob").write_bytes(b"".join(bytes([n % 251]) * 997 for n in range(60_000)))
        copy.commit({"index.html": "x"})
        assert (await copy.push("main")).ok
        results = []

        async def clone(number: int) -> None:
            results.append(await copy.clone(tmp_path / f"clone-{number}"))

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(clone, number)
        assert all(result.ok for result in results), [result.said for result in results]
        whole = (copy.place / "blob").read_bytes()
        assert all((tmp_path / f"clone-{n}" / "blob").read_bytes() == whole for n in range(8))


async def test_accounts_are_found_at_both_addresses(tmp_path: Path) -> None:
    async with git_platform(tmp_path / "data") as api:
        root = "/v1/app-installations/github"
        accounts = await api.get(f"{root}/accounts")
        assert [account["installationId"] for account in accounts] == [1]
        assert await api.get(f"{root}/installations") == accounts


async def test_where_nothing_confines_apps_a_push_of_another_user_is_kept_and_not_built(
    tmp_path: Path,
) -> None:
    async with (
        git_platform(tmp_path / "data", isolation="none") as api,
        another_user(api) as alice,
    ):
        project_id = await vcs_project(alice, "hers")
        copy = working_copy(alice, tmp_path / "copy", "hers", "alice")
        copy.commit({"index.html": "x"})
        pushed = await copy.push("main")
        assert pushed.ok
        assert "only the owner of this machine may deploy" in pushed.said
        assert await deployments_of(alice, project_id) == []
