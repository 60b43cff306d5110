"""Apps that are built by their own Dockerfile, on a real engine."""

from pathlib import Path

import pytest
from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.engines.step_mounts import mounts_secrets, secret_ids, without_caches
from tests.eventually import eventually
from tests.platform.engines.daemons import SERVE, DockerDaemon
from tests.platform.engines.token_registries import token_registry
from tests.platform.platforms import Api, another_user, read_page, running_platform

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def base(engine: DockerDaemon, registry: str) -> str:
    """An image that Dockerfiles begin with."""
    reference = f"{registry}/base:1"
    engine.publish(reference, {})
    return reference


def dockerfile(base: str, *lines: str) -> str:
    return "\n".join((f"FROM {base}", *lines, f"CMD {SERVE}", "EXPOSE 8080", ""))


async def test_a_dockerfile_is_built_and_run(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": dockerfile(
            base, "ARG WHO", "COPY . /www", "RUN echo hello $WHO > /www/index.html; ls /www"
        ),
        ".dockerignore": "secret.env\n",
        "secret.env": "TOKEN=x",
        "page.html": "a page",
    }
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployment = await api.deploy(files, buildVars={"WHO": "world"})
        log = await api.build_log(deployment)
        assert deployment["status"] == "deployed", log
        production = await api.environment(deployment["projectId"])
        address = production["extra"]["endpoint"]
        assert await read_page(address) == "hello world\n"
        assert await read_page(f"{address}/page.html") == "a page"
        assert "404" in await read_page(f"{address}/secret.env")
    assert "RUN echo hello" in log
    assert "page.html" in log
    assert deployment["artifactImage"].startswith("sha256:")


async def test_files_are_read_by_the_user_that_a_dockerfile_chooses(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": dockerfile(base, "COPY www /www", "USER 1000:1000"),
        "www/index.html": "a page",
    }
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployment = await api.deploy(files)
        address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
        assert await read_page(address) == "a page"


async def test_caches_and_steps_are_kept_for_one_owner_alone(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    look = (
        "RUN --mount=type=cache,id=ours,target=/c mkdir -p /c; ls /c > /www/seen; echo x > /c/$NAME"
    )
    step = "RUN date +%s%N > /www/index.html"
    async with running_platform(tmp_path, docker_host=engine.host) as api:

        async def build(api: Api, name: str) -> tuple[str, str]:
            files = {"Dockerfile": dockerfile(base, step, f"ARG NAME={name}", look)}
            deployment = await api.deploy(files, name)
            address = (await api.environment(deployment["projectId"]))["extra"]["endpoint"]
            return await read_page(address), await read_page(f"{address}/seen")

        first, second = await build(api, "first"), await build(api, "second")
        async with another_user(api) as alice:
            hers = await build(alice, "third")
    assert first[0] == second[0]  # the step was not done again
    assert (hers[0] == first[0]) is engine.is_podman  # which has no secrets in its steps
    assert hers[1] == ""
    assert second[1] == ("" if engine.is_podman else "first\n")


async def test_a_base_of_a_public_hub_is_pulled(
    engine: DockerDaemon, base: str, registry: str, tmp_path: Path
) -> None:
    with token_registry(registry) as hub:
        public = base.replace(registry, hub)
        files = {"Dockerfile": dockerfile(public, "RUN echo built > /www/index.html")}
        async with running_platform(tmp_path, docker_host=engine.host) as api:
            deployment = await api.deploy(files)
            assert deployment["status"] == "deployed", await api.build_log(deployment)
            engine.docker("rmi", "--force", public)
            async with another_user(api) as alice:
                hers = await alice.deploy(files, "her-app")
                assert hers["status"] == "deployed", await alice.build_log(hers)


async def test_a_dockerfile_decides_unless_the_settings_say_how_to_build(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": dockerfile(base, "RUN echo by docker > /www/index.html"),
        "index.html": "by files",
    }
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        by_docker = await api.deploy(files)
        by_files = await api.deploy(files, name="by-files", hasDockerfile=False)
        pages = [
            await read_page((await api.environment(one["projectId"]))["extra"]["endpoint"])
            for one in (by_docker, by_files)
        ]
    assert pages == ["by docker\n", "by files"]


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("RUN --mount=type=secret,id=NPM_TOKEN npm ci", {"NPM_TOKEN"}),
        ("RUN --mount=id=A,type=secret --mount=type=secret,id=B,target=/b true", {"A", "B"}),
        ("RUN \\\n  --mount=type=secret,id=C true", {"C"}),
        ("RUN --mount=type=cache,id=D true", set()),
    ],
)
def test_the_secrets_of_a_dockerfile_are_known_by_their_ids(line: str, ids: set[str]) -> None:
    assert secret_ids(f"FROM scratch\n{line}\n") == ids
    assert mounts_secrets(f"FROM scratch\n{line}\n") == bool(ids)


