"""What an engine is asked to make of a replica: no right that an app does not need."""

from collections.abc import Sequence

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.images import PLATFORM
from createos_mcp.platform.models import LaunchSpec, Mount
from createos_mcp.platform.release_records import ImageRelease

NETWORK = "createos"
REPLICA = "createos.replica"
"""Label by which a replica's container is found again."""

REPLICA_ID = "REPLICA_ID"
MAX_PROCESSES = 512
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}

ROOT_DROPS_TO_ITS_USER = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID",
)  # fmt: skip
"""What images need that begin as root and go on as a user of their own, as nginx does."""


def container_body(
    spec: LaunchSpec, release: ImageRelease, platform_id: str, command: Sequence[str] | None
) -> Json:
    """The body of `POST containers/create` for a replica, or for one command of it."""
    memory = spec.memory_mb * 2**20
    return {
        "Image": release.image,
        "Env": environment_of(spec),
        "Labels": {
            PLATFORM: platform_id,
            REPLICA: spec.replica_id,
        },
        # Restarts and health are the platform's own, by one rule for everything that runs.
        "Healthcheck": {"Test": ["NONE"]},
        **({"Entrypoint": list(command[:1]), "Cmd": list(command[1:])} if command else {}),
        "HostConfig": {
            "NetworkMode": NETWORK,
            "RestartPolicy": {"Name": "no"},
            "CapDrop": ["ALL"],
            "CapAdd": list(ROOT_DROPS_TO_ITS_USER),
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": MAX_PROCESSES,
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": spec.cpu_millicores * 1_000_000,
            "Init": True,
            "Mounts": [bind_of(mount) for mount in spec.mounts],
            "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
        },
    }


def name_of(replica_id: str) -> str:
    """What an engine calls a replica."""
    return f"createos-{replica_id}"


def environment_of(spec: LaunchSpec) -> list[str]:
    """The variables of a replica, `PORT=80`."""
    variables = {**spec.run_envs, "PORT": str(spec.port), REPLICA_ID: spec.replica_id}
    return [f"{name}={value}" for name, value in variables.items()]


def bind_of(mount: Mount) -> Json:
    """What a replica sees of this machine."""
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": str(mount.place),
        "ReadOnly": not mount.writable,
    }


def image_of(spec: LaunchSpec) -> ImageRelease:
    """The image that a replica runs."""
    if not isinstance(spec.release, ImageRelease):
        raise TypeError("files are not run in a container")
    return spec.release
