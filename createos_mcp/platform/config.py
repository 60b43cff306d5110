"""How one platform is set up: plain values, read from the environment by whoever starts it."""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from createos_mcp.platform.paths import DataDir


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformConfig:
    """Everything that can be chosen about a platform."""

    data_dir: DataDir
    api_port: int = 0
    """Port of the REST API on 127.0.0.1; 0 takes the last one used, or a free one."""
    gateway_port: int = 0
    """Port that tells apps apart by host name; 0 takes the last one used, or a free one."""
    app_ports: range = range(20_000, 30_000)
    """Ports for the addresses of environments and deployments; below the ephemeral range."""
    builds_at_once: int = 2
    build_timeout_s: float = 15 * 60
    start_timeout_s: float = 60
    """How long an app may take until its port answers."""
    drain_timeout_s: float = 10
    """How long requests in flight may take when another deployment takes over."""
    stop_timeout_s: float = 10
    """How long an app may take to end once it was asked to."""
    traffic_retention_days: int = 7
    """How long counts of requests are kept."""
    max_projects: int = 100
    max_api_keys: int = 10
    max_apps: int = 100
    max_environments: int = 20
    """Environments of one project."""
    max_deployed: int = 50
    """Deployments of one user that may run at the same time."""
    sleep_after_s: float = 1800
    """How long an app is left running that nobody asks; 0 leaves it running for good."""
    releases_kept: int = 5
    """Newest releases of a project that stay built, besides those in use."""
    cache_limit_mb: int = 5_000
    """Size from which the package managers' caches are cleared."""
    logs_kept_days: float = 7
    """How long the logs of stopped and deleted deployments are kept."""
    max_uploads_pending: int = 20
    """Deployments of one project that may wait or build at the same time."""
    cgroup_root: Path = Path("/sys/fs/cgroup")
    """Where control groups are; where none can be made, launchers watch their apps' memory."""
    dns_servers: tuple[str, ...] = ()
    """Who is asked about custom domains, `127.0.0.1:5353`; the system's resolver when empty."""
    isolation: str = "auto"
    """`auto` takes bubblewrap where it works; `none` runs plain processes."""


_READERS: Mapping[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    tuple[str, ...]: lambda text: tuple(filter(None, text.split(","))),
    range: lambda text: range(*map(int, text.split("-"))),
}


def choices() -> Mapping[str, Field[Any]]:
    """What can be chosen by a flag of the platform's process: `--sleep-after-s` and its field."""
    fitting = (choice for choice in fields(PlatformConfig) if choice.type in _READERS)
    return {"--" + choice.name.replace("_", "-"): choice for choice in fitting}


def read_choice(choice: Field[Any], text: str) -> object:
    """The value that a flag's text stands for."""
    return _READERS[choice.type](text)


def write_choice(value: object) -> str:
    """The text that `read_choice` reads as this value."""
    if isinstance(value, range):
        return f"{value.start}-{value.stop}"
    return ",".join(value) if isinstance(value, tuple) else str(value)
