"""Scan runs: one scanner at a time in the sandbox, and what it reports of the files it is given."""

import os
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.platform.build.steps import Steps
from createos_mcp.platform.build.visible_parts import program_parts, python_parts
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.models import Deployment
from createos_mcp.platform.release_records import Bind
from createos_mcp.platform.run.project_users import ProjectUsers
from createos_mcp.platform.sandbox.cgroups import ControlGroup, ResourceLimits
from createos_mcp.platform.sandbox.launches import TO_STARTER, Launch
from createos_mcp.platform.sandbox.sandbox import BUILD_TMP, Confinement, Sandbox
from createos_mcp.platform.scans.findings import FAILED, RAN, CheckOutcome, Finding

MAX_REPORT_BYTES = 64 * 2**20
"""Of what a scanner writes: some kB for each finding."""

_MEMORY_MB, _CPU_MILLICORES = 1024, 1000
_NICE = 10
_SHOWN = 500
"""Characters of what a scanner says when it fails."""

_LIMITS = ResourceLimits(memory_mb=_MEMORY_MB, cpu_millicores=_CPU_MILLICORES, yields=True)
_REPORT = "report"
_TO_REPORT = 'report=$1; shift; exec "$@" >"$report"'
_PYTHON = Path(sys.executable).resolve()
_PYTHON_PARTS = python_parts(_PYTHON)

Prepare = Callable[[Path], Awaitable[int]]
"""Fills a directory with what is looked at, and counts it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanTool:
    """What is started for a check."""

    name: str
    """`bandit`."""
    command: tuple[str, ...]
    parts: tuple[Bind, ...]
    """What it sees of the machine."""
    library: Path | None = None
    """Of Python, where it is one of PyPI's."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_machine(
        cls,
        program: Path,
        words: Sequence[str],
        *,
        parts: Sequence[Bind] = (),
        variables: Mapping[str, str] | None = None,
    ) -> "ScanTool":
        """A program that the machine has, without links."""
        return cls(
            name=program.name,
            command=(str(program), *words),
            parts=(*program_parts(program), *parts),
            variables=variables or {},
        )

    @classmethod
    def of_python(
        cls, name: str, library: Path, words: Sequence[str], *, parts: Sequence[Bind] = ()
    ) -> "ScanTool":
        """A package of PyPI."""
        return cls(
            name=name,
            command=(str(_PYTHON), "-B", *words),
            parts=(*_PYTHON_PARTS, Bind(path=library), *parts),
            library=library,
        )

    def environ(self, home: str) -> dict[str, str]:
        """Its variables."""
        first = (self.library / "bin", _PYTHON.parent) if self.library else ()
        own = {"PYTHONPATH": str(self.library)} if self.library else {}
        return {
            "PATH": ":".join(map(str, (*first, Path(self.command[0]).parent, "/usr/bin", "/bin"))),
            "PYTHONIOENCODING": "utf-8",
            "HOME": home,
            "TMPDIR": home,
            "LANG": "C.UTF-8",
            **own,
            **self.variables,
        }


class ScanRuns:
    """Runs scanners: without a way out, as the user of the project, within limits."""

    def __init__(self, *, users: ProjectUsers, config: PlatformConfig, sandbox: Sandbox) -> None:
        self._users = users
        self._data_dir = config.data_dir
        self._sandbox = sandbox
        self._steps = Steps(config)

    async def run(
        self,
        name: str,
        tool: ScanTool,
        deployment: Deployment,
        *,
        prepare: Prepare,
        read: Callable[[str], Sequence[Finding]],
        timeout_s: float,
    ) -> CheckOutcome:
        """What a check has found; failed where it could not look or say it.

        Args:
            name: Of the check.
            tool: What is started.
            deployment: What is looked at.
            prepare: Puts that into a directory.
            read: Takes findings from what the tool prints.
            timeout_s: How long it may take.
        """
        work = self._data_dir.run(f"scan-{deployment.id}")
        outcome = partial(CheckOutcome, name=name, tool=tool.name)
        try:
            uid = await self._users.uid_of(deployment.project_id)
            try:
                await to_thread.run_sync(_make, work, uid)
                looked_at = await prepare(work / "app")
            except OSError as error:
                reason = f"its files cannot be made ready: {error}"
                return outcome(status=FAILED, reason=reason)
            with anyio.fail_after(timeout_s):
                exit_code, said = await self._start(f"scan-{name}-{deployment.id}", tool, work, uid)
            report = await to_thread.run_sync(_read_report, work / "tmp" / _REPORT)
            if exit_code:
                printed = [*report.splitlines()[-1:], *said]
                reason = printed[-1] if printed else f"it exited with {exit_code}"
                return outcome(status=FAILED, reason=reason[:_SHOWN])
            return outcome(status=RAN, looked_at=looked_at, findings=read(report))
        except TimeoutError:
            return outcome(status=FAILED, reason=f"it took longer than {timeout_s:g} s")
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"its output cannot be used ({type(error).__name__}: {error})"
            return outcome(status=FAILED, reason=reason)
        finally:
            await to_thread.run_sync(lambda: shutil.rmtree(work, ignore_errors=True))

    async def _start(
        self, name: str, tool: ScanTool, work: Path, uid: int | None
    ) -> tuple[int, Sequence[str]]:
        """The exit code, and the last line that is not in the report."""
        said: list[str] = []

        async def keep_last(lines: Sequence[str]) -> None:
            said[:] = [*said, *filter(str.strip, lines)][-1:]

        home = str(BUILD_TMP if self._sandbox.bwrap is not None else work / "tmp")
        command = ("/bin/sh", "-c", _TO_REPORT, "sh", f"{home}/{_REPORT}", *tool.command)
        confinement = Confinement(
            app=work / "app", temporary=work / "tmp", toolchain=tool.parts, uid=uid
        )
        done = await self._steps.run(
            name,
            environ=tool.environ(home),
            limits=_LIMITS,
            launch=lambda run_dir, group: self._launch(command, confinement, run_dir, group),
            on_lines=keep_last,
        )
        return done.exit_code, said

    def _launch(
        self,
        command: Sequence[str],
        confinement: Confinement,
        run_dir: Path,
        group: ControlGroup | None,
    ) -> Launch:
        launch = Launch(
            run_dir=run_dir,
            log=TO_STARTER,
            network=True,
            forbidden=["0.0.0.0/0"],
            groups=group.member_files if group else (),
            launcher_groups=group.launcher_files if group else (),
            memory_mb=None if group else _MEMORY_MB,
            with_parent=True,
            nice=_NICE,
        )
        return self._sandbox.launch(command, confinement, launch)


def _make(work: Path, uid: int | None) -> None:
    """An empty place to look at, and one that the scanner may write to."""
    shutil.rmtree(work, ignore_errors=True)
    for name in ("app", "tmp"):
        (work / name).mkdir(parents=True)
        (work / name).chmod(0o755)
    if uid is not None:
        os.chown(work / "tmp", uid, uid)


def _read_report(file: Path) -> str:
    """What the scanner has written, which nobody else trusts.

    Raises:
        ValueError: It is no file, or longer than a report may be.
        OSError: It cannot be read.
    """
    opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as report:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("the report is not a file")
        content = report.read(MAX_REPORT_BYTES + 1)
    if len(content) > MAX_REPORT_BYTES:
        raise ValueError(f"the report is longer than {MAX_REPORT_BYTES // 2**20} MB")
    return content.decode(errors="replace")
