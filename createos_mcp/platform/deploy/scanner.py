"""The scanner: every check over the files of a deployment, and what became of each."""

import logging
import os
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import httpx2
from anyio import to_thread

from createos_mcp.platform.background import Background
from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.image_scans import ImageScans
from createos_mcp.platform.deploy.scan_runs import ScanRuns, ScanTool
from createos_mcp.platform.errors import BuildFailedError, NotFoundError, WrongStateError
from createos_mcp.platform.models import IMAGE_SOURCE, Deployment
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.scans.advisories import (
    NAME as DEPENDENCIES,
    TOOL as OSV,
    check_dependencies,
)
from createos_mcp.platform.scans.documents import pack_documents
from createos_mcp.platform.scans.findings import (
    FAILED,
    RAN,
    SKIPPED,
    CheckOutcome,
    make_report,
)
from createos_mcp.platform.scans.lock_files import read_lock_files
from createos_mcp.platform.scans.source_checks import SOURCE_CHECKS, SourceCheck
from createos_mcp.platform.states import ScanStatus
from createos_mcp.platform.store.scans import Scan
from createos_mcp.platform.store.store import Store

logger = logging.getLogger(__name__)

TIME_LIMIT = timedelta(minutes=10)
CHECK_TIMEOUT_S = 180


