"""The platform's state file: who runs it, since when, and at which addresses."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.processes import ProcessId


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformState:
    """What one start of the platform wrote down; the ports are asked for again by the next."""

    pid: int
    started: int
    """Start of the process in clock ticks since the boot: tells a reused pid from the real one."""
    boot_id: str
    version: str
    api_port: int
    gateway_port: int
    isolation: str
    """`bubblewrap`, `landlock` or `none`."""
    outbound: bool
    """Whether apps reach the network."""
    gaps: Mapping[str, str] = field(default_factory=dict)
    """Measures of isolation that do not hold, and why."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """What was chosen, by the names of PlatformSettings."""
    dashboard_url: str = ""
    """Where the dashboard is; a link that signs in is made by `platform open`."""

    @property
    def api_url(self) -> str:
        """Base URL of the REST API."""
        return f"http://127.0.0.1:{self.api_port}"

    def is_alive(self) -> bool:
        """Whether the process that wrote this still runs."""
        process = ProcessId(pid=self.pid, started=self.started, boot_id=self.boot_id)
        return process.is_running()


def read_state(file: Path) -> PlatformState | None:
    """The last state written, or None when there is none that can be read."""
    try:
        return PlatformState(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_state(file: Path, state: PlatformState) -> None:
    """Replace the state in one step, so that no reader sees half of it."""
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(state)))
    draft.chmod(0o600)
    draft.replace(file)
