"""Private registries: who may pull, and what becomes of a password."""

from pathlib import Path

import pytest

from createos_mcp.platform.errors import NotFoundError, RegistryNameError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.registries import list_logins, log_in, log_out
from createos_mcp.platform.store.registry_credentials import RegistryLogin
from tests.cli.launches import run
from tests.eventually import eventually
from tests.platform.engines.daemons import DockerDaemon, image_registry
from tests.platform.engines.test_images import address_of, deploy, image_project
from tests.platform.platforms import another_user, read_page, running_platform

PASSWORD = "canary-of-a-password"  # noqa: S105 - of a registry of the tests


def login(registry: str, password: str = PASSWORD) -> RegistryLogin:
    return RegistryLogin(registry=registry, username="puller", password=password)


@pytest.mark.engines
async def test_a_private_image_is_pulled_by_whom_it_is_given_to_and_nobody_else(
    engine: DockerDaemon, tmp_path: Path
) -> None:
    with image_registry(tmp_path / "registry", login=("puller", PASSWORD)) as registry:
        image = f"{registry}/private:1"
        engine.make_image(image, {"www/index.html": "private"})
        engine.docker("login", "--username", "puller", "--password", PASSWORD, registry)
        engine.docker("push", image)
        engine.docker("logout", registry)
        engine.docker("rmi", image)
        data_dir = DataDir(tmp_path / "data")
        async with running_platform(data_dir.root, docker_host=engine.host) as api:
            project_id = await image_project(api)
            unknown = await deploy(api, project_id, image)
            await log_in(data_dir, login(registry, "wrong"), user=None, project=None)
            wrong = await deploy(api, project_id, image)
            await log_in(data_dir, login(registry), user=None, project="image-app")
            right = await deploy(api, project_id, image)
            page = await read_page(await address_of(api, project_id))
            async with another_user(api) as alice:
                foreign = await deploy(alice, await image_project(alice, "her-app"), image)
            logs = [await api.build_log(one) for one in (unknown, wrong, right)]
            assert await log_out(data_dir, registry, user=None, project="image-app")
    assert "`createos-mcp platform registry login` gives credentials" in unknown["reason"]
    assert "does not let puller pull private" in wrong["reason"]
    assert (right["status"], page) == ("deployed", "private")
    assert "gives no access to private" in foreign["reason"]
    assert PASSWORD not in "".join(logs)


@pytest.mark.engines
async def test_a_private_base_and_an_image_that_was_removed_are_pulled_with_the_credentials(
    engine: DockerDaemon, tmp_path: Path
) -> None:
    with image_registry(tmp_path / "registry", login=("puller", PASSWORD)) as registry:
        image = f"{registry}/private:1"
        engine.make_image(image, {"www/index.html": "private"})
        engine.docker("login", "--username", "puller", "--password", PASSWORD, registry)
        engine.docker("push", image)
        engine.docker("logout", registry)
        engine.docker("rmi", image)
        files = {
            "Dockerfile": f"FROM {image} AS base\nFROM base\nRUN echo built > /www/index.html\n"
        }
        data_dir = DataDir(tmp_path / "data")
        async with running_platform(data_dir.root, docker_host=engine.host) as api:
            unknown = await api.deploy(files, "early-app", hasDockerfile=True)
            await log_in(data_dir, login(registry), user=None, project=None)
            built = await api.deploy(files, hasDockerfile=True)
            log = await api.build_log(built)
            named = {"Dockerfile": f"ARG BASE={image}\nFROM $BASE\n"}
            copied = {"Dockerfile": f"FROM scratch\nCOPY --from={image} /www /www\n"}
            shown = engine.docker("inspect", "--format", "{{index .RepoDigests 0}}", image)
            pinned = {"Dockerfile": f"FROM {shown}\n"}
            other = {"Dockerfile": f"# syntax=evil/frontend\nFROM {image}\n"}
            async with another_user(api) as alice:
                by_variable = await alice.deploy(
                    files, "her-way", hasDockerfile=True, buildVars={"BUILDKIT_SYNTAX": "evil/a"}
                )
                foreign = [
                    await alice.deploy(given, f"her-{number}", hasDockerfile=True)
                    for number, given in enumerate((files, named, copied, pinned, other))
                ]
                running = await deploy(alice, await image_project(alice, "her-image"), shown)
            again = await api.deploy(files, "later-app", hasDockerfile=True)
            project_id = await image_project(api)
            deployment = await deploy(api, project_id, image)
            path = f"/v1/projects/{project_id}/deployments/{deployment['id']}"
            assert (await api.request("POST", f"{path}/sleep"))[0] == 200
            await eventually(lambda: api.get(path), lambda row: row["status"] == "sleeping")
            engine.docker("rmi", "--force", image, deployment["artifactImage"])
            woken = await read_page(await address_of(api, project_id))
    assert unknown["status"] == "build_error"
    for one in foreign[:-1]:
        assert one["status"] == "build_error"
        assert "`createos-mcp platform registry login` gives credentials" in one["reason"]
    for one in (foreign[-1], by_variable):
        assert "only docker/dockerfile reads one" in one["reason"]
    assert "gives no access to private" in running["reason"]
    assert again["status"] == "deployed", again["reason"]
    assert built["status"] == "deployed", log
    assert "as puller" in log
    assert PASSWORD not in log
    assert woken == "private"


async def test_a_password_is_in_no_file_but_sealed(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    async with running_platform(tmp_path):
        await log_in(data_dir, login("ghcr.io"), user=None, project=None)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file
    assert data_dir.sealing_key.stat().st_mode & 0o077 == 0
    (row,) = await list_logins(data_dir)
    assert (row.registry, row.username, row.project) == ("ghcr.io", "puller", None)


async def test_what_there_is_not_is_refused_by_its_kind(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    async with running_platform(tmp_path):
        with pytest.raises(RegistryNameError, match="is not the host name of a registry"):
            await log_in(data_dir, login("https://ghcr.io/team"), user=None, project=None)
        with pytest.raises(NotFoundError, match="No user"):
            await log_in(data_dir, login("ghcr.io"), user="nobody", project=None)
        with pytest.raises(NotFoundError, match="No project"):
            await log_in(data_dir, login("ghcr.io"), user=None, project="no-such-app")
        assert not await log_out(data_dir, "ghcr.io", user=None, project=None)


def test_the_command_line_takes_the_password_from_its_input_and_never_shows_it(
    tmp_path: Path,
) -> None:
    settings = {"CREATEOS_DATA_DIR": str(tmp_path)}
    words = ("platform", "registry")
    before = run(*words, "logout", "ghcr.io", **settings)  # no platform was ever started
    assert (before.returncode, before.stdout) == (1, "There are none.\n")
    added = run(*words, "login", "ghcr.io", "--username", "puller", stdin=PASSWORD, **settings)
    listed = run(*words, "list", **settings)
    removed = run(*words, "logout", "ghcr.io", **settings)
    again = run(*words, "logout", "ghcr.io", **settings)
    empty = run(*words, "login", "ghcr.io", "--username", "puller", stdin="", **settings)
    assert (added.returncode, removed.returncode, again.returncode) == (0, 0, 1)
    assert "pulled as puller" in added.stdout
    assert "ghcr.io" in listed.stdout
    assert PASSWORD not in added.stdout + added.stderr + listed.stdout
    assert empty.returncode == 1
    assert "no password was given" in empty.stderr
