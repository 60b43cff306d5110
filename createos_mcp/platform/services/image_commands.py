"""Commands of services that run from images: what starts one, and what is done with its data.

An image brings no scripts for this. Its data is a directory that is copied while the container is
paused: to what begins with the copy it looks like a machine that lost its power, which databases
recover from.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.platform.engines.docker_api import DockerApi
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.errors import (
    EngineAwayError,
    EngineRefusedError,
    ServiceFailedError,
)
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import LaunchSpec, Mount
from createos_mcp.platform.paths import RESTORED, DataDir
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.sandbox.relays import connect_socket
from createos_mcp.platform.services.image_kinds import ImageKind, kind_of
from createos_mcp.platform.services.kinds import ServiceKind
from createos_mcp.platform.services.service_commands import READY_TIMEOUT_S
from createos_mcp.platform.store.registry_credentials import RegistryCredentials
from createos_mcp.platform.store.services import Service, ServiceRows

_POLL_S = 0.1
_ANSWER_S = 0.3
"""How long a connection has to stay open: the socket takes one also where nothing is behind it."""

_ANYBODY = 0o777
"""An image chooses its user; nobody else gets into the directory that the data is in."""


class ImageCommands:
    """Runs them.

    Args:
        docker: The engine.
        images: What pulls images.
        rows: What is stored of services.
        credentials: What registries are asked with.
    """

    def __init__(
        self,
        *,
        docker: DockerApi,
        images: Images,
        rows: ServiceRows,
        credentials: RegistryCredentials,
        data_dir: DataDir,
    ) -> None:
        self._docker = docker
        self._images = images
        self._rows = rows
        self._credentials = credentials
        self._data_dir = data_dir
        self._acts: Mapping[str, Callable[..., Awaitable[None]]] = {
            "init": self._init,
            "ready": self._ready,
            "backup": self._back_up,
            "restore": self._restore,
            "revert": self._revert,
            "settle": self._settle,
            "prune": self._prune,
        }

    async def run(self, service: Service, verb: str, **variables: str) -> list[str]:
        """Do what a verb says; nothing where it has no meaning for an image.

        Raises:
            ServiceFailedError: It failed; the sentence says why.
        """
        act = self._acts.get(verb)
        try:
            if act is not None:
                await act(service, **{name.lower(): value for name, value in variables.items()})
        except (OSError, EngineAwayError, EngineRefusedError) as error:
            raise ServiceFailedError(service.name, verb, str(error)) from error
        return []

    def uid_of(self, _service: Service) -> int | None:
        """No user of its own: its image chooses."""
        return None

    def log_file(self, service_id: str) -> Path:
        """What a service printed."""
        return self._data_dir.app_log(service_id, service_id, 1)

    async def spec(
        self, service: Service, kind: ServiceKind, given: Mapping[str, str], *, memory_mb: int
    ) -> LaunchSpec:
        """What starts a service; its image is pulled once, and stays the same from then on.

        Raises:
            PlatformError: The image cannot be had.
        """
        if not isinstance(kind, ImageKind):
            raise TypeError("only an image is run in a container")
        image = await self._pin(service, kind)
        directory = self._data_dir.service(service.id)
        data = Mount(source=directory / "data", place=Path(kind.data), writable=True)
        return LaunchSpec(
            replica_id=new_id(),
            deployment_id=service.id,
            release=ImageRelease(image=image, exposed=(kind.port,), command=kind.command),
            run_envs={**given, **kind.given(service.secret)},
            port=kind.port,
            memory_mb=memory_mb,
            cpu_millicores=service.cpu_millicores,
            log_file=self.log_file(service.id),
            mounts=(data,) if kind.data else (),
            outlet=directory / "run" / kind.socket,
            is_service=True,
        )

    async def _pin(self, service: Service, kind: ImageKind) -> str:
        """The image by digest."""
        reference = ImageReference.parse(kind.image)
        login = await self._credentials.find(
            reference.registry, user_id=service.user_id, project_id=""
        )
        if service.package:
            await self._images.ensure(service.package, login)
            return service.package
        image = (await self._images.pull(kind.image, login, _unheard)).image
        await self._rows.set_package(service.id, image)
        return image

    async def _init(self, service: Service) -> None:
        directory = self._data_dir.service(service.id)
        # A restore that was interrupted has moved the data aside, and put nothing there yet.
        await self._revert_if_gone(directory)
        mark = directory / RESTORED
        if mark.exists() and not (directory / "data").exists():
            await self._put(directory / "backups" / mark.read_text(), directory)
        mark.unlink(missing_ok=True)
        for name, mode in (("run", 0o755), ("data", _ANYBODY), ("backups", 0o700)):
            place = directory / name
            if not place.exists():
                place.mkdir(mode=0o700)
                place.chmod(mode)

    async def _ready(self, service: Service) -> None:
        place = self._data_dir.service(service.id) / "run" / kind_of(service).socket
        try:
            with anyio.fail_after(READY_TIMEOUT_S):
                while not await to_thread.run_sync(_answers, place):  # noqa: ASYNC110 - it costs
                    await anyio.sleep(_POLL_S)
        except TimeoutError as error:
            raise ServiceFailedError(service.name, "ready", "it took too long") from error

    async def _back_up(self, service: Service, *, backup: str) -> None:
        directory = self._data_dir.service(service.id)
        draft, place = directory / "backups/.draft", directory / "backups" / backup
        await _remove(draft)
        async with self._paused(service):
            await _copy(directory / "data", draft)
        draft.rename(place)

    @asynccontextmanager
    async def _paused(self, service: Service) -> AsyncIterator[None]:
        written = (await self._rows.get(service.id)).instance or {}
        path = f"containers/{written.get('container_id')}"
        await self._docker.call("POST", f"{path}/pause")
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._docker.call("POST", f"{path}/unpause")

    async def _restore(self, service: Service, *, backup: str, **_: str) -> None:
        directory = self._data_dir.service(service.id)
        await _remove(directory / "former")
        await self._put(directory / "backups" / backup, directory)

    async def _put(self, backup: Path, directory: Path) -> None:
        """Copy a backup to where the data is, which is moved aside."""
        draft, data = directory / "draft", directory / "data"
        await _remove(draft)
        await _copy(backup, draft)
        if data.exists():
            data.rename(directory / "former")
        draft.rename(data)

    async def _revert_if_gone(self, directory: Path) -> None:
        former, data = directory / "former", directory / "data"
        if former.exists() and not data.exists():
            former.rename(data)

    async def _settle(self, service: Service, *, keep: str) -> None:
        directory = self._data_dir.service(service.id)
        former, broken = directory / "former", directory / "broken"
        if keep and former.exists():
            await _remove(broken)
            former.rename(broken)
        await _remove(former)

    async def _revert(self, service: Service) -> None:
        directory = self._data_dir.service(service.id)
        former = directory / "former"
        if former.exists():
            await _remove(directory / "data")
            former.rename(directory / "data")

    async def _prune(self, service: Service, *, backup: str) -> None:
        await _remove(self._data_dir.service(service.id) / "backups" / backup)


def _answers(place: Path) -> bool:
    """Whether something behind a socket takes a connection."""
    try:
        with connect_socket(str(place)) as connection:
            connection.settimeout(_ANSWER_S)
            return bool(connection.recv(1))
    except TimeoutError:
        return True
    except OSError:
        return False


async def _copy(source: Path, target: Path) -> None:
    """Copy a directory with its owners; links in it are copied as links.

    Raises:
        OSError: It cannot be copied whole.
    """
    done = await anyio.run_process(
        ["cp", "-a", "--", str(source), str(target)], check=False, stdin=None
    )
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip()[-300:])


async def _remove(directory: Path) -> None:
    await to_thread.run_sync(lambda: shutil.rmtree(directory, ignore_errors=True))


async def _unheard(_lines: object) -> None:
    """Nobody reads how far a pull is when it works."""
