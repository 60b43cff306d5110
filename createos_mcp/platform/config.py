"""How one platform is set up: plain values, read from the environment by whoever starts it."""

from dataclasses import dataclass
from pathlib import Path

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
    max_projects: int = 100
    max_api_keys: int = 10
    max_apps: int = 100
    max_uploads_pending: int = 20
    """Deployments of one project that may wait or build at the same time."""
    cgroup_root: Path = Path("/sys/fs/cgroup")
    """Where control groups are; where none can be made, launchers watch their apps' memory."""
    dns_servers: tuple[str, ...] = ()
    """Who is asked about custom domains, `127.0.0.1:5353`; the system's resolver when empty."""
    isolation: str = "auto"
    """`auto` takes bubblewrap where it works; `none` runs plain processes."""
