"""How one platform is set up: what a user chose, and what tests and benchmarks change besides."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from createos_mcp.contract.platform_settings import PlatformSettings
from createos_mcp.contract.values import Json
from createos_mcp.platform.paths import DataDir


@dataclass(frozen=True, kw_only=True)
class PlatformConfig(PlatformSettings):
    """Everything that can be chosen about a platform. A port of 0 takes the last one used."""

    data_dir: DataDir
    app_ports: range = range(20_000, 30_000)
    """Ports for the addresses of environments and deployments; below the ephemeral range."""
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
    releases_kept: int = 5
    """Newest releases of a project that stay built, besides those in use."""
    cache_limit_mb: int = 5_000
    """Size from which the package managers' caches are cleared."""
    max_repositories: int = 100
    max_uploads_pending: int = 20
    """Deployments of one project that may wait or build at the same time."""
    cgroup_root: Path = Path("/sys/fs/cgroup")
    """Where control groups are; where none can be made, launchers watch their apps' memory."""
    build_memory_mb: int = 2048
    build_cpu_millicores: int = 2000
    """What one build may use."""
    domain_check_interval_s: float = 6 * 3600
    """Time between two checks of the DNS records of an active domain."""
    github_poll_s: float = 60
    """Time between two looks at the branches of repositories on GitHub."""
    address_check_interval_s: float = 15
    """Time between two looks at the machine's own addresses."""
    disk_floor_mb: int = 500
    """Free disk below which nothing is built."""
    isolation: str = "auto"
    """`auto` takes bubblewrap where it works; `none` runs plain processes."""

    def choices(self) -> dict[str, Json]:
        """What the user chose, by the names of PlatformSettings, as JSON has it."""
        chosen: dict[str, Json] = {
            row.name: getattr(self, row.name) for row in fields(PlatformSettings)
        }
        return {
            **chosen,
            "base_images": list(self.base_images),
            "dns_servers": list(self.dns_servers),
            "permitted_addresses": list(self.permitted_addresses),
            "trusted_proxies": list(self.trusted_proxies),
        }

    def to_json(self) -> str:
        """The configuration as one text, for the platform's own process."""
        values = asdict(self)
        values["data_dir"] = str(self.data_dir.root)
        values["app_ports"] = [self.app_ports.start, self.app_ports.stop]
        values["cgroup_root"] = str(self.cgroup_root)
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The configuration that `to_json` wrote; what it leaves out keeps its default."""
        values: dict[str, Json] = json.loads(text)
        read = {name: _READERS[name](held) for name, held in values.items() if name in _READERS}
        return cls(**{**values, **read})


_READERS: Mapping[str, Callable[[Json], Json]] = {
    "data_dir": lambda root: DataDir(Path(root)),
    "app_ports": lambda bounds: range(*bounds),
    "cgroup_root": Path,
    "base_images": tuple,
    "dns_servers": tuple,
    "permitted_addresses": tuple,
    "trusted_proxies": tuple,
}
"""How fields are read that JSON has no type for."""
