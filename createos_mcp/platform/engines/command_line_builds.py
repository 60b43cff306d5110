"""Builds over Docker's command line, where BuildKit has to ask its caller for something.

It asks for secrets, and for credentials of registries, over a session of its own, which a call of
Docker's API does not have. https://docs.docker.com/build/building/secrets/
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import anyio
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from createos_mcp.platform.build.build_command import OnLines
from createos_mcp.platform.errors import EngineRefusedError
from createos_mcp.platform.processes import ended_with
from createos_mcp.platform.store.registry_credentials import RegistryLogin

_NUMBERED = re.compile(r"^#\d+ (?:\d+\.\d+ )?")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAJOR = re.compile(r"version (\d+)\.")
_WITHOUT_BUILDX = 23
_KEPT_LINES = 20
CACHE_ARGUMENT = "BUILDKIT_CACHE_MOUNT_NS"
"""Has every owner mount caches of their own, whatever a Dockerfile calls them:
https://docs.docker.com/build/building/variables/#buildkit-built-in-build-arguments.

What is kept of a step depends on the hosts that it knows, but not on the secrets that it mounts:
a host of the owner's keeps one owner from what another's secret had fetched.
"""

_END_S = 10.0

NO_COMMAND_LINE = (
    "with secrets, or several users on one engine, it takes Docker's command line with buildx; "
    "install it (on Debian: apt-get install docker.io or docker-buildx)"
)


async def build_by_command(
    host: str,
    dockerfile: str,
    context: IO[bytes],
    *,
    secrets: Mapping[str, str],
    arguments: Mapping[str, str],
    label: str,
    cache: str,
    pull: bool,
    logins: Sequence[RegistryLogin],
    on_lines: OnLines,
) -> str:
    """Build a context over the command line.

    Args:
        host: The engine.
        dockerfile: Its name in the context.
        context: A tar.
        secrets: They reach the steps that mount them, and are on no command line.
        arguments: As the image's history shows them.
        label: What the image is marked with.
        cache: The owner's name for what is kept of steps and of caches that they mount.
        pull: Whether base images are asked of their registries, though they be here.
        logins: Registries that its base images are asked of.
        on_lines: Told what the build prints.

    Returns:
        The ID of the image.

    Raises:
        EngineRefusedError: A step failed, or the command line is not there.
    """
    program = await to_thread.run_sync(_find_program)
    if program is None:
        raise EngineRefusedError(500, NO_COMMAND_LINE)
    with tempfile.TemporaryDirectory(prefix="createos-build-") as own:
        image = Path(own, "image")
        (Path(own) / "config.json").write_text(json.dumps(_client_config(logins)))
        words = [program, "--host", host, "build", "--progress=plain", f"--iidfile={image}"]
        words += [f"--file={dockerfile}", f"--label={label}", "--force-rm"]
        given = {**arguments, CACHE_ARGUMENT: cache}
        words += [f"--build-arg={name}={value}" for name, value in given.items()]
        words.append(f"--add-host={cache}:127.0.0.1")
        words += ["--pull"] if pull else []
        for name, value in secrets.items():
            place = Path(own, f"secret-{name}")
            place.write_text(value)
            words.append(f"--secret=id={name},src={place}")
        # Nothing of a user's: their LD_PRELOAD would run in a process of the platform's.
        environ = {"PATH": _PATH, "HOME": own, "DOCKER_CONFIG": own, "DOCKER_BUILDKIT": "1"}
        process = await anyio.open_process(
            [*words, "-"],
            env=environ,
            stdin=context,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        async with ended_with(process, _END_S):
            last = await _read_lines(process, on_lines)
            if await process.wait():
                raise EngineRefusedError(500, _reason_in(last))
        return await to_thread.run_sync(image.read_text)


def _find_program() -> str | None:
    """A command line of Docker that has BuildKit: those from 23 on only with a part of its own."""
    places = (shutil.which("docker", path=place) for place in _PATH.split(":"))
    return next((place for place in places if place and _has_buildkit(place)), None)


def _has_buildkit(program: str) -> bool:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = _MAJOR.search(told.stdout)
    if found is not None and int(found[1]) < _WITHOUT_BUILDX:
        return True
    buildx = subprocess.run([program, "buildx", "version"], capture_output=True, check=False)
    return buildx.returncode == 0


async def _read_lines(process: Process, on_lines: OnLines) -> list[str]:
    last: list[str] = []
    rest = ""
    if process.stderr is not None:
        async for piece in TextReceiveStream(process.stderr, errors="replace"):
            *lines, rest = (rest + piece).split("\n")
            shown = [_NUMBERED.sub("", line) for line in lines if line.strip()]
            last = [*last, *shown][-_KEPT_LINES:]
            if shown:
                await on_lines(shown)
    return [*last, rest]


def _reason_in(lines: Sequence[str]) -> str:
    """What went wrong, as BuildKit says at its end."""
    found = [line for line in lines if "ERROR" in line or "failed to" in line]
    return (found or [line for line in lines if line.strip()] or ["it printed nothing"])[-1]


def _client_config(logins: Sequence[RegistryLogin]) -> Mapping[str, Mapping[str, object]]:
    def told(login: RegistryLogin) -> Mapping[str, str]:
        return {"auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode()}

    return {"auths": {login.registry: told(login) for login in logins}}
