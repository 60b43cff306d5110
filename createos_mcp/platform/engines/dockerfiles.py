"""Dockerfiles: built by the engine into an image that only this platform's deployment has."""

import hashlib
import json
from collections.abc import (
    AsyncIterator,
    Mapping,
    Sequence,
    Set as AbstractSet,
)
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import anyio
from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.build.app_folders import find_app_folder
from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.build.plans import shell_words
from createos_mcp.platform.engines.base_references import bases_of, foreign_frontend
from createos_mcp.platform.engines.build_traces import BuildTrace
from createos_mcp.platform.engines.command_line_builds import CACHE_ARGUMENT, build_by_command
from createos_mcp.platform.engines.contexts import find_dockerfile, pack_context
from createos_mcp.platform.engines.docker_api import DockerApi, is_podman
from createos_mcp.platform.engines.engine_health import check_engine
from createos_mcp.platform.engines.image_plans import STATIC_SERVER, ImagePlan
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.engines.images import PLATFORM, Images, gives_no_access, registry_config
from createos_mcp.platform.engines.step_mounts import mounts_secrets, secret_ids, without_caches
from createos_mcp.platform.errors import (
    BuildFailedError,
    EngineAwayError,
    EngineRefusedError,
)
from createos_mcp.platform.models import BuildJob
from createos_mcp.platform.release_records import ImageRelease
from createos_mcp.platform.sandbox import static_server
from createos_mcp.platform.store.registry_credentials import RegistryLogin

_CHUNK_BYTES = 2**20
_MAX_DOCKERFILE_BYTES = 2**20
_GENERATED = ".createos.Dockerfile"

_TRACE = "moby.buildkit.trace"
_FRONTEND = "BUILDKIT_SYNTAX"
"""An argument that would have another program read the Dockerfile."""

_PRIVATE = (
    "If an image that it begins with is private, `createos-mcp platform registry login` gives "
    "credentials."
)
_NO_SECRETS = (
    "The Dockerfile mounts secrets, which takes BuildKit, and Podman has none: build it with "
    "Docker, or take the secret at run time from a variable."
)
_NO_CACHES = "Caches are not mounted: Podman would share them between all owners."


class BaseLogins(Protocol):
    """What the registries of a Dockerfile's base images are asked with."""

    async def find(self, reference: ImageReference, /) -> RegistryLogin | None:
        """None to ask as anybody."""

    async def are_others(self) -> bool:
        """Whether several owners share the engine."""


