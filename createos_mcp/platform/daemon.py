"""The platform as a background process: one per data directory, started by whoever needs it."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState, read_state

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02
LAST_LINES = 5


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
    state = running(config.data_dir)
    if state is None:
        state = start(config, environ)
    return Address(api_url=state.api_url, api_key=config.data_dir.key_file.read_text().strip())


def running(data_dir: DataDir) -> PlatformState | None:
    """The state of the platform when it runs and answers, otherwise None."""
    state = read_state(data_dir.state_file)
    if state is None or not state.is_alive() or not _answers(state.api_port):
        return None
    return state


def start(config: PlatformConfig, environ: Mapping[str, str]) -> PlatformState:
    """Start the platform unless it runs, and wait until it answers."""
    data_dir = config.data_dir
    data_dir.create()
    with _exclusive(data_dir.root / "start.lock"):
        state = running(data_dir)
        if state is not None:
            return state
        with data_dir.log_file.open("ab") as log:
            log_start = log.tell()
            process = subprocess.Popen(
                _command(config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=_without_our_settings(environ),
            )
        return _wait_until_it_answers(process, data_dir, log_start)


def stop(config: PlatformConfig) -> bool:
    """Stop the platform and every app it runs. False when nothing ran."""
    state = read_state(config.data_dir.state_file)
    if state is None or not state.is_alive():
        return False
    process = psutil.Process(state.pid)
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
    return True


def _command(config: PlatformConfig) -> list[str]:
    return [
        sys.executable,
        "-m",
        "createos_mcp.platform",
        f"--data-dir={config.data_dir.root}",
        f"--api-port={config.api_port}",
        f"--gateway-port={config.gateway_port}",
    ]


def _without_our_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the platform holds no credentials of the one who happened to start it."""
    return {name: value for name, value in environ.items() if not name.startswith("CREATEOS_")}


def _wait_until_it_answers(
    process: subprocess.Popen[bytes], data_dir: DataDir, log_start: int
) -> PlatformState:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        exit_code = process.poll()
        if exit_code is not None:
            reason = f"it exited with code {exit_code}"
            raise StartupError(reason, _last_lines(data_dir.log_file, log_start))
        state = running(data_dir)
        if state is not None and state.pid == process.pid:
            return state
        time.sleep(POLL_S)
    process.kill()
    process.wait()
    reason = f"it did not answer within {START_TIMEOUT_S:g} s"
    raise StartupError(reason, _last_lines(data_dir.log_file, log_start))


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
def _exclusive(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