class Scanner:
    """Scans deployments one after the other, in the background."""

    def __init__(
        self,
        *,
        store: Store,
        runs: ScanRuns,
        images: ImageScans,
        config: PlatformConfig,
        toolchains: Toolchains,
        client: httpx2.AsyncClient,
        background: Background,
    ) -> None:
        self._store = store
        self._config = config
        self._toolchains = toolchains
        self._client = client
        self._background = background
        self._runs = runs
        self._images = images
        self._slot = anyio.Lock()

    async def recover(self) -> None:
        """Go on with the scans that the last run of the platform did not end."""
        for scan in await self._store.scans.unfinished():
            self._background.start(self._scan, scan)

    async def begin(self, deployment: Deployment, *, only_after: ScanStatus | None = None) -> None:
        """Begin a scan; it goes on when this returns.

        Raises:
            InvalidRequestError: One is under way, or the last one is not in that state.
        """
        scan = await self._store.scans.begin(
            deployment.id, within=TIME_LIMIT, only_after=only_after
        )
        self._background.start(self._scan, scan)

    async def after_deployment(self, deployment_id: str) -> None:
        """Begin the scan of a deployment that is live now, where its project wants one."""
        deployment = await self._store.deployments.get(deployment_id)
        if deployment is None:
            return
        project = await self._store.projects.by_id(deployment.project_id)
        if project is None or not project.enabled_security_scan:
            return
        if await self._store.scans.get(deployment_id) is None:
            await self.begin(deployment)

    async def documents(self, deployment_id: str) -> bytes:
        """The documents of a scan that has succeeded, as a zip.

        Raises:
            WrongStateError: It has not.
        """
        scan = await self._store.scans.get(deployment_id)
        if scan is None or scan.report is None:
            raise WrongStateError("There is no report of a scan that succeeded.")
        source = self._config.data_dir.source(deployment_id)
        locked = await to_thread.run_sync(read_lock_files, source) if source.is_dir() else None
        packages = locked.packages if locked else ()
        return await to_thread.run_sync(pack_documents, scan.report, packages)

    async def _scan(self, scan: Scan) -> None:
        async with self._slot:
            await self._store.scans.set(scan.deployment_id, ScanStatus.IN_PROGRESS)
            try:
                with anyio.fail_after(TIME_LIMIT.total_seconds()):
                    outcomes = await self._look(scan.deployment_id)
            except Exception as error:
                logger.exception("the scan of %s failed", scan.deployment_id)
                reason = f"The scan did not end: {type(error).__name__}."
                await self._store.scans.set(
                    scan.deployment_id, ScanStatus.FAILED, failed_reason=reason
                )
                return
        await self._keep(scan.deployment_id, outcomes)

    async def _keep(self, deployment_id: str, outcomes: Sequence[CheckOutcome]) -> None:
        """A scan in which a check failed, or none has looked, is not a good one."""
        report = make_report(outcomes)
        failed = [one for one in outcomes if one.status == FAILED]
        looked = [one for one in outcomes if one.status == RAN]
        reason = None
        if failed:
            reason = "; ".join(f"{one.name}: {one.reason}" for one in failed)
        elif not looked:
            reason = "No check could look: " + "; ".join(
                f"{one.name}: {one.reason}" for one in outcomes
            )
        status = ScanStatus.SUCCESS if reason is None else ScanStatus.FAILED
        await self._store.scans.set(deployment_id, status, report=report, failed_reason=reason)

    async def _look(self, deployment_id: str) -> list[CheckOutcome]:
        deployment = await self._store.deployments.get(deployment_id)
        if deployment is None:
            raise NotFoundError("deployment", deployment_id)
        image = (deployment.release or {}).get("image")
        outcomes = await self._look_at_source(deployment)
        if image:
            outcomes.append(await self._images.look(deployment, image))
        return outcomes

    async def _look_at_source(self, deployment: Deployment) -> list[CheckOutcome]:
        source = self._config.data_dir.source(deployment.id)
        if deployment.source == IMAGE_SOURCE or not source.is_dir():
            reason = "an image has no source here"
            missing = [(DEPENDENCIES, OSV)]
            missing += [(check.name, check.tool) for check in SOURCE_CHECKS if not check.adds]
            return [
                CheckOutcome(name=name, tool=tool, status=SKIPPED, reason=reason)
                for name, tool in missing
            ]
        locked = await to_thread.run_sync(read_lock_files, source)
        outcomes = [await check_dependencies(self._client, self._config.osv_url, locked)]
        suffixes = await to_thread.run_sync(_suffixes, source)
        for check in SOURCE_CHECKS:
            outcome = await self._check(check, suffixes, deployment)
            outcomes += [outcome] if outcome is not None else []
        return outcomes

    async def _check(
        self, check: SourceCheck, suffixes: frozenset[str], deployment: Deployment
    ) -> CheckOutcome | None:
        """What became of a check; None for one that adds to others and is not installed."""
        read = suffixes & check.suffixes
        if check.suffixes and not read:
            reason = "no file is in a language that this check reads"
            return CheckOutcome(name=check.name, tool=check.tool, status=SKIPPED, reason=reason)
        program = shutil.which(check.program) if check.program else None
        if check.program and program is None:
            if check.adds:
                return None
            files = ", ".join(sorted(read))
            reason = f"nothing here reads the code of {files}; {check.remedy}"
            return CheckOutcome(name=check.name, tool=check.tool, status=SKIPPED, reason=reason)
        try:
            tool = await self._tool(check, program)
        except BuildFailedError as error:
            reason = f"{error} The scan is repeated with RetriggerSecurityScan."
            return CheckOutcome(name=check.name, tool=check.tool, status=FAILED, reason=reason)
        source = self._config.data_dir.source(deployment.id)
        return await self._runs.run(
            check.name,
            tool,
            deployment,
            prepare=lambda place: to_thread.run_sync(_copy, source, place),
            read=check.read,
            timeout_s=CHECK_TIMEOUT_S,
        )

    async def _tool(self, check: SourceCheck, program: str | None) -> ScanTool:
        own = tuple(Bind(path=path) for path in check.needs)
        if program is not None:
            return ScanTool.of_machine(Path(program).resolve(), check.words, parts=own)
        library = await self._toolchains.library(check.package, _unheard)
        return ScanTool.of_python(check.tool, library, check.words, parts=own)


_PACKAGES = frozenset({"node_modules", ".venv", "vendor", ".git"})


async def _unheard(_: Sequence[str]) -> None:
    return


def _suffixes(source: Path) -> frozenset[str]:
    """The kinds of files that there are, other than those of packages."""
    found: set[str] = set()
    for _, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name not in _PACKAGES]
        found.update(Path(name).suffix.lower() for name in names)
    return frozenset(found)


def _copy(source: Path, place: Path) -> int:
    """Copy the files for a check, without links, and count them."""
    files = 0
    for directory, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not Path(directory, name).is_symlink()]
        target = place / Path(directory).relative_to(source)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                shutil.copyfile(path, target / name)
                files += 1
    for directory, folders, names in os.walk(place):
        for name in (*folders, *names):
            copied = Path(directory, name)
            copied.chmod(0o755 if copied.is_dir() else 0o644)
    return files
