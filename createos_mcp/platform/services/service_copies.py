"""Copies of services for previews: a branch tries its changes on data of its own."""

import re
import subprocess
from pathlib import Path

from anyio import to_thread

from createos_mcp.platform.errors import PlatformError, ServiceFailedError
from createos_mcp.platform.models import Environment
from createos_mcp.platform.paths import RESTORED, DataDir, tree_bytes
from createos_mcp.platform.services.backups import FOR_PREVIEW, Backups
from createos_mcp.platform.services.bindings import Bindings
from createos_mcp.platform.services.service_host import ServiceHost
from createos_mcp.platform.store.services import MAX_SERVICES, Binding, Service, ServiceRows

MOST_MB = 1024
"""What is copied while somebody waits for a push."""

MB = 2**20
_MAX_NAME = 32


class ServiceCopies:
    """Makes the copies; upkeep removes those whose preview is gone."""

    def __init__(
        self,
        *,
        rows: ServiceRows,
        host: ServiceHost,
        backups: Backups,
        bindings: Bindings,
        data_dir: DataDir,
    ) -> None:
        self._rows = rows
        self._host = host
        self._backups = backups
        self._bindings = bindings
        self._data_dir = data_dir

    async def make(self, source: Environment, preview: Environment) -> list[str]:
        """Bind a preview to a copy of all that another environment is bound to; what to say."""
        said = []
        for binding in await self._rows.bindings_of(source.id):
            service = await self._rows.get(binding.service_id)
            try:
                copy = await self._copy(service, binding, preview)
                said.append(f"{binding.variable} leads to {copy.name}, a copy of {service.name}")
            except PlatformError as error:
                said.append(f"{binding.variable} is not there: {error}")
        return said

    async def _copy(self, service: Service, binding: Binding, preview: Environment) -> Service:
        """A copy that runs and is bound.

        Raises:
            PlatformError: It is too large, or one too many, or does not start; nothing is left.
        """
        data = self._data_dir.service(service.id) / "data"
        size_mb = await to_thread.run_sync(tree_bytes, data) / MB
        if size_mb > MOST_MB:
            raise ServiceFailedError(
                service.name, "copy", f"{size_mb:.0f} MB are more than the {MOST_MB} MB of a copy"
            )
        backup = await self._backups.make(service, FOR_PREVIEW)
        copy = await self._rows.add(
            user_id=service.user_id,
            name=_name(service.name, preview.unique_name),
            kind=service.kind,
            version=service.version,
            memory_mb=service.memory_mb,
            cpu_millicores=service.cpu_millicores,
            size_mb=service.size_mb,
            # Its data knows this password alone.
            secret=service.secret,
            limit=MAX_SERVICES,
            image=service.image,
            package=service.package,
            preview_of=preview.id,
        )
        try:
            source = self._data_dir.service(service.id) / "backups" / backup.id
            await to_thread.run_sync(self._seed, copy, source)
            await self._host.ensure_running(copy.id)
            await self._bindings.bind(copy, preview.id, binding.variable)
        except (PlatformError, OSError):
            await self._host.remove(copy)
            raise
        return copy

    def _seed(self, copy: Service, backup: Path) -> None:
        """Give a new service a backup to begin with.

        Raises:
            OSError: It cannot be copied whole.
        """
        directory = self._data_dir.service(copy.id)
        (directory / "backups").mkdir(mode=0o700, parents=True)
        directory.chmod(0o755)
        command = ["cp", "-a", "--", str(backup), str(directory / "backups")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr.strip()[-300:])
        (directory / RESTORED).write_text(backup.name)
        uid = self._host.uid_of(copy)
        if uid is not None:
            # Links are changed themselves, and none is followed: `-R` without `-H` or `-L`.
            owner = ["chown", "-hR", f"{uid}:{uid}", "--", str(directory)]
            subprocess.run(owner, capture_output=True, check=True)


def _name(service: str, preview: str) -> str:
    """`shop-db-login-3f2a`: what it is a copy of, and for which branch."""
    end = re.sub("^preview-", "", preview)[-_MAX_NAME // 2 :].strip("-")
    return f"{service[: _MAX_NAME - len(end) - 1].strip('-')}-{end}"
