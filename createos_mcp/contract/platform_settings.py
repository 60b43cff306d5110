"""The settings of the local platform: read by the command line, kept by the platform itself."""

from dataclasses import dataclass, field

from createos_mcp.contract.setting_rows import (
    MAX_PORT,
    addresses,
    base_image,
    comma_separated,
    copy_place,
    network,
    number,
    one_of,
    registry,
    setting,
    text,
    whole_number,
)

SWARM = "swarm"


@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """What a user may choose about a platform; the variables begin with `CREATEOS_PLATFORM_`."""

    api_port: int = field(
        default=0,
        metadata=setting(
            whole_number(0, MAX_PORT),
            group="platform",
            help="Port of the local platform's API.",
            default_text="a free port, kept across restarts",
        ),
    )
    gateway_port: int = field(
        default=0,
        metadata=setting(
            whole_number(0, MAX_PORT),
            group="platform",
            help="Port on which apps are routed by host name.",
            default_text="a free port, kept across restarts",
        ),
    )
    engine: str = field(
        default="auto",
        metadata=setting(
            one_of("auto", SWARM),
            group="platform",
            help="What runs apps: auto (files as processes of this machine, images as containers) "
            "or swarm (all of them as services of the Docker Swarm that this machine manages).",
        ),
    )
    registry: str = field(
        default="",
        metadata=setting(
            registry,
            group="platform",
            help="Registry to which apps are pushed for the nodes of a swarm, "
            "such as registry.example.com:5000/apps.",
            default_text="none",
        ),
    )
    base_images: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(base_image),
            group="platform",
            help="Comma-separated images that uploads are built on for a swarm, "
            "such as node=registry.example.com/node:{version}-slim.",
            default_text="the official images of each runtime",
        ),
    )
    copy_to: str = field(
        default="",
        metadata=setting(
            copy_place,
            group="platform",
            help="Directory on another disk, or object store such as s3://bucket/path, to which "
            "the platform's database is copied as it changes.",
            default_text="nowhere",
        ),
    )
    docker_host: str = field(
        default="",
        metadata=setting(
            text,
            group="platform",
            help="Address of the container engine that runs images.",
            default_text="DOCKER_HOST, or the usual sockets",
        ),
    )
    osv_url: str = field(
        default="https://api.osv.dev",
        metadata=setting(
            str,
            group="platform",
            help="Where security scans ask for known vulnerabilities (an OSV server).",
        ),
    )
    dns_servers: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            addresses,
            group="platform",
            help="Comma-separated DNS servers used to verify custom domains.",
            default_text="the system's DNS servers",
        ),
    )
    permitted_addresses: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            addresses,
            group="platform",
            help="Comma-separated private IPv4 addresses that apps and builds may reach, "
            "such as that of a package registry.",
            default_text="none; only the public internet can be reached",
        ),
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(network),
            group="platform",
            help="Comma-separated proxies whose X-Forwarded-* and Forwarded headers "
            "reach local apps.",
            default_text="none; apps are told what the platform itself sees",
        ),
    )
    sleep_after_s: float = field(
        default=1800.0,
        metadata=setting(
            number("seconds", 31_536_000, zero=True),
            group="platform",
            help="Idle time after which a local app is put to sleep; 0 = never.",
        ),
    )
    worker_steady_s: float = field(
        default=5.0,
        metadata=setting(
            number("seconds", 3600),
            group="platform",
            help="How long a worker has to run before it counts as deployed.",
        ),
    )
    max_deployed: int = field(
        default=50,
        metadata=setting(
            whole_number(1, 1000),
            group="platform",
            help="Maximum deployments of one user that run at once; "
            "above it the longest-running one is put to sleep.",
        ),
    )
    builds_at_once: int = field(
        default=2,
        metadata=setting(
            whole_number(1, 64), group="platform", help="Maximum builds that run at once."
        ),
    )
    logs_kept_days: float = field(
        default=7.0,
        metadata=setting(
            number("days", 3650),
            group="platform",
            help="How long logs of stopped and deleted deployments are kept.",
        ),
    )
