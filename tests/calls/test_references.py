from typing import TypeAlias

import pytest
from typing_extensions import override

from createos_mcp.calls.references import References
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.errors import UnresolvedNameError
from createos_mcp.contract.operations import Operation
from createos_mcp.contract.values import Arguments, Json

CATALOG = load_catalog()

PROJECT, OTHER = "3f0c9a52-0000-4000-8000-000000000001", "3f0c9a52-0000-4000-8000-000000000002"
ENVIRONMENT, DOMAIN = "3f0c9a52-0000-4000-8000-000000000003", "3f0c9a52-0000-4000-8000-000000000004"
NEW, OLD = "3f0c9a52-0000-4000-8000-000000000005", "3f0c9a52-0000-4000-8000-000000000006"

Lists: TypeAlias = dict[str, list[Json]]

LISTS: Lists = {
    "ListProjects": [
        {"id": PROJECT, "uniqueName": "my-app"},
        {"id": OTHER, "uniqueName": "My-App-2"},
    ],
    "ListProjectEnvironments": [{"id": ENVIRONMENT, "uniqueName": "production"}],
    "ListDeployments": [
        {"id": OLD, "createdAt": "2026-01-01T00:00:00Z", "versionNumber": 1, "status": "sleeping"},
        {"id": NEW, "createdAt": "2026-01-02T02:45:00Z", "versionNumber": 2, "status": "deployed"},
    ],
    "ListDomains": [{"id": DOMAIN, "name": "api.example.com"}],
    "ListApps": [{"id": OTHER, "name": "shop"}],
    "ListAPIKeys": [
        {"id": OLD, "name": "bot"},
        {"id": NEW, "name": "twin"},
        {"id": OTHER, "name": "twin"},
    ],
}