class Dockerfiles:
    """Builds apps by their own Dockerfiles.

    Args:
        api: The engine.
        images: Tells how what was built runs.
        platform_id: Marks what was built here, so that it can be collected.
    """

    def __init__(self, api: DockerApi, images: Images, platform_id: str) -> None:
        self._api = api
        self._images = images
        self._platform_id = platform_id

    async def check(self, wanted: str) -> None:
        """Return if an engine can build.

        Args:
            wanted: What apps run on.

        Raises:
            EngineMissingError: None answers.
        """
        await check_engine(self._api, wanted)

    async def build(self, job: BuildJob, logins: BaseLogins, on_lines: OnLines) -> ImageRelease:
        """Build an upload's Dockerfile; a caller that is cancelled ends the build.

        Args:
            job: The upload.
            logins: What the registries of base images are asked with.
            on_lines: Told what the build prints.

        Raises:
            BuildFailedError: A step failed, the time was over, or the engine does not answer.
        """
        directory = await to_thread.run_sync(find_app_folder, job.source_dir, job.settings)
        dockerfile = await to_thread.run_sync(find_dockerfile, directory)
        if dockerfile is None:
            reason = "The upload has no Dockerfile; set hasDockerfile to false or add one."
            raise BuildFailedError(ReasonCode.NO_APP_FOUND, reason)
        text = await to_thread.run_sync(_read_dockerfile, directory / dockerfile)
        added = {}
        uncached = without_caches(text)
        if uncached != text and await self._is_podman():
            text, added = uncached, {dockerfile: uncached.encode()}
            await on_lines([_NO_CACHES])
        context = await to_thread.run_sync(
            partial(pack_context, directory, dockerfile, added=added)
        )
        given = _Context(dockerfile, context, text)
        return await self._build_context(job, given, logins, on_lines)

    async def build_plan(
        self,
        job: BuildJob,
        base_images: Sequence[str],
        logins: BaseLogins,
        on_lines: OnLines,
    ) -> ImageRelease:
        """Build an upload that has no Dockerfile, as detection and its settings say.

        Args:
            job: The upload.
            base_images: What apps are built on, `node=node:{version}`, before the official images.
            logins: What the registries of base images are asked with.
            on_lines: Told what the build prints.

        Raises:
            BuildFailedError: As `build`, and where the files say too little.
        """
        directory = await to_thread.run_sync(find_app_folder, job.source_dir, job.settings)
        plan = await to_thread.run_sync(make_plan, directory, job.settings, job.source_dir)
        await on_lines([f"Building for {plan.runtime} because of {plan.reason}.", *plan.notes])
        image_plan = ImagePlan(
            plan=plan,
            directory=directory.relative_to(job.source_dir.resolve()).as_posix(),
            variables=sorted(_arguments(job)),
            base_images=base_images,
        )
        text = image_plan.dockerfile
        added = {
            _GENERATED: text.encode(),
            STATIC_SERVER: await to_thread.run_sync(Path(static_server.__file__).read_bytes),
        }
        context = await to_thread.run_sync(partial(pack_context, job.source_dir, None, added=added))
        generated = _Context(_GENERATED, context, text)
        built = await self._build_context(job, generated, logins, on_lines)
        before = shell_words(plan.release) if plan.release else ()
        return replace(built, worker=plan.worker, before=before)

    async def _build_context(
        self,
        job: BuildJob,
        context: "_Context",
        logins: BaseLogins,
        on_lines: OnLines,
    ) -> ImageRelease:
        problem: BuildFailedError | None = None
        try:
            with context.packed, anyio.fail_after(job.timeout_s):
                shared = await logins.are_others()
                if shared:
                    _check_frontend(context.text, _arguments(job))
                by_podman, secrets = await self._is_podman(), mounts_secrets(context.text)
                if by_podman and secrets:
                    raise BuildFailedError(ReasonCode.COMMAND_FAILED, _NO_SECRETS)
                has_session = not by_podman and (shared or secrets)
                used, problem = await self._pull_bases(
                    job, context, logins, on_lines, only_private=by_podman or has_session
                )
                own = _Ownership("" if by_podman else self._cache_of(job), shared, used)
                build = self._build_with_session if has_session else self._build
                return await self._images.describe(await build(job, context, own, on_lines))
        except TimeoutError as error:
            minutes = job.timeout_s / 60
            reason = f"The build did not finish within {minutes:g} minutes."
            raise BuildFailedError(ReasonCode.BUILD_TIMED_OUT, reason) from error
        except EngineAwayError as error:
            raise BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, str(error)) from error
        except EngineRefusedError as error:
            if problem is not None:
                raise problem from error
            hint = f". {_PRIVATE}" if gives_no_access(str(error)) else ""
            reason = f"The Dockerfile could not be built: {error}{hint}"
            raise BuildFailedError(ReasonCode.COMMAND_FAILED, reason) from error

    async def _build_with_session(
        self, job: BuildJob, context: "_Context", own: "_Ownership", on_lines: OnLines
    ) -> str:
        """Build where BuildKit has to ask back: for secrets, or with credentials of its caller."""
        given, ids = _arguments(job), secret_ids(context.text)
        return await build_by_command(
            self._api.host,
            context.dockerfile,
            context.packed,
            secrets={k: v for k, v in given.items() if k in ids},
            arguments={k: v for k, v in given.items() if k not in ids},
            label=f"{PLATFORM}={self._platform_id}",
            cache=own.cache,
            pull=own.pull,
            logins=own.logins,
            on_lines=on_lines,
        )

    async def _pull_bases(
        self,
        job: BuildJob,
        context: "_Context",
        logins: BaseLogins,
        on_lines: OnLines,
        *,
        only_private: bool,
    ) -> tuple[list[RegistryLogin], BuildFailedError | None]:
        """Pull what the build begins with; what fails counts if the build does.

        BuildKit without a session asks no registry for leave, not even as anybody:
        https://github.com/moby/buildkit/pull/6744.

        Args:
            job: The upload.
            context: Its Dockerfile.
            logins: What the registries are asked with.
            on_lines: Told what is pulled.
            only_private: Whether what anybody may have is pulled by the build itself.

        Returns:
            The credentials that were used, and the first thing that went wrong.
        """
        used: list[RegistryLogin] = []
        problem = None
        for base in await to_thread.run_sync(bases_of, context.text, _arguments(job)):
            login = await logins.find(base)
            if login is not None:
                used.append(login)
            elif only_private or await self._images.is_here(base.text):
                continue
            try:
                await self._images.pull_base(base, login, on_lines)
            except BuildFailedError as error:
                problem = problem or error
        return used, problem

    def _cache_of(self, job: BuildJob) -> str:
        """A name that no other owner can know, since nobody is shown what it is made of."""
        known = f"{self._platform_id} {job.owner_id}"
        return f"createos-{hashlib.sha256(known.encode()).hexdigest()[:24]}"

    async def _is_podman(self) -> bool:
        try:
            told = await self._api.version()
        except EngineAwayError as error:
            raise BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, str(error)) from error
        return is_podman(told)

    async def collect(self, kept: AbstractSet[str]) -> None:
        """Remove what was built here and no release needs; images of others are not asked about."""
        label = f"{PLATFORM}={self._platform_id}"
        try:
            rows = await self._api.call("GET", "images/json", filters={"label": [label]})
        except (EngineAwayError, EngineRefusedError):
            return
        for row in rows:
            if kept.isdisjoint({row["Id"], *(row.get("RepoDigests") or ())}):
                # One that a container still uses is refused, and collected another time.
                with suppress(EngineAwayError, EngineRefusedError):
                    await self._api.call("DELETE", f"images/{row['Id']}")

    async def _build(
        self, job: BuildJob, context: "_Context", own: "_Ownership", on_lines: OnLines
    ) -> str:
        trace, image = BuildTrace(), ""
        told = self._api.stream(
            "POST",
            "build",
            data=_chunks(context.packed),
            headers={"Content-Type": "application/x-tar", **own.headers},
            version="2",
            dockerfile=context.dockerfile,
            rm="1",
            forcerm="1",
            labels=json.dumps({PLATFORM: self._platform_id}),
            buildargs=json.dumps({**_arguments(job), **own.arguments}),
            **own.query,
        )
        async for row in told:
            if "error" in row:
                raise EngineRefusedError(500, str(row["error"]))
            if row.get("id") == _TRACE:
                lines = [line for line in trace.lines(row["aux"]) if line.strip()]
                if lines:
                    await on_lines(lines)
            elif row.get("stream", "").strip():
                # What builds without BuildKit, as Podman, says in plain lines.
                await on_lines(row["stream"].splitlines())
            elif isinstance(row.get("aux"), dict):
                image = str(row["aux"].get("ID", image))
        if not image:
            raise EngineRefusedError(500, "the engine named no image")
        return image


