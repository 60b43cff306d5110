"""What a deployment runs with: variables, port and resources."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from createos_mcp.platform.models import Deployment, Environment
from createos_mcp.platform.store.environments import DEFAULT_RESOURCES

# What most frameworks listen on if nobody says otherwise.
DEFAULT_PORT = 3000


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What a deployment runs with: variables, port and resources."""

    run_envs: Mapping[str, str] = field(repr=False)
    port: int
    resources: Mapping[str, int]


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
