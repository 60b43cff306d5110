"""Turns uploaded files into a release: copy, install, build, each step told as it happens."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import uv
from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.background import Background
from createos_mcp.platform.build.app_folders import find_app_folder
from createos_mcp.platform.build.build_variables import (
    CACHES,
    DEFAULTS,
    PASSED_ON,
    VENV,
    running_environ,
    system_trust,
)
from createos_mcp.platform.build.carryovers import (
    Carryover,
    Commands,
    build_script,
    install_script,
    keys_of,
    place_of,
)
from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.build.old_pins import UnbuiltPackages, find_older_python
from createos_mcp.platform.build.plans import Plan, names_pip, shell_words
from createos_mcp.platform.build.spares import Spare, Spares
from createos_mcp.platform.build.stages import BuildLog, Stage, Stages
from createos_mcp.platform.build.steps import Steps
from createos_mcp.platform.build.toolchains import Toolchain, Toolchains
from createos_mcp.platform.build.visible_parts import python_parts
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import BuildFailedError
from createos_mcp.platform.models import BuildJob
from createos_mcp.platform.release_records import Bind, Release
from createos_mcp.platform.sandbox import static_server
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.launches import TO_STARTER, Launch
from createos_mcp.platform.sandbox.sandbox import (
    BUILD_TMP,
    CACHE,
    Confinement,
    Sandbox,
    is_of_system,
)

MB = 2**20
BUILD_NICE = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Site:
    """One build under way."""

    job: BuildJob
    directory: str
    """The app's own folder, below the uploaded one."""
    place: Path
    """Where the build and the app see that folder."""
    toolchain: Toolchain
    environ: Mapping[str, str]
    keys: Mapping[Carryover, str]
    """Of what is taken over and kept."""
    cache: Path
    """Where the build sees the cache that it lies in."""
    log: BuildLog
    has_dependencies: bool = False
    """Whether they have been moved into the app already."""

    def place_of(self, kept: Carryover | None) -> Path | None:
        """Where something is kept, if it is."""
        key = self.keys.get(kept) if kept else None
        return place_of(kept, key, self.cache) if kept and key else None


