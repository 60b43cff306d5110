"""Commands of services: what starts one, and the scripts of its kind, each in the sandbox."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from createos_mcp.platform.engines.processes import Processes
from createos_mcp.platform.errors import ServiceFailedError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import LaunchSpec
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.release_records import Bind, Release
from createos_mcp.platform.sandbox.sandbox import Sandbox
from createos_mcp.platform.services.kinds import HANDOVER, KINDS, ProcessKind, ServiceKind
from createos_mcp.platform.store.services import Service

logger = logging.getLogger(__name__)

FIRST_SERVICE_UID = 2_079_048_192
"""Above those of projects, and below the end of what belongs to nobody."""

READY_TIMEOUT_S, SCRIPT_TIMEOUT_S = 120.0, 600.0
KEPT_LINES = 20

_ERROR = re.compile("error|fatal|panic", re.IGNORECASE)

FetchLibrary = Callable[[str], Awaitable[Path]]


class ServiceCommands:
    """Runs them.

    Args:
        engine: Runs processes.
        sandbox: Tells whether each service is a user of its own, and where it sees its directory.
        fetch: Gets a package of PyPI, and returns where it is.
    """

    def __init__(
        self, engine: Processes, sandbox: Sandbox, fetch: FetchLibrary, data_dir: DataDir
    ) -> None:
        self._engine = engine
        self._sandbox = sandbox
        self._fetch = fetch
        self._data_dir = data_dir

    async def run(self, service: Service, verb: str, **variables: str) -> list[str]:
        """Run what the kind does for a verb; the lines that it printed.

        Raises:
            ServiceFailedError: It failed or took too long; the sentence has its last line.
        """
        kind = KINDS[service.kind]
        given = {"ADMIN_PASSWORD": service.secret, **variables}
        spec = await self.spec(service, kind, given, memory_mb=kind.backup_memory_mb)
        spec = replace(spec, handover=None)
        lines: list[str] = []

        async def keep(more: Sequence[str]) -> None:
            lines.extend(more)
            del lines[:-KEPT_LINES]

        command = ("/bin/sh", "-c", kind.script(verb))
        try:
            with anyio.fail_after(READY_TIMEOUT_S if verb == "ready" else SCRIPT_TIMEOUT_S):
                done = await self._engine.run_once(spec, command, on_lines=keep)
        except TimeoutError as error:
            raise ServiceFailedError(service.name, verb, "it took too long") from error
        except OSError as error:
            raise ServiceFailedError(service.name, verb, str(error)) from error
        if done.exit_code:
            logger.warning("%s of %s failed: %s", verb, service.name, " | ".join(lines))
            errors = [line for line in lines if _ERROR.search(line)] or lines
            said = errors[0] if errors else f"it exited with {done.exit_code}"
            raise ServiceFailedError(service.name, verb, said)
        return lines

    def uid_of(self, service: Service) -> int | None:
        """The kernel's user of a service, where each has one."""
        return FIRST_SERVICE_UID + service.serial if self._sandbox.own_user else None

    async def spec(
        self, service: Service, kind: ServiceKind, given: Mapping[str, str], *, memory_mb: int
    ) -> LaunchSpec:
        """What starts a service of a kind; a script of it has another command.

        Raises:
            ServiceFailedError: The kind's package cannot be had.
        """
        if not isinstance(kind, ProcessKind):
            raise TypeError("an image is not run as a process")
        programs, seen = kind.on_host(), []
        if programs is None:
            library = await self._fetch(kind.package)
            programs, seen = library / kind.programs, [Bind(path=library)]
        directory = self._data_dir.service(service.id)
        takes = kind.takes_connections and self._sandbox.own_network
        release = Release(
            app=directory,
            place=self._sandbox.place_of(directory),
            directory=".",
            command=("/bin/sh", "-c", kind.script("run")),
            environ={"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"},
            toolchain=tuple(seen),
        )
        return LaunchSpec(
            replica_id=new_id(),
            deployment_id=service.id,
            release=release,
            run_envs={**given, "LISTEN_ADDRESS": "127.0.0.1" if takes else ""},
            port=kind.port,
            memory_mb=memory_mb,
            cpu_millicores=service.cpu_millicores,
            log_file=self.log_file(service.id),
            uid=self.uid_of(service),
            is_service=True,
            handover=directory / HANDOVER if takes else None,
        )

    def log_file(self, service_id: str) -> Path:
        """What a service printed."""
        return self._data_dir.app_log(service_id, service_id, 1)
