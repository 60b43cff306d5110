"""The platform as a background process: one per data directory, started by whoever needs it."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState, read_state

# Twenty times what a start takes on a loaded machine.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02
LAST_LINES = 5

_IN_THE_BACKGROUND = '"$@" >&2 & echo $!'


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a running platform is reached, and with which key."""

    api_url: str
    api_key: str = field(repr=False)


def ensure_running(config: PlatformConfig, environ: Mapping[str, str]) -> Address:
    """Return the running platform's address, after starting it if it does not run.

    Safe when several processes ask at the same instant: one starts it, the others wait.

    Raises:
        StartupError: It did not come up; the sentence holds the end of its log.
    """
    state = find_running(config.data_dir)
    if state is None:
        state = start_platform(config, environ)
    return Address(api_url=state.api_url, api_key=config.data_dir.key_file.read_text().strip())


def find_running(data_dir: DataDir) -> PlatformState | None:
    """The state of the platform when it runs and answers, otherwise None."""
    state = read_state(data_dir.state_file)
    if state is None or not state.is_alive() or not _answers(state.api_port):
        return None
    return state


def start_platform(config: PlatformConfig, environ: Mapping[str, str]) -> PlatformState:
    """Start the platform unless it runs, and wait until it answers."""
    data_dir = config.data_dir
    with holding_starts(data_dir):
        state = find_running(data_dir)
        if state is not None:
            return state
        with data_dir.log_file.open("ab") as log:
            log_start = log.tell()
            pid = _detach(_command(config), log, _without_our_settings(environ))
        return _wait_until_it_answers(pid, data_dir, log_start)


def stop_platform(config: PlatformConfig) -> bool:
    """Stop the platform and every app it runs. False when nothing ran."""
    state = read_state(config.data_dir.state_file)
    if state is None or not state.is_alive():
        return False
    process = psutil.Process(state.pid)
    process.terminate()
    if not _ends(state, STOP_TIMEOUT_S):
        process.kill()
        _ends(state, STOP_TIMEOUT_S)
    return True


def _ends(state: PlatformState, within_s: float) -> bool:
    """Whether the platform ends in that time; its parent may take longer to notice."""
    deadline = time.monotonic() + within_s
    while state.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _command(config: PlatformConfig) -> list[str]:
    return [sys.executable, "-m", "createos_mcp.platform", config.to_json()]


def _without_our_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the platform holds no credentials of the one who happened to start it."""
    return {name: value for name, value in environ.items() if not name.startswith("CREATEOS_")}


def _detach(command: Sequence[str], log: IO[bytes], environ: Mapping[str, str]) -> int:
    """Start a process that is nobody's child, so that it outlives us and leaves no zombie."""
    shell = subprocess.run(
        ["/bin/sh", "-c", _IN_THE_BACKGROUND, "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        cwd="/",
        env=environ,
        check=True,
    )
    return int(shell.stdout)


def _wait_until_it_answers(pid: int, data_dir: DataDir, log_start: int) -> PlatformState:
    deadline = time.monotonic() + START_TIMEOUT_S
    while _is_alive(pid):
        state = find_running(data_dir)
        if state is not None and state.pid == pid:
            return state
        if time.monotonic() > deadline:
            psutil.Process(pid).kill()
            reason = f"no response within {START_TIMEOUT_S:g} s"
            raise StartupError(reason, _last_lines(data_dir.log_file, log_start))
        time.sleep(POLL_S)
    raise StartupError("the process exited at once", _last_lines(data_dir.log_file, log_start))


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _last_lines(log_file: Path, start: int) -> str:
    with log_file.open("rb") as log:
        log.seek(start)
        text = log.read().decode(errors="replace")
    return " | ".join(text.strip().splitlines()[-LAST_LINES:])


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def holding_starts(data_dir: DataDir) -> Iterator[None]:
    """Make the directory, wait until no platform is starting there, and let none start meanwhile.

    Raises:
        StartupError: The directory cannot be used.
    """
    try:
        data_dir.create()
    except OSError as error:
        raise StartupError(f"{data_dir.root} cannot be used: {error.strerror}") from error
    with (data_dir.root / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