class Api:
    """Lists as the API gives them, page by page where the operation has pages."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self.asked: list[tuple[str, Arguments]] = []

    async def fetch(self, operation: Operation, arguments: Arguments) -> Json:
        self.asked.append((operation.name, arguments))
        rows = self.lists[operation.name]
        if "limit" not in operation.input_schema["properties"]:
            return rows
        offset, limit = arguments["offset"], arguments["limit"]
        page = rows[offset : offset + limit]
        return {"data": page, "pagination": {"total": len(rows), "offset": offset, "limit": limit}}


async def resolve(arguments: Arguments, lists: Lists = LISTS) -> tuple[Arguments, Api]:
    api = Api(lists)
    return await References(CATALOG).resolve(arguments, api.fetch), api


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"project_id": "my-app"}, {"project_id": PROJECT}),
        (
            {"project_id": "my-app", "environment_id": "production"},
            {"project_id": PROJECT, "environment_id": ENVIRONMENT},
        ),
        (
            {"project_id": PROJECT, "deployment_id": "latest"},
            {"project_id": PROJECT, "deployment_id": NEW},
        ),
        (
            {"project_id": PROJECT, "domain_id": "api.example.com"},
            {"project_id": PROJECT, "domain_id": DOMAIN},
        ),
        *(
            (
                {"project_id": PROJECT, "deployment_id": given},
                {"project_id": PROJECT, "deployment_id": OLD},
            )
            for given in ("1", "v1", "V1", "`v1`", OLD[:-1] + "6", f'"{OLD}"')
        ),
        ({"project_id": "`my-app`"}, {"project_id": PROJECT}),
        ({"app_id": "shop"}, {"app_id": OTHER}),
        ({"api_key_id": "bot"}, {"api_key_id": OLD}),
        ({"projectIds": ["my-app", OTHER]}, {"projectIds": [PROJECT, OTHER]}),
    ],
)
async def test_a_name_becomes_the_id_it_stands_for(given: Arguments, becomes: Arguments) -> None:
    assert (await resolve(given))[0] == becomes


async def test_ids_and_other_arguments_are_left_alone_without_a_request() -> None:
    given = {"project_id": PROJECT, "deployment_id": NEW, "name": "my-app", "limit": 3}
    resolved, api = await resolve(given)
    assert resolved == given
    assert api.asked == []


@pytest.mark.parametrize("name", ["MY-APP", "my-ap", "latest", "*", ""])
async def test_only_an_exact_name_matches_and_the_candidates_are_named(name: str) -> None:
    with pytest.raises(UnresolvedNameError) as refusal:
        await resolve({"project_id": name})
    assert refusal.value.argument == "project_id"
    assert "my-app" in str(refusal.value)
    assert "My-App-2" in str(refusal.value)


async def test_an_ambiguous_name_lists_what_it_could_mean_with_their_ids() -> None:
    with pytest.raises(UnresolvedNameError) as refusal:
        await resolve({"api_key_id": "twin"})
    assert NEW in str(refusal.value)
    assert OTHER in str(refusal.value)
    assert OLD not in str(refusal.value)


async def test_a_name_where_nothing_exists_says_so() -> None:
    with pytest.raises(UnresolvedNameError, match="You do not have a project yet"):
        await resolve({"project_id": "my-app"}, {**LISTS, "ListProjects": []})
    with pytest.raises(UnresolvedNameError, match="You do not have a deployment yet"):
        await resolve(
            {"project_id": PROJECT, "deployment_id": "latest"}, {**LISTS, "ListDeployments": []}
        )


async def test_lists_are_paged_through_to_the_end() -> None:
    rows = [
        {"id": f"{number:08d}-0000-4000-8000-000000000000", "uniqueName": f"app-{number}"}
        for number in range(45)
    ]
    resolved, api = await resolve({"project_id": "app-44"}, {**LISTS, "ListProjects": rows})
    assert resolved["project_id"] == rows[44]["id"]
    assert [arguments["offset"] for _, arguments in api.asked] == [0, 20, 40]


async def test_a_total_that_never_comes_does_not_loop() -> None:
    class Endless(Api):
        @override
        async def fetch(self, operation: Operation, arguments: Arguments) -> Json:
            self.asked.append((operation.name, arguments))
            return {"data": [], "pagination": {"total": 10**9}}

    api = Endless(LISTS)
    with pytest.raises(UnresolvedNameError):
        await References(CATALOG).resolve({"project_id": "x"}, api.fetch)
    assert len(api.asked) == 1


async def test_one_list_serves_all_names_of_a_call() -> None:
    _, api = await resolve({"projectIds": ["my-app", "My-App-2"]})
    assert [name for name, _ in api.asked] == ["ListProjects"]


async def test_a_name_whose_list_needs_another_argument_is_left_for_the_api() -> None:
    assert (await resolve({"environment_id": "production"}))[0] == {"environment_id": "production"}


async def test_a_list_is_read_in_the_project_that_the_call_names_in_its_own_spelling() -> None:
    resolved, api = await resolve({"projectId": PROJECT, "environmentId": "production"})

    assert resolved == {"projectId": PROJECT, "environmentId": ENVIRONMENT}
    assert [(name, scope["project_id"]) for name, scope in api.asked] == [
        ("ListProjectEnvironments", PROJECT)
    ]


async def test_six_characters_of_an_id_are_enough_where_one_begins_with_them() -> None:
    ids = ("aaaaaa11-0000-4000-8000-000000000001", "aaaaaa22-0000-4000-8000-000000000001")
    lists: Lists = {**LISTS, "ListDeployments": [{"id": one} for one in ids]}
    wanted = {"project_id": PROJECT, "deployment_id": "AAAAAA22"}
    resolved, _ = await resolve(wanted, lists)
    assert resolved["deployment_id"] == ids[1]
    with pytest.raises(UnresolvedNameError, match="aaaaaa11"):
        await resolve({**wanted, "deployment_id": "aaaaaa"}, lists)


async def test_deployments_are_told_by_version_time_and_state() -> None:
    with pytest.raises(UnresolvedNameError, match="v2 3f0c9a52 02:45 deployed, v1 3f0c9a52 00:00"):
        await resolve({"project_id": PROJECT, "deployment_id": "v7"})


async def test_the_nearest_names_come_first_and_few_of_them() -> None:
    rows = [
        {"id": f"{n:08}-0000-4000-8000-000000000001", "uniqueName": f"a-{n}"} for n in range(30)
    ]
    rows.append({"id": PROJECT, "uniqueName": "web-shop"})
    with pytest.raises(UnresolvedNameError) as raised:
        await resolve({"project_id": "webshop"}, {**LISTS, "ListProjects": rows})
    assert str(raised.value).index("web-shop") < str(raised.value).index("a-1")
    assert str(raised.value).count("a-") == 9
