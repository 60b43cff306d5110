"""What every engine does for a replica, asked of each of them in the same words."""

import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.engines.containers import Containers
from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.engine import Engine
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.engines.instances import from_json, to_json
from createos_mcp.platform.engines.processes import Processes
from createos_mcp.platform.engines.swarm import Swarm
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import Instance, LaunchSpec
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.processes import pids_by_environ
from createos_mcp.platform.release_records import ImageRelease, Release
from createos_mcp.platform.run.project_users import FIRST_UID
from createos_mcp.platform.run.usage import UsageMeter
from createos_mcp.platform.sandbox.app_logs import last_lines
from createos_mcp.platform.sandbox.detection import detect_sandbox
from tests.eventually import eventually
from tests.platform.engines.daemons import BUSYBOX, DockerDaemon

pytestmark = [
    pytest.mark.engines,
    # A platform that starts anew in the same process has forgotten what it started before.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

IMAGE = "rules:1"
SERVE = 'exec busybox httpd -f -p "$PORT" -h "$PAGES"'
PORT = 8080
ALL = 100_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """An engine, and what it is given to run a line of the shell."""

    reopen: Callable[[], AbstractAsyncContextManager[Engine]]
    """The same engine as a platform has it that starts anew."""
    release: Release | ImageRelease
    pages: str
    log_dir: Path

    def spec(self, script: str, *, memory_mb: int = 64, cpu_millicores: int = 500) -> LaunchSpec:
        replica_id = new_id()
        return LaunchSpec(
            replica_id=replica_id,
            deployment_id=new_id(),
            release=self.release,
            run_envs={"SCRIPT": script, "PAGES": self.pages},
            port=PORT,
            log_file=self.log_dir / replica_id / "1.log",
            memory_mb=memory_mb,
            cpu_millicores=cpu_millicores,
            uid=FIRST_UID if os.geteuid() == 0 else None,
        )


@asynccontextmanager
async def processes_of(config: PlatformConfig) -> AsyncIterator[Engine]:
    sandbox = detect_sandbox(config.isolation, config.data_dir.sandbox)
    yield Processes(config=config, sandbox=sandbox)


@asynccontextmanager
async def containers_of(config: PlatformConfig, host: str) -> AsyncIterator[Engine]:
    async def find_no_login(*_: object) -> None:
        return None

    async with (
        DockerApi(host) as api,
        Containers(
            api=api,
            images=Images(api),
            find_login=find_no_login,
            platform_id="rules",
            data_dir=config.data_dir,
            forbidden=[],
            permitted=[],
        ) as engine,
    ):
        yield engine


@asynccontextmanager
async def swarm_of(config: PlatformConfig, host: str) -> AsyncIterator[Engine]:
    async def find_no_login(*_: object) -> None:
        return None

    async with (
        DockerApi(host) as api,
        Swarm(
            api=api,
            find_login=find_no_login,
            platform_id="rules",
            data_dir=config.data_dir,
            grace_s=10,
            forbidden=[],
            permitted=[],
        ) as engine,
    ):
        yield engine


@pytest.fixture(params=["processes", "containers", "swarm"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    config = PlatformConfig(data_dir=DataDir(tmp_path / "data"))
    config.data_dir.create()
    if request.param == "processes":
        app = tmp_path / "app"
        (app / "bin").mkdir(parents=True)
        (app / "pages").mkdir()
        (app / "pages/index.html").write_text("hello")
        shutil.copy(BUSYBOX, app / "bin/busybox")
        for path in (app, *app.rglob("*")):
            path.chmod(0o755)
        release: Release | ImageRelease = Release(
            app=app,
            place=Path("/app"),
            directory=".",
            command=("/app/bin/busybox", "sh", "-c", 'eval "$SCRIPT"'),
            environ={"PATH": "/app/bin"},
            toolchain=(),
        )
        return Place(
            reopen=lambda: processes_of(config),
            release=release,
            pages="/app/pages",
            log_dir=tmp_path / "logs",
        )
    open_engine = {"containers": containers_of, "swarm": swarm_of}[request.param]
    names = {"containers": "engine", "swarm": "swarm"}
    daemon: DockerDaemon = request.getfixturevalue(names[request.param])
    # A swarm asks a registry for every image; one that is far away would be waited for.
    image = f"{request.getfixturevalue('registry')}/{IMAGE}"
    daemon.publish(image, {"www/index.html": "hello"}, command='eval "$SCRIPT"')
    return Place(
        reopen=lambda: open_engine(config, daemon.host),
        release=ImageRelease(image=image, exposed=()),
        pages="/www",
        log_dir=tmp_path / "logs",
    )


async def ended(engine: Engine, instance: Instance) -> int:
    with anyio.fail_after(30):
        return await engine.wait(instance)


async def page_of(engine: Engine, instance: Instance) -> bytes:
    """What the app answers, past every published port."""
    line = await engine.open_socket(instance, socket.AF_INET)
    with line:
        line.settimeout(10)
        line.connect((instance.hosts[socket.AF_INET], PORT))
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said = b""
        while piece := line.recv(4096):
            said += piece
    return said


async def until_listening(engine: Engine, instance: Instance) -> None:
    await eventually(lambda: engine.ports(instance), lambda ports: PORT in ports)


async def test_a_replica_is_reached_in_its_own_network_and_told_its_port(place: Place) -> None:
    async with place.reopen() as engine:
        instance = await engine.begin(place.spec(SERVE))
        await until_listening(engine, instance)
        assert (await page_of(engine, instance)).endswith(b"hello")
        await engine.end(instance, grace_s=0)
        with pytest.raises(OSError):  # noqa: PT011 - each engine has a reason of its own
            await page_of(engine, instance)


async def test_it_is_found_again_by_what_was_written_down(place: Place) -> None:
    async with place.reopen() as engine:
        spec = place.spec(SERVE)
        instance = await engine.begin(spec)
        await until_listening(engine, instance)
        written = to_json(instance)
    async with place.reopen() as engine:
        found = await engine.adopt(from_json(written), spec.log_file)
        assert found is not None
        assert await engine.is_running(found)
        assert (await page_of(engine, found)).endswith(b"hello")
        await engine.end(found, grace_s=0)
        assert await engine.adopt(from_json(written), spec.log_file) is None


async def test_one_that_nobody_knows_is_ended_by_its_id_alone(place: Place) -> None:
    spec = place.spec("busybox sleep 1000 & busybox sleep 1000")
    async with place.reopen() as engine:
        await engine.begin(spec)
        assert pids_by_environ("REPLICA_ID").get(spec.replica_id)
    async with place.reopen() as engine:
        await engine.end_strays([spec.replica_id])
        await eventually(_gone(spec))


async def test_nothing_that_it_started_is_left_at_its_end(place: Place) -> None:
    spec = place.spec("(busybox setsid busybox sleep 1000 &) ; busybox sleep 1000")
    async with place.reopen() as engine:
        instance = await engine.begin(spec)
        await anyio.sleep(0.3)
        await engine.end(instance, grace_s=0)
        await eventually(_gone(spec))


def _gone(spec: LaunchSpec) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not pids_by_environ("REPLICA_ID").get(spec.replica_id)

    return look


ENDINGS: Mapping[str, tuple[str, int]] = {
    "by itself": ("exit 0", 0),
    "with a code": ("exit 7", 7),
    "by a signal": ("kill -9 $$", 128 + signal.SIGKILL),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_an_end_has_its_code_and_nothing_is_started_again(place: Place, how: str) -> None:
    script, code = ENDINGS[how]
    async with place.reopen() as engine:
        instance = await engine.begin(place.spec(f"echo began; busybox sleep 0.3; {script}"))
        assert await ended(engine, instance) == code
        await anyio.sleep(0.5)
        assert not await engine.is_running(instance)
        assert not engine.was_out_of_memory(instance)
        await engine.end(instance, grace_s=0)


async def test_too_much_memory_is_told_as_the_cause(place: Place) -> None:
    script = "busybox dd if=/dev/zero of=/dev/null bs=300M count=1; exit 1"
    async with place.reopen() as engine:
        instance = await engine.begin(place.spec(script, memory_mb=48))
        await ended(engine, instance)
        assert engine.was_out_of_memory(instance)
        await engine.end(instance, grace_s=0)


async def test_every_line_is_kept_once_and_in_order(place: Place) -> None:
    spec = place.spec("busybox seq 1 3000; echo last >&2; printf 'no end'")
    async with place.reopen() as engine:
        instance = await engine.begin(spec)
        await ended(engine, instance)
        await engine.last_words(instance)
        await engine.end(instance, grace_s=0)
    kept = last_lines(spec.log_file, 3600, ALL)
    assert [line for line in kept if line.isdecimal()] == [str(n) for n in range(1, 3001)]
    assert {"last", "no end"} <= {*kept}


async def test_it_is_asked_to_end_before_it_is_made_to(place: Place) -> None:
    spec = place.spec(
        'trap "echo bye; exit 5" TERM; echo ready; while :; do busybox sleep 0.1; done'
    )
    async with place.reopen() as engine:
        instance = await engine.begin(spec)
        await eventually(lambda: _lines(spec), lambda lines: "ready" in lines)
        await engine.end(instance, grace_s=10)
    assert last_lines(spec.log_file, 3600, ALL)[-1] == "bye"


async def _lines(spec: LaunchSpec) -> list[str]:
    return last_lines(spec.log_file, 3600, ALL) if spec.log_file.exists() else []


async def test_its_use_of_the_machine_is_read(place: Place) -> None:
    async with place.reopen() as engine:
        instance = await engine.begin(place.spec("while :; do :; done", cpu_millicores=300))
        await anyio.sleep(2)
        used = UsageMeter().read([instance])
        await engine.end(instance, grace_s=0)
    assert used is not None
    assert 50 < used.cpu_millicores < 600


async def test_a_command_runs_once_where_the_app_does(place: Place) -> None:
    lines: list[str] = []

    async def keep(more: Sequence[str]) -> None:
        lines.extend(more)

    async with place.reopen() as engine:
        done = await engine.run_once(
            place.spec("true"), ("busybox", "sh", "-c", "echo $PAGES; exit 4"), on_lines=keep
        )
    assert done.exit_code == 4
    assert place.pages in lines
