"""Releases on disk: built when they are needed, collected when they are not."""

import shutil
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.contract.platform_settings import SWARM
from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.build.app_folders import find_app_folder
from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.builder import Builder
from createos_mcp.platform.build.frameworks import DOCKERFILE
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.deploy.commits import Commits
from createos_mcp.platform.deploy.registry_logins import DeploymentLogins, RegistryLogins
from createos_mcp.platform.engines.contexts import find_dockerfile
from createos_mcp.platform.engines.dockerfiles import Dockerfiles
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import Images
from createos_mcp.platform.errors import (
    BuildFailedError,
    EngineAwayError,
    EngineMissingError,
    EngineRefusedError,
)
from createos_mcp.platform.models import GIT_SOURCE, IMAGE_SOURCE, BuildJob, Deployment
from createos_mcp.platform.paths import tree_bytes
from createos_mcp.platform.release_records import ImageRelease, release_to_json
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.run.supervisor import build_log
from createos_mcp.platform.sandbox.app_logs import remove_old
from createos_mcp.platform.store.store import Store

COLLECT_EVERY_S = 600.0

_SAYING_HOW = ("runtime", "framework", "installCommand", "buildCommand", "runCommand", "buildDir")
"""Settings that say how an app is built, so that its Dockerfile does not."""

NO_REGISTRY = (
    "What is built here has to be pushed for the machines of the swarm: set "
    "CREATEOS_PLATFORM_REGISTRY to a registry that all of them reach"
)
REBUILT = "The release was removed to save space; rebuilding it from the same files."


