"""Environments: where a project's deployments answer."""

from collections.abc import Sequence

from createos_mcp.operations import Json
from createos_mcp.platform.addresses import endpoint, environment_host
from createos_mcp.platform.api.calls import Call, Handlers, Services
from createos_mcp.platform.models import Environment, Project


def view(
    environment: Environment,
    project: Project,
    services: Services,
    custom_domains: Sequence[str] = (),
) -> dict[str, Json]:
    """An environment as the API shows it; `extra.endpoint` is its address."""
    host = environment_host(project, environment)
    return {
        "id": environment.id,
        "projectId": environment.project_id,
        "uniqueName": environment.unique_name,
        "displayName": environment.display_name,
        "description": environment.description,
        "branch": environment.branch,
        "isAutoPromoteEnabled": environment.is_auto_promote_enabled,
        "status": environment.status,
        "projectDeploymentId": environment.deployment_id,
        "resources": environment.resources,
        "settings": environment.settings,
        "extra": {
            "endpoint": endpoint(environment.port),
            "hostEndpoint": f"http://{host}:{services.gateway_port}",
            "customDomains": list(custom_domains),
        },
        "createdAt": environment.created_at,
        "updatedAt": environment.updated_at,
    }


async def list_(call: Call) -> Json:
    """All environments of a project."""
    project = await call.active_project()
    environments = await call.services.store.environments(project.id)
    domains = call.services.store.domains
    return [
        view(environment, project, call.services, await domains.routed_to(environment.id))
        for environment in environments
    ]


HANDLERS: Handlers = {"ListProjectEnvironments": list_}
