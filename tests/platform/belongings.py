"""What one user owns, one of each kind, and calls about it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx2

from createos_mcp.calls.binding import bind
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Json
from createos_mcp.platform.api.app import HANDLERS
from tests.bindings import CASES, CATALOG
from tests.platform.platforms import Api

CALLS = [
    (CATALOG.operations[case["operation"]], case["arguments"])
    for case in CASES
    if case["operation"] in HANDLERS
]


async def belongings(api: Api, name: str) -> dict[str, str]:
    """One resource of each kind that the platform makes, by the kind's name in the catalog."""
    project = await api.create_project(
        f"{name}-project", runEnvs={f"SECRET_{name}": f"secret of {name}"}
    )
    deployment = await api.upload(project, {"index.html": name})
    await api.wait(project, deployment, "deployed")
    _, app = await api.request("POST", "/v1/apps", json={"name": f"{name}-app"})
    await api.request("POST", f"/v1/apps/{app['id']}/projects", json={"projectIds": [project]})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    key = {"name": f"{name}-key", "expiryAt": tomorrow}
    _, created = await api.request("POST", "/v1/api-keys", json=key)
    owned = {
        "project": project,
        "environment": (await api.environment(project))["id"],
        "deployment": deployment,
        "app": app["id"],
        "API key": created["id"],
    }
    return {**owned, **await further_belongings(api, name, owned)}


async def further_belongings(api: Api, name: str, owned: Mapping[str, str]) -> dict[str, str]:
    """A resource of each other kind that has a `Create...` of its own: `CreateCronjob`."""
    made: dict[str, str] = {}
    for kind in {reference.resource for reference in CATALOG.references} - owned.keys():
        word = kind.replace(" ", "").lower()
        for operation, arguments in CALLS:
            if operation.name.startswith("Create") and operation.name.lower().endswith(word):
                named = json.loads(json.dumps(arguments).replace("shop", name))
                answer = await send(api, operation, with_ids(named, owned))
                assert answer.is_success, (operation.name, answer.text)
                made[kind] = answer.json()["data"]["id"]
    return made


def with_ids(arguments: Mapping[str, Json], owned: Mapping[str, str]) -> dict[str, Json]:
    def of(name: str, value: Json) -> Json:
        resource = owned.get(kind_of(name))
        if resource is None:
            return value
        return [resource] if name.endswith("Ids") else resource

    return {name: of(name, value) for name, value in arguments.items()}


def kind_of(argument: str) -> str:
    """What kind of resource an argument names; empty for one that is no id."""
    reference = CATALOG.reference_for(argument)
    return reference.resource if reference else ""


async def send(api: Api, operation: Operation, arguments: Mapping[str, Json]) -> httpx2.Response:
    request = bind(operation, dict(arguments))
    files = {part.name: (part.filename, part.content) for part in request.parts}
    return await api.client.request(
        request.method, request.path, params=request.query, json=request.json, files=files or None
    )
