"""The OpenAPI document against the platform, by generated requests over a real socket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.values import Json
from createos_mcp.platform import daemon
from createos_mcp.platform.api.app import HANDLERS
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.eventually import eventually_now

OPERATIONS = load_catalog(local=True).operations

EXAMPLES = 14
"""Requests per operation."""


CONFIG = schemathesis.Config.from_dict({"generation": {"allow-extra-parameters": False}})
"""The API ignores what it does not know in a query, as APIs do."""


@dataclass(frozen=True, kw_only=True)
class Fuzzed:
    """A platform that runs, its description, and what is there to be asked for."""

    schema: OpenApiSchema
    url: str
    headers: Mapping[str, str]
    ids: Mapping[str, str]
    """Path parameter to a resource that lasts."""
    disposable: Mapping[str, str]
    """The same for operations that destroy."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    config = PlatformConfig(data_dir=DataDir(tmp_path_factory.mktemp("fuzzed")))
    address = daemon.ensure_running(config, {"PATH": "/usr/bin:/bin"})
    headers = {"X-Api-Key": address.api_key}
    document = f"{address.api_url}/api-docs/openapi.json"
    try:
        with httpx2.Client(base_url=address.api_url, headers=headers) as client:
            yield Fuzzed(
                schema=schemathesis.openapi.from_url(document, config=CONFIG),
                url=address.api_url,
                headers=headers,
                ids=resources(client, "lasting"),
                disposable=resources(client, "passing"),
            )
    finally:
        daemon.stop_platform(config)


def resources(client: httpx2.Client, name: str) -> dict[str, str]:
    def made(method: str, path: str, body: Json) -> str:
        answer = client.request(method, f"/v1/{path}", json=body)
        assert answer.is_success, answer.text
        found: str = answer.json()["data"]["id"]
        return found

    project = {"uniqueName": name, "displayName": name, "type": "upload", "source": {}}
    project_id = made("POST", "projects", {**project, "settings": {"useBuildAI": True}})
    files = {"files": [{"path": "index.html", "content": "x"}]}
    deployments = f"projects/{project_id}/deployments"
    deployment_id = made("PUT", f"{deployments}/files", files)
    wait_until_deployed(client, f"/v1/{deployments}/{deployment_id}")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    (environment,) = client.get(f"/v1/projects/{project_id}/environments").json()["data"]
    return {
        "project_id": project_id,
        "environment_id": environment["id"],
        "deployment_id": deployment_id,
        "app_id": made("POST", "apps", {"name": name}),
        "api_key_id": made("POST", "api-keys", {"name": name, "expiryAt": tomorrow}),
    }


def wait_until_deployed(client: httpx2.Client, path: str) -> None:
    eventually_now(
        lambda: client.get(path).json()["data"], lambda shown: shown["status"] == "deployed"
    )


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_whatever_is_asked_the_answer_is_one_that_the_document_describes(
    name: str, fuzzed: Fuzzed
) -> None:
    destroys = OPERATIONS[name].annotations.destructive
    operation = fuzzed.schema.find_operation_by_id(name)
    known = fuzzed.disposable if destroys else fuzzed.ids
    path = {k: v for k, v in known.items() if f"{{{k}}}" in operation.path}

    fitting = operation.as_strategy(path_parameters=path or None)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.one_of(
            fitting,
            fitting.map(lambda case: case),  # twice as often as the others
            operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=path or None),
            operation.as_strategy(),
            operation.as_strategy(GenerationMode.NEGATIVE),
        )
    )
    def ask(case: Case[Json]) -> None:
        # A request that fits the schema may still not fit the project: its type, state or limits.
        case.call_and_validate(
            base_url=fuzzed.url,
            headers=dict(fuzzed.headers),
            excluded_checks=[positive_data_acceptance],
        )

    ask()
