"""Turns uploaded files into a release: copy, install, build, each step told as it happens."""

import re
import shlex
import shutil
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import anyio
import uv
from anyio import to_thread

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.sandbox import static_server
from createos_mcp.platform.build.detection import Plan, make_plan
from createos_mcp.platform.errors import BuildFailedError
from createos_mcp.platform.build.frameworks import DOCKERFILE, FRAMEWORKS
from createos_mcp.platform.models import BuildJob, Release
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.processes import kill_trees, pids_by_environ
from createos_mcp.platform.sandbox.sandbox import SYSTEM, Confinement, Sandbox
from createos_mcp.platform.build.build_command import run_command
from createos_mcp.platform.build.toolchains import Toolchain, Toolchains

BuildLog: TypeAlias = Callable[[str, Sequence[str]], Awaitable[None]]

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
VENV = ".venv"

PASSED_ON = re.compile(
    r"(https?|no|all)_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|requests_ca_bundle|pip_cert"
    r"|curl_ca_bundle|pip_(extra_)?index_url|uv_((default|extra)_)?index(_url)?|uv_system_certs"
    r"|npm_config_(registry|cafile)|goproxy|gosumdb|lang",
    re.IGNORECASE,
)
"""Variables by which package managers reach their registries; a build gets no others."""

BUILD_ID = "BUILD_ID"
"""Variable by which a build's processes are found, wherever they went."""

CACHES: Mapping[str, str] = {
    "npm_config_cache": "npm",
    "UV_CACHE_DIR": "uv",
    "PIP_CACHE_DIR": "pip",
    "GOMODCACHE": "go/mod",
    "GOCACHE": "go/build",
    "CARGO_HOME": "cargo",
    "BUN_INSTALL_CACHE_DIR": "bun",
}
"""Where package managers keep what they have fetched, below the cache directory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Site:
    """One build under way."""

    job: BuildJob
    root: Path
    toolchain: Toolchain
    environ: Mapping[str, str]
    log: BuildLog


class Builder:
    """Builds releases, several at a time.

    Args:
        environ: The platform's environment; builds see of it only what `PASSED_ON` names.
    """

    def __init__(self, *, data_dir: DataDir, environ: Mapping[str, str], sandbox: Sandbox) -> None:
        self._data_dir = data_dir
        self._sandbox = sandbox
        trusting = {**_system_trust(), **environ}
        self._passed_on = {k: v for k, v in trusting.items() if PASSED_ON.fullmatch(k)}
        self._toolchains = Toolchains(
            directory=data_dir.toolchains, environ={**trusting, "UV_NO_PROGRESS": "1"}
        )

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

    async def kill_orphans(self) -> None:
        """End the processes of builds that an earlier run of the platform began."""
        found = await to_thread.run_sync(pids_by_environ, BUILD_ID)
        ours = [pids for name, pids in found.items() if self._data_dir.source(name).is_dir()]
        await to_thread.run_sync(kill_trees, [*chain.from_iterable(ours)])

    async def _build(self, job: BuildJob, log: BuildLog) -> Release:
        if job.settings.get("hasDockerfile") or job.settings.get("runtime") == DOCKERFILE:
            raise BuildFailedError(
                ReasonCode.NEEDS_DOCKER,
                "hasDockerfile or the runtime dockerfile is set, and the local platform builds "
                "without Docker for now: "
                "set hasDockerfile to false and a runtime such as node:20.",
            )
        root = await to_thread.run_sync(_copy, job)
        plan = make_plan(root, job.settings)
        await log("prepare", [f"Building for {plan.runtime} because of {plan.reason}."])

        async def log_toolchain(lines: Sequence[str]) -> None:
            await log("toolchain", lines)

        toolchain = await self._toolchains.provide(plan.runtime, log_toolchain)
        environ = await to_thread.run_sync(self._environ, job, root, toolchain)
        site = _Site(job=job, root=root, toolchain=toolchain, environ=environ, log=log)
        if toolchain.python is not None:
            await self._make_venv(site, plan)
        for stage, command in (("install", plan.install), ("build", plan.build)):
            if command:
                await log(stage, [f"$ {command}"])
                await self._run(site, stage, ("/bin/sh", "-c", command))
        return self._release(site, plan)

    async def _make_venv(self, site: _Site, plan: Plan) -> None:
        """Give a Python app an environment of its own, with pip where its commands name it."""
        commands = f"{plan.install} {plan.build}"
        seed = ["--seed"] if re.search(r"\bpip3?\b", commands.replace("uv pip", "")) else []
        python = str(site.toolchain.python)
        command = (uv.find_uv_bin(), "venv", "--quiet", *seed, "--python", python, VENV)
        await self._run(site, "install", command)

    async def _run(self, site: _Site, stage: str, command: Sequence[str]) -> None:
        cache = self._data_dir.cache
        confinement = Confinement(
            workdir=site.root,
            writable=(site.job.release_dir, cache),
            readable=self._readable(site.toolchain),
            dies_with_parent=True,
        )
        confined = self._sandbox.confine(command, confinement)
        try:
            exit_code = await run_command(
                confined,
                cwd=site.root,
                environ=site.environ,
                on_lines=lambda lines: site.log(stage, lines),
            )
        finally:
            _end_processes_of(site.job.deployment_id)
        if exit_code:
            shown = command[-1] if command[0] == "/bin/sh" else shlex.join(command)
            reason = f"The {stage} command exited with {exit_code}: {shown}"
            raise BuildFailedError(ReasonCode.COMMAND_FAILED, reason)

    def _readable(self, toolchain: Toolchain) -> tuple[Path, ...]:
        certificates = (Path(v) for v in self._passed_on.values() if v.startswith("/"))
        outside = (c for c in certificates if c.exists() and not _is_of_system(c))
        return (*toolchain.readable, *outside)

    def _environ(self, job: BuildJob, root: Path, toolchain: Toolchain) -> dict[str, str]:
        caches = {name: self._data_dir.cache / place for name, place in CACHES.items()}
        for directory in caches.values():
            directory.mkdir(parents=True, exist_ok=True)
        temporary = job.release_dir / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            **self._passed_on,
            **{name: str(directory) for name, directory in caches.items()},
            **_running_environ(root, toolchain),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "CI": "1",
            "UV_LINK_MODE": "copy",
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_UPDATE_NOTIFIER": "1",
            **job.settings.get("buildVars", {}),
            **job.settings.get("buildFlags", {}),
            BUILD_ID: job.deployment_id,
        }

    def _release(self, site: _Site, plan: Plan) -> Release:
        shutil.rmtree(site.job.release_dir / "tmp", ignore_errors=True)
        run = f"exec {plan.run}" if _is_simple(plan.run) else str(plan.run)
        command: tuple[str, ...] = ("/bin/sh", "-c", run)
        readable = site.toolchain.readable
        if plan.run is None:
            pages = site.root / str(plan.output_dir)
            if not pages.is_dir() or not pages.resolve().is_relative_to(site.root.resolve()):
                reason = f"The build left no folder {plan.output_dir!r} to serve."
                raise BuildFailedError(ReasonCode.OUTPUT_MISSING, reason)
            program = Path(static_server.__file__)
            framework = FRAMEWORKS.get(site.job.settings.get("framework") or "")
            spa = ["--spa"] if framework and framework.single_page else []
            python = str(Path(sys.executable).resolve())
            command = (python, "-IS", str(program), str(pages), *spa)
            readable = (*readable, Path(sys.base_prefix), program)
        return Release(
            root=site.root,
            command=command,
            environ=_running_environ(site.root, site.toolchain),
            readable=readable,
        )


def _end_processes_of(deployment_id: str) -> None:
    """End what a build started and left behind, in whatever session it is."""
    kill_trees(pids_by_environ(BUILD_ID).get(deployment_id, ()))


def _system_trust() -> dict[str, str]:
    """Let uv and npm trust whom the system trusts, as pip does: a company's own authority, too."""
    bundle = ssl.get_default_verify_paths().cafile
    return {"UV_SYSTEM_CERTS": "1", "NODE_EXTRA_CA_CERTS": bundle} if bundle else {}


