"""Workers: processes that serve one address together; the kernel spreads connections over them.

Each binds a socket of its own with SO_REUSEPORT: over one that all inherit, connections gather at
few of them (https://github.com/encode/uvicorn/discussions/2472). Nothing is shared but a directory
with what may be used once and with the figures of each.
"""

import ctypes
import logging
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import multiprocess

from createos_mcp.contract.errors import SettingError
from createos_mcp.remote.worker_directory import WorkerDirectory, new_worker_directory
from createos_mcp.settings.settings import Settings

_STATE_KEYS = "CREATEOS_SERVE_STATE_KEYS"
_PARENT_DEATH_SIGNAL = 1
_END_MARGIN_S = 5.0
_SHORT_LIFE_S = 5.0
"""A worker that ends sooner may only end again."""

_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0

_logger = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Have this worker asked to end when the process that started it is gone."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket beside others at the same address."""
    # asyncio sends small answers at once only where the protocol is named.
    bound = socket.socket(_family(host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def run_workers(settings: Settings, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Serve with as many processes as the settings say until SIGINT or SIGTERM.

    A worker that ends by itself is started again, whatever becomes of the others.

    Args:
        settings: Already checked by `settings_rules`.
        environ: Variables of this process, which the workers have too.
        say: Told where they listen, once all of them do.

    Returns:
        0, or the exit code of a worker that could not begin.

    Raises:
        SettingError: The address cannot be listened at.
    """
    root = Path(tempfile.gettempdir())
    with _reserved(settings) as place, new_worker_directory(root) as shared:
        port: int = place.getsockname()[1]
        return _Workers(settings, environ, port, shared).run(say)


def _reserved(settings: Settings) -> socket.socket:
    """The address, bound and not listening: it is kept, and no connection comes here."""
    host, port = settings.serve_host, settings.serve_port
    try:
        # Without the permission to share it, one that somebody listens at is refused.
        with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        return listening_socket(host, port)
    except OSError as error:
        reason = f"{host}:{port} cannot be listened at: {error.strerror}"
        raise SettingError("CREATEOS_SERVE_PORT", reason) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Workers:
    """The processes, and who looks after them."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], port: int, shared: WorkerDirectory
    ) -> None:
        self._settings = settings
        self._shared = shared
        shared.figures.mkdir()
        self._command = [sys.executable, *sys.orig_argv[1:], "--serve-port", str(port)]
        self._environ = {
            **environ,
            **shared.environ,
            _STATE_KEYS: ",".join(settings.serve_state_keys) or secrets.token_hex(32),
        }
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._due: list[float] = []
        """When workers start again, on the monotonic clock."""
        self._pause_s = _PAUSE_S

    def run(self, say: Callable[[str], None]) -> int:
        with _signals() as next_signal:
            for _ in range(self._settings.serve_workers):
                self._start()
            for worker in [*self._workers]:
                line = worker.stdout.readline() if worker.stdout else b""
                if not line:
                    return self._stop() or worker.wait()
            say(line.decode())
            while True:
                number = next_signal(self._next_start_s())
                if number not in {None, signal.SIGCHLD}:
                    return self._stop()
                self._note_ended()
                self._start_due()

    def _next_start_s(self) -> float | None:
        """How long until one is due; None where all of them run."""
        return max(0.0, min(self._due) - time.monotonic()) if self._due else None

    def _start_due(self) -> None:
        now = time.monotonic()
        for _ in [due for due in self._due if due <= now]:
            self._start()
        self._due = [due for due in self._due if due > now]

    def _start(self) -> None:
        worker = subprocess.Popen(
            self._command,
            env=self._environ,
            stdout=subprocess.PIPE,
            pass_fds=(self._shared.held,),
        )
        self._workers[worker] = time.monotonic()

    def _note_ended(self) -> None:
        """Plan another start for each that ended; one that ends at once waits longer each time."""
        for worker, started in [*self._workers.items()]:
            code = worker.poll()
            if code is None:
                continue
            del self._workers[worker]
            if worker.stdout is not None:
                worker.stdout.close()
            multiprocess.mark_process_dead(  # type: ignore[no-untyped-call]
                worker.pid, path=str(self._shared.figures)
            )
            ended = time.monotonic()
            is_short = ended - started < _SHORT_LIFE_S
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S) if is_short else _PAUSE_S
            self._due.append(ended + self._pause_s)
            _logger.error(
                "worker %s ended with %s; another starts in %s s", worker.pid, code, self._pause_s
            )

    def _stop(self) -> int:
        """End all of them, calls in flight first; the worst of their exit codes."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._settings.serve_stop_timeout_s + _END_MARGIN_S
        codes = [0]
        for worker in self._workers:
            try:
                codes.append(worker.wait(max(0.0, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                worker.kill()
                codes.append(worker.wait())
        # A signal is 128 and its number, as shells report it.
        return max(128 - code if code < 0 else code for code in codes)


@contextmanager
def _signals() -> Iterator[Callable[[float | None], int | None]]:
    """Signals one after the other, without a moment in which one could be missed.

    What is given waits so long for the next one, and returns None where none came.
    """
    reading, writing = socket.socketpair()
    writing.settimeout(0)
    with reading, writing:
        before = signal.set_wakeup_fd(writing.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

        def next_signal(within_s: float | None) -> int | None:
            ready, _, _ = select.select([reading], [], [], within_s)
            return reading.recv(1)[0] if ready else None

        try:
            yield next_signal
        finally:
            signal.set_wakeup_fd(before)