class Builder:
    """Builds releases, several at a time.

    Args:
        environ: The platform's environment; builds see of it only what `PASSED_ON` names.
    """

    def __init__(
        self,
        *,
        config: PlatformConfig,
        environ: Mapping[str, str],
        sandbox: Sandbox,
        background: Background,
    ) -> None:
        self._config = config
        self._data_dir = config.data_dir
        self._sandbox = sandbox
        self._steps = Steps(config)
        self._spares = Spares(steps=self._steps, sandbox=sandbox, background=background)
        trusting = {**system_trust(), **environ}
        self._passed_on = {k: v for k, v in trusting.items() if PASSED_ON.fullmatch(k)}
        self._fetching = {**trusting, "UV_NO_PROGRESS": "1"}
        self._toolchains = Toolchains(directory=config.data_dir.toolchains, environ=self._fetching)

    @property
    def toolchains(self) -> Toolchains:
        """What builds, and others, fetch from package registries."""
        return self._toolchains

    def end_interrupted(self) -> None:
        """End what is left of steps that ran when the platform was killed."""
        self._steps.end_interrupted()

    def built_here(self, release: Mapping[str, Json]) -> bool:
        """Whether a release was built for the place at which apps see themselves now."""
        place = self._sandbox.place_of(Path(release["app"]))
        return Path(release["place"]) == place

    async def build(self, job: BuildJob, log: BuildLog) -> Release:
        """Build within the job's time limit.

        Raises:
            BuildFailedError: A step failed, the time is over, or the files say too little.
        """
        try:
            with anyio.fail_after(job.timeout_s):
                return await self._build(job, log)
        except TimeoutError as error:
            minutes = job.timeout_s / 60
            raise BuildFailedError(
                ReasonCode.BUILD_TIMED_OUT, f"The build did not finish within {minutes:g} minutes."
            ) from error
        except OSError as error:
            reason = f"The build cannot use its files: {error}"
            raise BuildFailedError(ReasonCode.FILES_UNUSABLE, reason) from error

    async def _build(self, job: BuildJob, log: BuildLog) -> Release:
        if shutil.disk_usage(self._data_dir.root).free < self._config.disk_floor_mb * MB:
            reason = f"Less than {self._config.disk_floor_mb} MB of disk are free on this machine."
            raise BuildFailedError(ReasonCode.FILES_UNUSABLE, reason)
        directory = await to_thread.run_sync(_copy, job)
        # Last read of the files by the platform: nothing of the tenant's has run by now.
        top = job.release_dir / "app"
        plan = await to_thread.run_sync(make_plan, top / directory, job.settings, top)
        reasons = [f"Building for {plan.runtime} because of {plan.reason}.", *plan.notes]
        if directory != "." and not job.settings.get("directoryPath"):
            reasons.insert(0, f"The app is in {directory}, as a file for another host says.")
        await log("prepare", reasons)
        unbuilt = UnbuiltPackages(log)
        site = await self._site(job, directory, plan, unbuilt.log)
        try:
            try:
                await self._run_steps(site, plan)
            except BuildFailedError as error:
                site = await self._with_older_python(site, plan, unbuilt.pins, error)
                await self._run_steps(site, plan)
        finally:
            await to_thread.run_sync(_remove_tree, job.release_dir / "tmp")
        if spare := _spare(plan, site.keys):
            self._spares.make(spare, job=job, cache=self._cache(job))
        return self._release(site, plan)

    async def _site(self, job: BuildJob, directory: str, plan: Plan, log: BuildLog) -> _Site:
        async def log_toolchain(lines: Sequence[str]) -> None:
            await log("toolchain", lines)

        toolchain = await self._toolchains.provide_one_of(
            (plan.runtime, *plan.stand_ins), log_toolchain
        )
        for tool in plan.tools:
            toolchain = toolchain.with_tool(await self._toolchains.provide(tool, log_toolchain))
        toolchain = toolchain.with_environ(plan.environ)
        place = self._sandbox.place_of(job.release_dir / "app") / directory
        await to_thread.run_sync(self._make_directories, job)
        variables = {name: job.settings.get(name) for name in ("buildVars", "buildFlags")}
        told = json.dumps(variables, sort_keys=True)
        keys = await to_thread.run_sync(
            keys_of,
            (plan.dependencies, plan.caches),
            job.source_dir / directory,
            (toolchain.name, str(place), str(plan.install), told),
        )
        spare, cache = _spare(plan, keys), self._cache(job)
        return _Site(
            job=job,
            directory=directory,
            place=place,
            toolchain=toolchain,
            environ=self._environ(job, directory, toolchain),
            keys=keys,
            cache=CACHE if self._sandbox.bwrap is not None else cache,
            log=log,
            has_dependencies=spare is not None
            and await self._spares.take(spare, job=job, cache=cache, folder=directory),
        )

    async def _with_older_python(
        self, site: _Site, plan: Plan, pins: Sequence[str], error: BuildFailedError
    ) -> _Site:
        """The build with a Python that packages were made for which this one cannot build.

        Raises:
            BuildFailedError: It failed for another reason, or there is none.
        """
        older = await find_older_python(pins, site.toolchain.name, plan.stand_ins, self._fetching)
        if older is None:
            raise error
        told = f"{', '.join(pins)} cannot be built for {site.toolchain.name}: trying {older}."
        await site.log("toolchain", [told])
        try:
            return await self._site(
                site.job, site.directory, replace(plan, runtime=older, stand_ins=()), site.log
            )
        except BuildFailedError:
            raise error from None

    async def _run_steps(self, site: _Site, plan: Plan) -> None:
        wanted = list(_stages(site, plan))
        if not wanted:
            return
        stages = Stages(wanted, site.log)
        limits = ResourceLimits(
            memory_mb=self._config.build_memory_mb,
            cpu_millicores=self._config.build_cpu_millicores,
            yields=True,
        )
        done = await self._steps.run(
            site.job.deployment_id,
            environ=site.environ,
            limits=limits,
            launch=lambda run_dir, group: self._launch(site, stages.script, run_dir, group),
            on_lines=stages.take,
        )
        if done.exit_code:
            exceeded = limits if done.was_out_of_memory else None
            raise _failure(stages.current, done.exit_code, exceeded)

    def _launch(
        self, site: _Site, script: str, run_dir: Path, group: ControlGroup | None
    ) -> Launch:
        sandbox, job = self._sandbox, site.job
        confinement = Confinement(
            app=job.release_dir / "app",
            directory=site.directory,
            toolchain=(*site.toolchain.visible, *self._certificates()),
            cache=self._cache(job),
            temporary=job.release_dir / "tmp",
            uid=job.uid,
        )
        launch = Launch(
            run_dir=run_dir,
            log=TO_STARTER,
            # A build needs a way out.
            network=sandbox.slirp is not None,
            forbidden=own_addresses(),
            permitted=self._config.permitted_addresses,
            groups=group.member_files if group else (),
            launcher_groups=group.launcher_files if group else (),
            memory_mb=None if group else self._config.build_memory_mb,
            with_parent=True,
            nice=BUILD_NICE,
        )
        return sandbox.launch(("/bin/sh", "-c", script), confinement, launch)

    def _certificates(self) -> Iterator[Bind]:
        """Files of a company's own authority, which package managers are told of."""
        for value in self._passed_on.values():
            if value.startswith("/") and Path(value).exists() and not is_of_system(Path(value)):
                yield Bind(path=Path(value))

    def _cache(self, job: BuildJob) -> Path:
        return self._data_dir.cache / job.project_id

    def _make_directories(self, job: BuildJob) -> None:
        """Make what a build writes to, owned by its project's user.

        Nothing below is touched: an earlier build may have put links there.
        """
        for directory in (self._cache(job), job.release_dir / "tmp"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if job.uid is not None:
                os.chown(directory, job.uid, job.uid, follow_symlinks=False)

    def _environ(self, job: BuildJob, directory: str, toolchain: Toolchain) -> dict[str, str]:
        top = self._sandbox.place_of(job.release_dir / "app")
        confined = self._sandbox.bwrap is not None
        cache = CACHE if confined else self._cache(job)
        temporary = str(BUILD_TMP if confined else job.release_dir / "tmp")
        return {
            **self._passed_on,
            **{name: str(cache / directory) for name, directory in CACHES.items()},
            **running_environ(top, directory, toolchain),
            "HOME": temporary,
            "TMPDIR": temporary,
            "npm_config_logs_dir": f"{temporary}/npm-logs",
            **DEFAULTS,
            **job.settings.get("buildVars", {}),
            **job.settings.get("buildFlags", {}),
        }

    def _release(self, site: _Site, plan: Plan) -> Release:
        command = shell_words(str(plan.run))
        visible = site.toolchain.visible
        if plan.run is None:
            spa = ["--spa"] if plan.single_page else []
            program = Path(static_server.__file__)
            python = Path(sys.executable).resolve()
            command = (str(python), "-IS", str(program), str(plan.output_dir), *spa)
            visible = (*visible, *python_parts(python), Bind(path=program))
        app = site.job.release_dir / "app"
        return Release(
            app=app,
            place=self._sandbox.place_of(app),
            directory=site.directory,
            command=command,
            environ=running_environ(self._sandbox.place_of(app), site.directory, site.toolchain),
            toolchain=tuple(visible),
            worker=plan.worker,
            before=shell_words(plan.release) if plan.release else (),
        )


def _spare(plan: Plan, keys: Mapping[Carryover, str]) -> Spare | None:
    kept = plan.dependencies
    return Spare(kept=kept, key=keys[kept]) if kept is not None and kept in keys else None


def _venv_command(python: Path | None, plan: Plan) -> str | None:
    """Gives a Python app an environment of its own, with pip where its commands name it."""
    if python is None:
        return None
    seed = ["--seed"] if names_pip(plan) else []
    return shlex.join(
        (uv.find_uv_bin(), "venv", "--quiet", "--clear", *seed, "--python", str(python), VENV)
    )


def _stages(site: _Site, plan: Plan) -> Iterator[Stage]:
    commands = Commands(
        prepare=_venv_command(site.toolchain.python, plan),
        install=plan.install,
        reinstall=plan.reinstall,
        retry=plan.retry,
        completion=plan.completion,
    )
    if commands.install or commands.prepare:
        script = install_script(
            commands,
            plan.dependencies,
            site.place_of(plan.dependencies),
            is_there=site.has_dependencies,
        )
        yield Stage(name="install", script=script, command=plan.install or str(commands.prepare))
    if plan.build:
        place = site.place_of(plan.caches)
        script = build_script(plan.build, plan.caches, place, plan.preparation)
        yield Stage(name="build", script=script, command=plan.build)
    if plan.run is None:
        # Looked for from inside, where no link leads out.
        folder = str(plan.output_dir)
        script = f"test -d {shlex.quote(folder)}"
        yield Stage(name="build", script=script, command=script, folder=folder)


def _failure(stage: Stage, exit_code: int, exceeded: ResourceLimits | None) -> BuildFailedError:
    if stage.folder:
        reason = f"The build left no folder {stage.folder!r} to serve."
        return BuildFailedError(ReasonCode.OUTPUT_MISSING, reason)
    begun = f"The {stage.name} command"
    reason = f"{begun} exited with {exit_code}: {stage.command}"
    if exceeded:
        memory = f"it used more than {exceeded.memory_mb} MB"
        reason = f"{begun} was killed: {memory}: {stage.command}"
    return BuildFailedError(ReasonCode.COMMAND_FAILED, reason)


def _remove_tree(directory: Path) -> None:
    """Remove what a tenant wrote; links in it are removed and not followed."""
    shutil.rmtree(directory, ignore_errors=True)


def _copy(job: BuildJob) -> str:
    """Copy the source into the release, owned by its project, and return the app's own folder."""
    _remove_tree(job.release_dir)
    app = job.release_dir / "app"
    shutil.copytree(job.source_dir, app, symlinks=True)
    if job.uid is not None:
        for directory, folders, files in os.walk(app):
            for name in (".", *folders, *files):
                os.chown(Path(directory, name), job.uid, job.uid, follow_symlinks=False)
    return find_app_folder(app, job.settings).relative_to(app.resolve()).as_posix()