async def test_a_secret_is_mounted_and_is_nowhere_in_the_image(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": dockerfile(
            base,
            "RUN --mount=type=secret,id=TOKEN grep -c more /run/secrets/TOKEN > /www/index.html",
        )
    }
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        hostile = {"LD_PRELOAD": "/of/a/user.so", "DOCKER_CONTEXT": "another"}
        deployment = await api.deploy(files, buildVars={"TOKEN": "s3cr3t-and-more", **hostile})
        log = await api.build_log(deployment)
        if engine.is_podman:
            assert "mounts secrets, which takes BuildKit" in deployment["reason"]
            return
        assert deployment["status"] == "deployed", log
        production = await api.environment(deployment["projectId"])
        assert await read_page(production["extra"]["endpoint"]) == "1\n"
        image = deployment["artifactImage"]
        history = engine.docker("history", "--no-trunc", image) + engine.docker("inspect", image)
        failing = {"Dockerfile": f"{files['Dockerfile']}RUN --mount=type=secret,id=NONE exit 3\n"}
        failed = await api.deploy(failing, "failing-app", hasDockerfile=True)
    assert "s3cr3t" not in history + log
    assert "ld.so" not in log  # what a user chose is no variable of the platform's own processes
    assert "exit code: 3" in failed["reason"]


async def test_a_dockerfile_that_is_too_large_is_refused(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {"Dockerfile": "#\n" * 2**20 + dockerfile(base)}
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        failed = await api.deploy(files, hasDockerfile=True)
    assert "Dockerfile is larger than 1024 KB; shorten it." in failed["reason"]


async def test_a_step_that_fails_is_told_with_its_output(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {"Dockerfile": dockerfile(base, "RUN echo before the end; exit 3")}
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        failed = await api.deploy(files, hasDockerfile=True)
        log = await api.build_log(failed)
    assert (failed["status"], failed["reasonCode"]) == ("build_error", ReasonCode.COMMAND_FAILED)
    assert ("exit status 3" if engine.is_podman else "exit code: 3") in failed["reason"]
    assert "before the end" in log


async def test_a_build_that_is_cancelled_or_takes_too_long_leaves_nothing(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    files = {"Dockerfile": dockerfile(base, "RUN echo began; sleep 98765")}

    async with running_platform(tmp_path, docker_host=engine.host, build_timeout_s=4) as api:
        project_id = await api.create_project(hasDockerfile=True)
        deployment_id = await api.upload(project_id, files)
        path = f"/v1/projects/{project_id}/deployments/{deployment_id}"
        await eventually(lambda: api.get(f"{path}/build-logs"), lambda rows: "began" in str(rows))
        assert (await api.request("POST", f"{path}/cancel"))[0] == 200
        await eventually(sleepers, lambda left: not left)
        slow = await api.wait(project_id, await api.upload(project_id, files))
        await eventually(sleepers, lambda left: not left)
    assert slow["reasonCode"] == ReasonCode.BUILD_TIMED_OUT


async def test_what_was_built_is_removed_when_no_release_needs_it(
    engine: DockerDaemon, base: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path, docker_host=engine.host) as api:
        deployment = await api.deploy({"Dockerfile": dockerfile(base, "RUN echo 1 > /www/a")})
        image = deployment["artifactImage"]
        assert image in engine.docker("images", "--no-trunc", "--quiet", "--all")
        path = f"/v1/projects/{deployment['projectId']}"
        await api.client.delete(path)
        await api.until_gone(path)
    async with running_platform(tmp_path, docker_host=engine.host):
        await eventually(
            lambda: to_thread.run_sync(engine.docker, "images", "--no-trunc", "--quiet", "--all"),
            lambda left: image not in left,
        )
    assert base.partition(":")[0] in engine.docker("images")


async def test_without_an_engine_a_dockerfile_says_what_to_install(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        failed = await api.deploy({"Dockerfile": "FROM scratch\n"}, hasDockerfile=True)
    assert failed["reasonCode"] == ReasonCode.NEEDS_DOCKER
    assert "Install Docker" in failed["reason"]
    assert "set hasDockerfile to false" in failed["reason"]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


async def sleepers() -> list[str]:
    """Processes that sleep as long as the build's."""
    found = Path("/proc").glob("[0-9]*/cmdline")
    return [file.parent.name for file in found if b"98765" in _read(file)]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("RUN --mount=type=cache,target=/c npm ci", "RUN npm ci"),
        ("RUN --mount=target=/c,type=cache \\\n  npm ci", "RUN \\\n  npm ci"),
        (
            "RUN --mount=type=cache,target=/c --mount=type=bind,target=/b npm ci",
            "RUN --mount=type=bind,target=/b npm ci",
        ),
    ],
)
def test_caches_are_taken_out_of_a_step(step: str, expected: str) -> None:
    assert without_caches(step) == expected