def _is_of_system(path: Path) -> bool:
    return any(path.is_relative_to(directory) for directory in SYSTEM)


def _copy(job: BuildJob) -> Path:
    """Copy the source into the release, and return the app's own folder in it."""
    shutil.rmtree(job.release_dir, ignore_errors=True)
    app = job.release_dir / "app"
    shutil.copytree(job.source_dir, app)
    root = Path(app, job.settings.get("directoryPath", ".").strip("/")).resolve()
    if not root.is_relative_to(app.resolve()) or not root.is_dir():
        given = job.settings.get("directoryPath")
        reason = f"directoryPath: the upload has no folder {given!r}."
        raise BuildFailedError(ReasonCode.FOLDER_MISSING, reason)
    return root


def _running_environ(root: Path, toolchain: Toolchain) -> dict[str, str]:
    own = [root / VENV / "bin"] if toolchain.python is not None else []
    tools = [Path(uv.find_uv_bin()).parent] if toolchain.python is not None else []
    local = [root / "node_modules" / ".bin"]
    path = [*own, *toolchain.path, *local, *SYSTEM_PATH, *tools]
    environ = {"PATH": ":".join(map(str, path)), **(toolchain.environ or {})}
    if toolchain.python is not None:
        environ |= {"VIRTUAL_ENV": str(root / VENV), "PYTHONUNBUFFERED": "1"}
    return environ


def _is_simple(command: str | None) -> bool:
    """Whether a command is one program, so that the shell can make way for it."""
    return command is not None and not re.search(r"[;&|<>()`\n]|^\s*\w+=", command)
