"""Whether a deployment runs, with what (variables, port, resources), and when it has started."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from createos_mcp.contract.values import Json
from createos_mcp.platform.models import Deployment, Environment, ReplicaSet
from createos_mcp.platform.store.environments import DEFAULT_RESOURCES

# What most frameworks listen on if nobody says otherwise.
DEFAULT_PORT = 3000


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What a deployment runs with: variables, port and resources."""

    run_envs: Mapping[str, str] = field(repr=False)
    port: int
    resources: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class StartCheck:
    """When an app counts as started, as its settings say."""

    health_path: str | None
    """What has to answer without an error; None for the port alone."""
    timeout_s: float | None
    """How long it may take; None for the platform's own limit."""

    @classmethod
    def of(cls, settings: Mapping[str, Json]) -> Self:
        """As the settings of a deployment have it."""
        return cls(
            health_path=settings.get("healthPath"), timeout_s=settings.get("startTimeoutSeconds")
        )


def conditions_of(deployment: Deployment, environment: Environment | None) -> Conditions:
    """What a deployment runs with in an environment, or by itself."""
    own = environment.settings if environment is not None else {}
    settings = deployment.settings
    return Conditions(
        run_envs={**settings.get("runEnvs", {}), **own.get("runEnvs", {})},
        port=own.get("port") or settings.get("port") or _exposed_port(deployment) or DEFAULT_PORT,
        resources=environment.resources if environment is not None else DEFAULT_RESOURCES,
    )


def _exposed_port(deployment: Deployment) -> int | None:
    """The one port that an image says it listens on; among several nobody knows which."""
    exposed: list[int] = (deployment.release or {}).get("exposed") or []
    return exposed[0] if len(exposed) == 1 else None


def is_wanted(
    replica_set: ReplicaSet,
    deployments: Mapping[str, Deployment],
    homes: Mapping[str, Environment],
) -> bool:
    """Whether a set goes on after a restart; one that had not been led to is begun anew."""
    deployment = deployments.get(replica_set.deployment_id)
    if deployment is None:
        return False
    if replica_set.environment_id is None:
        return deployment.live_at is not None
    return homes[replica_set.environment_id].deployment_id == deployment.id
