"""What a swarm is asked to make of a replica: a service with one task that is never restarted."""

from collections.abc import Sequence

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.container_body import (
    LOG_OPTIONS,
    MAX_PROCESSES,
    REPLICA,
    ROOT_DROPS_TO_ITS_USER,
    bind_of,
    environment_of,
    image_of,
    name_of,
)
from createos_mcp.platform.engines.images import PLATFORM
from createos_mcp.platform.models import LaunchSpec

DEPLOYMENT = "createos.deployment"
"""Label of what a service is a replica of."""

_NANOSECONDS = 1_000_000_000


def service_body(
    spec: LaunchSpec,
    platform_id: str,
    *,
    command: Sequence[str] | None,
    network: str,
    constraints: Sequence[str],
    grace_s: float,
) -> Json:
    """The body of `POST services/create` for a replica, or for one command of it.

    Args:
        spec: The replica.
        platform_id: Whose it is.
        command: What runs in place of the image's own command.
        network: Name of the overlay that it is reached in.
        constraints: Which machines may run it.
        grace_s: How long it may take to end once it was asked to.
    """
    labels = {PLATFORM: platform_id, REPLICA: spec.replica_id}
    return {
        "Name": name_of(spec.replica_id),
        "Labels": {**labels, DEPLOYMENT: spec.deployment_id},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": image_of(spec).image,
                "Env": environment_of(spec),
                "Labels": labels,
                **({"Command": [command[0]], "Args": [*command[1:]]} if command else {}),
                # Restarts and health are the platform's own, by one rule for all that runs.
                "Healthcheck": {"Test": ["NONE"]},
                "Init": True,
                "CapabilityDrop": ["ALL"],
                "CapabilityAdd": [f"CAP_{name}" for name in ROOT_DROPS_TO_ITS_USER],
                "Privileges": {"NoNewPrivileges": True},
                "Mounts": [bind_of(mount) for mount in spec.mounts],
                "StopGracePeriod": int(grace_s * _NANOSECONDS),
            },
            "Resources": {
                "Limits": {
                    "NanoCPUs": spec.cpu_millicores * 1_000_000,
                    "MemoryBytes": spec.memory_mb * 2**20,
                    "Pids": MAX_PROCESSES,
                }
            },
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": [*constraints]},
            "Networks": [{"Target": network}],
            "LogDriver": {"Name": "json-file", "Options": LOG_OPTIONS},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        # Each task is reached by its own address.
        "EndpointSpec": {"Mode": "dnsrr"},
    }
