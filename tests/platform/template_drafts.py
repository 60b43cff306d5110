"""Templates that tests offer."""

from createos_mcp.contract.values import Json
from tests.platform.platforms import Api

PAGE = {"index.html": "<title>offered</title>"}
TEXT = (
    "A sentence that is long enough for the platform, which asks for a hundred characters of it. "
    * 2
)
ROOT = "/v1/project-templates"


def draft(project_id: str, environment_id: str, **changes: Json) -> Json:
    return {
        "name": "A page to begin with",
        "description": TEXT,
        "overview": TEXT,
        "useCases": TEXT,
        "imageUri": "page.png",
        "categories": ["web", "static"],
        "amount": 12.35,
        "projectId": project_id,
        "environmentId": environment_id,
        "projectConfiguration": {"useBuildAI": True},
        "environmentConfiguration": {"runEnvs": {}},
        "buildResources": {},
        "deploymentResources": {},
        **changes,
    }


async def offer(api: Api, **changes: Json) -> str:
    """A draft of a project that serves a page."""
    deployment = await api.deploy(PAGE)
    environment = await api.environment(deployment["projectId"])
    body = draft(deployment["projectId"], environment["id"], **changes)
    status, made = await api.request("POST", ROOT, json=body)
    assert status == 201, made
    return str(made["id"])
