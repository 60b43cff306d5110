"""What the tests of environments ask of the API."""

from createos_mcp.contract.values import Json
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, Api

RESOURCES = {"cpu": 200, "memory": 512, "replicas": 1}


STAGING = {
    "uniqueName": "staging",
    "displayName": "Staging",
    "description": "Before production",
    "resources": RESOURCES,
    "settings": {"runEnvs": {"GREETING": "from staging"}},
}


WHO = ANSWERING.replace(
    'os.environ.get("GREETING", "hello").encode()', 'os.environ["REPLICA_ID"].encode()'
)
"""An app each of whose replicas answers with its own name."""


async def add(api: Api, project_id: str, **changes: Json) -> str:
    status, data = await api.request(
        "POST", f"/v1/projects/{project_id}/environments", json={**STAGING, **changes}
    )
    assert status == 201, data
    environment_id: str = data["id"]
    return environment_id


async def settled(api: Api, project_id: str, environment_id: str) -> Json:
    """An environment once it is active again."""

    async def read() -> Json:
        listed = await api.get(f"/v1/projects/{project_id}/environments")
        return next(row for row in listed if row["id"] == environment_id)

    return await eventually(read, lambda row: row["status"] == "active")


async def assign(api: Api, project_id: str, environment_id: str, deployment_id: str) -> Json:
    path = f"/v1/projects/{project_id}/environments/{environment_id}/assign-deployment"
    status, message = await api.request("POST", path, json={"deploymentId": deployment_id})
    assert status == 200, message
    return await settled(api, project_id, environment_id)


async def resize(api: Api, project_id: str, environment_id: str, **changes: int) -> Json:
    path = f"/v1/projects/{project_id}/environments/{environment_id}/resources"
    status, message = await api.request("PUT", path, json={**RESOURCES, **changes})
    assert status == 200, message
    return await settled(api, project_id, environment_id)
