"""Image scans: an image as a file, looked at where nothing of it runs."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.contract.terminal_lines import last_state
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.registry_logins import RegistryLogins
from createos_mcp.platform.deploy.scan_runs import ScanRuns, ScanTool
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.errors import ImageNotScannedError, PlatformError
from createos_mcp.platform.models import Deployment
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.scans.findings import FAILED, SKIPPED, CheckOutcome
from createos_mcp.platform.scans.image_checks import (
    ARCHIVE,
    NAME,
    PROGRAM,
    REMEDY,
    UPDATE,
    WORDS,
    database_variables,
    read_grype,
)

TIMEOUT_S = 300
_UPDATE_TIMEOUT = timedelta(minutes=4)
_MB = 2**20


class ImageScans:
    """Looks at the images of deployments.

    Args:
        environ: The platform's; the scanner fetches its database with it.
    """

    def __init__(
        self,
        *,
        images: Images,
        logins: RegistryLogins,
        runs: ScanRuns,
        config: PlatformConfig,
        environ: Mapping[str, str],
    ) -> None:
        self._images = images
        self._logins = logins
        self._runs = runs
        self._config = config
        self._environ = environ
        self._database = config.data_dir.image_advisories

    async def look(self, deployment: Deployment, image: str) -> CheckOutcome:
        """What is known of the packages in an image."""
        found = shutil.which(PROGRAM, path=self._environ.get("PATH"))
        if found is None:
            return CheckOutcome(name=NAME, tool=PROGRAM, status=SKIPPED, reason=REMEDY)
        program = Path(found).resolve()

        async def save(place: Path) -> int:
            await self._save(deployment, image, place / ARCHIVE)
            return 1

        try:
            await self._update(program)
            return await self._runs.run(
                NAME,
                ScanTool.of_machine(
                    program,
                    WORDS,
                    parts=[Bind(path=self._database)],
                    variables=database_variables(str(self._database), updates=False),
                ),
                deployment,
                prepare=save,
                read=read_grype,
                timeout_s=TIMEOUT_S,
            )
        except (PlatformError, OSError) as error:
            return CheckOutcome(name=NAME, tool=PROGRAM, status=FAILED, reason=str(error))

    async def _update(self, program: Path) -> None:
        """Have a database; an older one will do where no newer one can be had."""
        self._database.mkdir(mode=0o755, parents=True, exist_ok=True)
        there = any(self._database.iterdir())
        variables = database_variables(str(self._database), updates=True)
        said = f"it took longer than {_UPDATE_TIMEOUT.total_seconds():g} s"
        with anyio.move_on_after(_UPDATE_TIMEOUT.total_seconds()):
            done = await anyio.run_process(
                (str(program), *UPDATE),
                env={**self._environ, **variables},
                check=False,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
            if not done.returncode:
                await to_thread.run_sync(_let_read, self._database)
                return
            lines = map(last_state, done.stdout.decode(errors="replace").split("\n"))
            printed = [line.strip() for line in lines if line.strip()]
            said = printed[-1] if printed else f"it exited with {done.returncode}"
        if not there:
            raise ImageNotScannedError(
                f"{PROGRAM} could not fetch its database ({said}); retry the scan"
            )

    async def _save(self, deployment: Deployment, image: str, archive: Path) -> None:
        reference = ImageReference.parse(image)
        await self._images.ensure(image, await self._logins.find(deployment.id, reference))
        needed_mb = await self._images.size(image) // _MB
        free_mb = shutil.disk_usage(archive.parent).free // _MB
        # Once as a file, and once more unpacked by the scanner.
        if free_mb - 2 * needed_mb < self._config.disk_floor_mb:
            raise ImageNotScannedError(
                f"the image has {needed_mb} MB, and a look at it takes twice as much of the "
                f"{free_mb} MB that are free"
            )
        await self._images.save(image, archive)
        archive.chmod(0o644)


def _let_read(directory: Path) -> None:
    """Let a scanner read it that is another user."""
    for place, _, files in os.walk(directory):
        Path(place).chmod(0o755)
        for name in files:
            Path(place, name).chmod(0o644)