@dataclass(frozen=True, slots=True)
class _Context:
    """What is sent to be built."""

    dockerfile: str
    packed: IO[bytes]
    text: str
    """Of the Dockerfile."""


@dataclass(frozen=True, slots=True)
class _Ownership:
    """What sets an owner's build apart."""

    cache: str
    """The name of what is kept of it; empty where the engine knows none."""
    pull: bool
    """Whether every image is asked of its registry, though it be here."""
    logins: Sequence[RegistryLogin]

    @property
    def headers(self) -> Mapping[str, str]:
        """With credentials that Podman reads, and BuildKit does not."""
        return {"X-Registry-Config": registry_config(self.logins)} if self.logins else {}

    @property
    def arguments(self) -> Mapping[str, str]:
        """Besides those of the build itself."""
        return {CACHE_ARGUMENT: self.cache} if self.cache else {}

    @property
    def query(self) -> Mapping[str, str]:
        """Parameters of the call."""
        hosts = {"extrahosts": f"{self.cache}:127.0.0.1"} if self.cache else {}
        return {**hosts, "pull": "1"} if self.pull else hosts


def _check_frontend(text: str, arguments: Mapping[str, str]) -> None:
    """Return unless another program than BuildKit's own reads the Dockerfile.

    Raises:
        BuildFailedError: It could ask the engine for whatever is on it.
    """
    frontend = arguments.get(_FRONTEND) or foreign_frontend(text)
    if frontend is not None:
        raise BuildFailedError(
            ReasonCode.COMMAND_FAILED,
            f"The Dockerfile is to be read by {frontend}. Several users share this engine, where "
            "only docker/dockerfile reads one: remove the line with `syntax`, or the variable "
            f"{_FRONTEND}.",
        )


def _arguments(job: BuildJob) -> Mapping[str, str]:
    """What a build is given as variables."""
    return {**job.settings.get("buildVars", {}), **job.settings.get("buildFlags", {})}


def _read_dockerfile(file: Path) -> str:
    """The whole of it.

    Raises:
        BuildFailedError: It is larger than any that a person wrote.
    """
    if file.stat().st_size > _MAX_DOCKERFILE_BYTES:
        reason = f"{file.name} is larger than {_MAX_DOCKERFILE_BYTES // 2**10} KB; shorten it."
        raise BuildFailedError(ReasonCode.COMMAND_FAILED, reason)
    return file.read_bytes().decode(errors="replace")


async def _chunks(content: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await to_thread.run_sync(content.read, _CHUNK_BYTES):
        yield chunk