class Releases:
    """Builds deployments, so many at a time, and removes what nobody needs.

    Args:
        config: Says how many builds may run at once, and how many releases are kept.
    """

    def __init__(
        self,
        *,
        store: Store,
        builder: Builder,
        images: Images,
        dockerfiles: Dockerfiles,
        logins: RegistryLogins,
        commits: Commits,
        users: ProjectUsers,
        config: PlatformConfig,
    ) -> None:
        self._store = store
        self._images = images
        self._dockerfiles = dockerfiles
        self._logins = logins
        self._commits = commits
        self._builder = builder
        self._users = users
        self._config = config
        self._collecting = anyio.Lock()
        self._slots = anyio.CapacityLimiter(config.builds_at_once)

    @property
    def slots(self) -> anyio.CapacityLimiter:
        """Held by each build while it runs."""
        return self._slots

    async def build(self, deployment: Deployment) -> None:
        """Build a deployment's files into its release. The caller holds a slot.

        Raises:
            BuildFailedError: The sentence is the deployment's reason.
        """
        if deployment.source == IMAGE_SOURCE:
            pulled = await self._images.pull(
                deployment.settings["image"],
                await self._logins.find(
                    deployment.id, ImageReference.parse(deployment.settings["image"])
                ),
                lambda lines: self._store.deployments.append_build_log(
                    deployment.id, "pull", lines
                ),
                is_shared=await self._logins.are_others(),
            )
            own = replace(pulled, worker=bool(deployment.settings.get("worker")))
            await self._store.deployments.set_release(deployment.id, release_to_json(own))
            return
        if deployment.source == GIT_SOURCE:
            await self._commits.write_out(deployment)
        if await self._is_dockerfile(deployment):
            built = await self._dockerfiles.build(
                await self._job(deployment),
                DeploymentLogins(self._logins, deployment.id),
                self._build_lines(deployment),
            )
            own = replace(built, worker=bool(deployment.settings.get("worker")))
            await self._set_image(deployment, own)
            return
        job = await self._job(deployment)
        if self._config.engine == SWARM:
            await self._set_image(deployment, await self._build_for_swarm(deployment, job))
            return
        release = await self._builder.build(job, build_log(self._store, deployment.id))
        await self._store.deployments.set_release(deployment.id, release_to_json(release))

    async def _build_for_swarm(self, deployment: Deployment, job: BuildJob) -> ImageRelease:
        """Build files that have no Dockerfile into an image.

        Raises:
            BuildFailedError: A step failed, or there is no swarm to run it on.
        """
        try:
            await self._dockerfiles.check(SWARM)
        except EngineMissingError as error:
            raise BuildFailedError(ReasonCode.NEEDS_DOCKER, str(error)) from error
        return await self._dockerfiles.build_plan(
            job,
            self._config.base_images,
            DeploymentLogins(self._logins, deployment.id),
            self._build_lines(deployment),
        )

    def _build_lines(self, deployment: Deployment) -> OnLines:
        return partial(self._store.deployments.append_build_log, deployment.id, "build")

    async def _set_image(self, deployment: Deployment, built: ImageRelease) -> None:
        """Keep an image that was built here as the release; machines of a swarm pull it.

        Raises:
            BuildFailedError: It cannot be put where they find it.
        """
        if self._config.engine == SWARM:
            if not self._config.registry:
                raise BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, NO_REGISTRY)
            name = f"{self._config.registry}/{deployment.project_id}:{deployment.id}"
            reference = ImageReference.parse(name)
            login = await self._logins.find(deployment.id, reference)
            built = await self._images.push(built, reference, login, self._build_lines(deployment))
        await self._store.deployments.set_release(deployment.id, release_to_json(built))

    async def _is_dockerfile(self, deployment: Deployment) -> bool:
        """Whether a Dockerfile decides: one that is asked for, or there, where an engine builds it.

        Raises:
            BuildFailedError: It is asked for, and there is no engine.
        """
        settings = deployment.settings
        is_asked_for = settings.get("hasDockerfile") or settings.get("runtime") == DOCKERFILE
        if not is_asked_for:
            said = {name for name in _SAYING_HOW if settings.get(name)}
            if said or settings.get("hasDockerfile") is False:
                return False
            source = self._config.data_dir.source(deployment.id)
            folder = await to_thread.run_sync(find_app_folder, source, settings)
            if find_dockerfile(folder) is None:
                return False
        try:
            await self._dockerfiles.check(self._config.engine)
        except EngineMissingError as error:
            if not is_asked_for:
                return False
            reason = f"{error} Or set hasDockerfile to false and a runtime such as node:20."
            raise BuildFailedError(ReasonCode.NEEDS_DOCKER, reason) from error
        return True

    async def _job(self, deployment: Deployment) -> BuildJob:
        project = await self._store.projects.by_id(deployment.project_id)
        return BuildJob(
            deployment_id=deployment.id,
            project_id=deployment.project_id,
            owner_id=project.user_id if project is not None else "",
            source_dir=self._config.data_dir.source(deployment.id),
            release_dir=self._config.data_dir.release(deployment.id),
            settings=deployment.settings,
            uid=await self._users.uid_of(deployment.project_id),
            timeout_s=self._config.build_timeout_s,
        )

    async def ensure(self, deployment: Deployment) -> None:
        """Build a release again that was collected.

        Raises:
            BuildFailedError: It cannot be built any more.
        """
        async with self._collecting:
            is_there = self._config.data_dir.release(deployment.id).is_dir()
            if "image" in (deployment.release or {}) and await self._has_image(deployment):
                return
            if is_there and deployment.release and self._builder.built_here(deployment.release):
                return
        await self._store.deployments.append_build_log(deployment.id, "prepare", [REBUILT])
        async with self._slots:
            await self.build(deployment)

    async def _has_image(self, deployment: Deployment) -> bool:
        """Whether its image is here or can be pulled again; one that was built cannot."""
        image = str((deployment.release or {})["image"])
        if self._config.engine == SWARM and "@" not in image:
            return False  # built before there were other machines, which cannot pull it
        try:
            registry = self._config.registry
            is_pushed = bool(registry) and image.startswith(f"{registry}/")
            is_elsewhere = is_pushed or deployment.source == IMAGE_SOURCE
            return is_elsewhere or await self._images.is_here(image)
        except (EngineAwayError, EngineRefusedError):
            return True

    async def keep_collecting(self) -> None:
        """Collect now and then, for as long as the platform lives."""
        while True:
            await self.collect()
            await anyio.sleep(COLLECT_EVERY_S)

    async def collect(self) -> None:
        """Remove releases that nothing runs on, logs past their time, and an overgrown cache."""
        async with self._collecting:
            present = [*self._config.data_dir.releases.glob("*")]
            kept = await self._store.deployments.releases_in_use(self._config.releases_kept)
            for release in present:
                if release.name not in kept:
                    await to_thread.run_sync(partial(shutil.rmtree, release, ignore_errors=True))
            await self._dockerfiles.collect(await self._images_of(kept))
        await self._clear_cache()
        known = await self._store.deployments.all_ids()
        await to_thread.run_sync(
            remove_old, self._config.data_dir.logs, self._config.logs_kept_days, known
        )

    async def _images_of(self, deployment_ids: Collection[str]) -> set[str]:
        found = [await self._store.deployments.get(one) for one in deployment_ids]
        return {str((one.release or {}).get("image")) for one in found if one is not None}

    async def _clear_cache(self) -> None:
        """Remove projects' caches, the longest unused first, until all of them fit."""
        if self._slots.borrowed_tokens:
            return
        cache, limit_mb = self._config.data_dir.cache, self._config.cache_limit_mb
        await to_thread.run_sync(_shrink, cache, limit_mb * 2**20)


def _shrink(cache: Path, limit_bytes: int) -> None:
    sizes = {directory: tree_bytes(directory) for directory in cache.glob("*")}
    for directory in sorted(sizes, key=lambda d: d.lstat().st_mtime):
        if sum(sizes.values()) <= limit_bytes:
            return
        shutil.rmtree(directory, ignore_errors=True)
        del sizes[directory]
