"""The OpenAPI document against the platform, by generated requests over a real socket."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio
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
from createos_mcp.platform.users import add_user
from tests.eventually import eventually_now
from tests.platform.template_drafts import draft

OPERATIONS = load_catalog(local=True).operations

EXAMPLES = 14
"""Requests per operation."""


SEVERAL = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ONE_BY_ONE = settings(SEVERAL, max_examples=3)

REFUSALS: Mapping[str, int] = {"GetProjectTemplate": 403, "TransferProject": 401}
"""What a stranger is told where it is not that there is no such thing: of a template that is not
listed, and of a token before the project."""

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
    stranger: Mapping[str, str]
    """Headers of a user whom none of it belongs to."""


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
                stranger={"X-Api-Key": anyio.run(add_user, config.data_dir, "stranger")[1]},
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
    job = {"environmentId": environment["id"], "name": name, "schedule": "@yearly", "type": "http"}
    (starter, *_) = client.get("/v1/project-templates").json()["data"]["templates"]
    buy = f"project-templates/{starter['id']}/buy"
    bought = client.get("/v1/project-templates/purchases").json()["data"]["purchases"]
    purchase_id = bought[0]["id"] if bought else made("POST", buy, None)
    return {
        "project_id": project_id,
        "environment_id": environment["id"],
        "deployment_id": deployment_id,
        "cronjob_id": made(
            "POST",
            f"projects/{project_id}/cronjobs",
            {**job, "settings": {"path": "/", "method": "GET"}},
        ),
        "domain_id": made("POST", f"projects/{project_id}/domains", {"name": f"{name}.example"}),
        "template_id": made("POST", "project-templates", draft(project_id, environment["id"])),
        "purchase_id": purchase_id,
        "service_id": made("POST", "services", {"kind": "valkey", "name": f"{name}-cache"}),
        "app_id": made("POST", "apps", {"name": name}),
        "api_key_id": made("POST", "api-keys", {"name": name, "expiryAt": tomorrow}),
    }


def wait_until_deployed(client: httpx2.Client, path: str) -> None:
    eventually_now(
        lambda: client.get(path).json()["data"], lambda shown: shown["status"] == "deployed"
    )


def parameters_of(name: str, fuzzed: Fuzzed) -> dict[str, str]:
    """What an operation's path names, of what is there."""
    known = fuzzed.disposable if OPERATIONS[name].annotations.destructive else fuzzed.ids
    path = fuzzed.schema.find_operation_by_id(name).path
    return {k: v for k, v in known.items() if f"{{{k}}}" in path}


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_a_stranger_reaches_nothing_by_its_id(name: str, fuzzed: Fuzzed) -> None:
    path = parameters_of(name, fuzzed)
    if not path:
        return
    operation = fuzzed.schema.find_operation_by_id(name)
    refusal = REFUSALS.get(name, 404)
    seen = set()

    @ONE_BY_ONE
    @given(operation.as_strategy(path_parameters=path))
    def ask(case: Case[Json]) -> None:
        answer = case.call(base_url=fuzzed.url, headers=dict(fuzzed.stranger))
        # What does not fit the arguments is refused before anything is looked for.
        assert answer.status_code in {400, refusal}, answer.text
        seen.add(answer.status_code)
        assert not {"lasting", "passing"} & {*re.findall(r"\w+", answer.text)}

    ask()
    assert refusal in seen


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_whatever_is_asked_the_answer_is_one_that_the_document_describes(
    name: str, fuzzed: Fuzzed
) -> None:
    operation = fuzzed.schema.find_operation_by_id(name)
    path = parameters_of(name, fuzzed)
    fitting = operation.as_strategy(path_parameters=path or None)

    @SEVERAL
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
