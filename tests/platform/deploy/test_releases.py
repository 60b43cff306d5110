import os
from pathlib import Path

from createos_mcp.platform.sandbox.app_logs import remove_old
from tests.cli.launches import run
from tests.eventually import until
from tests.platform.api.environments import assign
from tests.platform.platforms import ANSWERING, Api, read_page, running_platform


async def versions(api: Api, count: int) -> tuple[str, list[str]]:
    """A project with so many deployments, the last of them live."""
    project_id = await api.create_project()
    ids = []
    for number in range(count):
        app = ANSWERING.replace('"hello"', f'"version {number}"')
        ids.append(await api.upload(project_id, {"main.py": app}))
        await api.wait(project_id, ids[-1], "deployed")
    return project_id, ids


async def test_old_releases_go_and_are_built_again_when_they_are_wanted(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id, ids = await versions(api, 3)
    async with running_platform(tmp_path, releases_kept=1) as api:
        releases = tmp_path / "releases"
        await until(lambda: {file.name for file in releases.iterdir()} == {ids[-1]})
        production = await api.environment(project_id)

        back = await assign(api, project_id, production["id"], ids[0])

        assert await read_page(back["extra"]["endpoint"]) == "version 0"
        assert (releases / ids[0]).is_dir()
        woken = f"/v1/projects/{project_id}/deployments/{ids[1]}/wakeup"
        assert (await api.request("POST", woken))[0] == 200
        shown = await api.wait(project_id, ids[1], "deployed")
        assert await read_page(shown["extra"]["endpoint"]) == "version 1"


async def test_a_release_in_use_is_never_collected(tmp_path: Path) -> None:
    async with running_platform(tmp_path, releases_kept=0) as api:
        project_id, ids = await versions(api, 2)
        production = await api.environment(project_id)
        await assign(api, project_id, production["id"], ids[0])
    async with running_platform(tmp_path, releases_kept=0) as api:
        await until(lambda: not (tmp_path / "releases" / ids[1]).exists())
        production = await api.environment(project_id)
        assert await read_page(production["extra"]["endpoint"]) == "version 0"


async def test_a_cache_that_has_outgrown_its_limit_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "cache" / "project").mkdir(parents=True)
    (tmp_path / "cache" / "project" / "large").write_bytes(b"x" * 2_000_000)
    async with running_platform(tmp_path, cache_limit_mb=1):
        await until(lambda: not (tmp_path / "cache" / "project" / "large").exists())


def test_logs_are_kept_for_their_time_and_those_of_deleted_deployments_too(tmp_path: Path) -> None:
    for name in ("deleted-new", "deleted-old", "present-old"):
        log = tmp_path / name / "place" / "1.log"
        log.parent.mkdir(parents=True)
        log.write_text("line\n")
        if name.endswith("old"):
            os.utime(log, (0, 0))
    remove_old(tmp_path, 1, {"present-old"})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["deleted-new", "present-old"]
    assert (tmp_path / "deleted-new" / "place" / "1.log").exists()
    assert not (tmp_path / "present-old" / "place" / "1.log").exists()


async def test_logs_of_a_stopped_deployment_can_be_read(tmp_path: Path) -> None:
    async with running_platform(tmp_path, sleep_after_s=0.5) as api:
        deployment = await api.deploy({"main.py": f"print('I was here')\n{ANSWERING}"})
        project_id = deployment["projectId"]
        await api.wait(project_id, deployment["id"], "sleeping")
        path = f"/v1/projects/{project_id}/deployments/{deployment['id']}/deployment-logs"
        assert "I was here" in await api.get(f"{path}?since-seconds=3600")
        assert "Increase since-seconds" in await api.get(f"{path}?since-seconds=0")


async def test_logs_of_a_deleted_deployment_are_shown_by_the_command_line(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": f"print('last words')\n{ANSWERING}"})
        path = f"/v1/projects/{deployment['projectId']}/deployments/{deployment['id']}"
        await api.request("DELETE", path)
        await api.until_gone(path)
    shown = run("platform", "logs", deployment["id"], CREATEOS_DATA_DIR=str(tmp_path))
    assert "last words" in shown.stdout
    assert "Building for python" in shown.stdout
    unknown = run("platform", "logs", "none-such", CREATEOS_DATA_DIR=str(tmp_path))
    assert (unknown.returncode, deployment["id"] in unknown.stderr) == (1, True)
