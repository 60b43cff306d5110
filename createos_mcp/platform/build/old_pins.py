"""Old pins: packages that a new Python cannot build, and an older one that they were made for."""

import re
import sys
from collections.abc import Mapping, Sequence

import anyio
import uv

from createos_mcp.platform.build.stages import BuildLog

_UNBUILT = re.compile(r"Failed to build `([\w.-]{1,80}==[\w.!+-]{1,40})`")
_MINOR = re.compile(r"3\.(\d{1,3})")
_ASKING_TIMEOUT_S = 30
_MAX_PINS = 10
"""An app may print what it likes."""
_WHEELS_ALONE = ("pip", "compile", "-", "--quiet", "--no-deps", "--only-binary", ":all:")


class UnbuiltPackages:
    """Hands a build's lines on, and remembers which packages uv could not build."""

    def __init__(self, log: BuildLog) -> None:
        self._log = log
        self.pins: list[str] = []
        """As uv names them, `psycopg2==2.7.3`."""

    async def log(self, stage: str, lines: Sequence[str]) -> None:
        """Take lines."""
        found = (pin for line in lines for pin in _UNBUILT.findall(line))
        self.pins = list(dict.fromkeys((*self.pins, *found)))[:_MAX_PINS]
        await self._log(stage, lines)


async def find_older_python(
    pins: Sequence[str], used: str, runtimes: Sequence[str], environ: Mapping[str, str]
) -> str | None:
    """The nearest older Python that has wheels of all the pins, or else the nearest older one.

    Args:
        pins: Packages that could not be built.
        used: The Python that was tried, `python 3.12.4`.
        runtimes: Those that the app may have, `python:3.11`, the nearest first.
        environ: Of uv, with what it needs to reach its registry.
    """
    if not pins:
        return None
    older = [runtime for runtime in runtimes if _minor(runtime) < _minor(used)]
    for runtime in older:
        if await _has_wheels(pins, runtime.partition(":")[2], environ):
            return runtime
    return next(iter(older), None)


def _minor(name: str) -> int:
    found = _MINOR.search(name)
    return int(found[1]) if found else 0


async def _has_wheels(pins: Sequence[str], python: str, environ: Mapping[str, str]) -> bool:
    # With any interpreter at hand; without one uv would look for that version first.
    python_flags = ("--python", sys.executable, "--python-version", python)
    command = [uv.find_uv_bin(), *_WHEELS_ALONE, *python_flags]
    with anyio.move_on_after(_ASKING_TIMEOUT_S):
        asked = "\n".join(pins).encode()
        done = await anyio.run_process(command, input=asked, env=environ, check=False, cwd="/")
        return done.returncode == 0
    return False
