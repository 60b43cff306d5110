"""Spares: a second copy of what builds take over, made while nobody waits, given away by a rename.

A build needs a copy of its own. Copying thousands of small files may take longer than all else that
it does; renaming a directory takes no time.
"""

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anyio import to_thread

from createos_mcp.platform.background import Background, Work
from createos_mcp.platform.build.carryovers import Carryover, place_of
from createos_mcp.platform.build.steps import Steps
from createos_mcp.platform.models import BuildJob
from createos_mcp.platform.sandbox.cgroups import ResourceLimits
from createos_mcp.platform.sandbox.launches import TO_STARTER, Launch
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox

MOST_MB = 256
"""Of one spare; what is larger is installed or built for so long that a copy is little of it."""

_MEMORY_MB, _CPU_MILLICORES, _NICE = 256, 1000, 19

_CLAIMED = PurePosixPath("spare")
"""Where a spare lies in a release while it is moved."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, kw_only=True, slots=True)
class Spare:
    """The spare of one carryover, which only builds of the same key may take."""

    kept: Carryover
    key: str

    @property
    def home(self) -> PurePosixPath:
        """Where spares of its kind lie, below the cache of a project."""
        return PurePosixPath("spare", self.kept.name)

    @property
    def place(self) -> PurePosixPath:
        """Where it lies itself."""
        return self.home / self.key


class Spares:
    """Makes the spares of all projects and hands them out."""

    def __init__(self, *, steps: Steps, sandbox: Sandbox, background: Background) -> None:
        self._steps = steps
        self._sandbox = sandbox
        self._background = background
        self._under_way: dict[str, Work] = {}

    async def take(self, spare: Spare, *, job: BuildJob, cache: Path, folder: str) -> bool:
        """Move a spare into an app's folder; False where it has to be copied instead."""
        if work := self._under_way.get(job.project_id):
            # It gives way to everything else: the build copies sooner itself.
            await work.abandon()
        return await to_thread.run_sync(_move, cache, spare, job.release_dir, folder)

    def make(self, spare: Spare, *, job: BuildJob, cache: Path) -> None:
        """Begin to make a spare for the next build, unless one of the project is being made."""
        if job.project_id in self._under_way:
            return
        work = self._background.start(self._make, spare, job, cache)
        self._under_way[job.project_id] = work

    async def _make(self, spare: Spare, job: BuildJob, cache: Path) -> None:
        confinement = Confinement(app=cache, uid=job.uid)
        limits = ResourceLimits(memory_mb=_MEMORY_MB, cpu_millicores=_CPU_MILLICORES, yields=True)
        try:
            await self._steps.run(
                f"spare-{job.project_id}",
                environ={},
                limits=limits,
                launch=lambda run_dir, group: self._sandbox.launch(
                    ("/bin/sh", "-c", _copy_script(spare)),
                    confinement,
                    Launch(
                        run_dir=run_dir,
                        log=TO_STARTER,
                        groups=group.member_files if group else (),
                        launcher_groups=group.launcher_files if group else (),
                        with_parent=True,
                        nice=_NICE,
                    ),
                ),
                on_lines=_ignore,
            )
        finally:
            self._under_way.pop(job.project_id, None)


async def _ignore(_lines: Sequence[str]) -> None:
    """A spare that cannot be made is missed by nobody."""


def _copy_script(spare: Spare) -> str:
    """Copies what is kept, in the cache, unless it is large."""
    kept, place = map(shlex.quote, (str(place_of(spare.kept, spare.key, Path())), str(spare.place)))
    home, part = map(shlex.quote, (str(spare.home), f"{spare.place}.part"))
    return f"""
rm -rf {home}
[ -d {kept} ] || exit
size=$(du -sm {kept}) && [ "${{size%%[!0-9]*}}" -le {MOST_MB} ] || exit
mkdir -p {home} && cp -a {kept} {part} && mv -T {part} {place} || rm -rf {home}
"""


def _move(cache: Path, spare: Spare, release: Path, folder: str) -> bool:
    """Whether all that a spare has was moved into an app; what was not has to be copied over it.

    First the spare as a whole leaves the cache, so that no other build gets a part of it.
    """
    if not _rename((cache, spare.place), (release, _CLAIMED)):
        return False
    claimed = release / _CLAIMED
    moved = [
        _rename((claimed, PurePosixPath(path)), (release / "app", PurePosixPath(folder, path)))
        for path in spare.kept.paths
        if os.path.lexists(claimed / path)
    ]
    shutil.rmtree(claimed, ignore_errors=True)
    return bool(moved) and all(moved)


def _rename(source: tuple[Path, PurePosixPath], to: tuple[Path, PurePosixPath]) -> bool:
    """Whether something was there and could be moved; both are a platform's folder and below."""
    (top, place), (new_top, new_place) = source, to
    try:
        with _opened(top, place.parent) as here, _opened(new_top, new_place.parent) as there:
            os.rename(place.name, new_place.name, src_dir_fd=here, dst_dir_fd=there)
    except OSError:
        return False
    return True


@contextmanager
def _opened(top: Path, below: PurePosixPath) -> Iterator[int]:
    """A folder below one of the platform's; the tenant may have put links there: none is followed.

    Raises:
        OSError: It is not there, or not a folder.
    """
    with ExitStack() as opened:
        folder = os.open(top, _DIRECTORY)
        opened.callback(os.close, folder)
        for part in below.parts:
            folder = os.open(part, _DIRECTORY, dir_fd=folder)
            opened.callback(os.close, folder)
        yield folder
