"""Stages: which script of a build printed a line, and which one failed."""

import subprocess
from collections.abc import Sequence

from createos_mcp.platform.build.build_command import MAX_LINES
from createos_mcp.platform.build.stages import Stage, Stages

INSTALL = Stage(name="install", script="printf 'got it'", command="npm ci")
BUILD = Stage(name="build", script="echo built; exit 3", command="npm run build")
PAGES = Stage(name="build", script="test -d dist", command="test -d dist", folder="dist")


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    async def take(self, stage: str, lines: Sequence[str]) -> None:
        """Keep lines with the stage that they are told of."""
        self.lines += [(stage, line) for line in lines]


def printed(stages: Stages) -> tuple[list[str], int]:
    done = subprocess.run(
        ["/bin/sh", "-c", stages.script], capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines(), done.returncode


async def test_each_line_is_told_of_the_stage_that_printed_it_also_one_without_an_end() -> None:
    log = Log()
    stages = Stages([INSTALL, BUILD, PAGES], log.take)
    lines, exit_code = printed(stages)
    for line in lines:
        await stages.take([line])
    assert log.lines == [("install", "got it"), ("build", "built")]
    assert (stages.current, exit_code) == (BUILD, 3)


async def test_all_lines_at_once_are_told_apart_as_well() -> None:
    log = Log()
    stages = Stages([INSTALL, PAGES], log.take)
    lines, exit_code = printed(stages)
    await stages.take(lines)
    assert log.lines == [("install", "got it")]
    assert (stages.current, exit_code) == (PAGES, 1)


async def test_a_stage_that_floods_its_log_takes_nothing_from_the_next() -> None:
    log = Log()
    flood = Stage(name="install", script=f"seq {MAX_LINES + 5}", command="seq")
    stages = Stages([flood, BUILD], log.take)
    lines, _ = printed(stages)
    await stages.take(lines)
    assert log.lines[-2:] == [
        ("install", f"Log truncated after {MAX_LINES} lines."),
        ("build", "built"),
    ]
    assert len(log.lines) == MAX_LINES + 2
