import mcp_types
import pytest
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.errors import SelectionError
from createos_mcp.contract.values import Json
from createos_mcp.server.toolsets import Selection
from tests.agents import CATALOG, agent, data_of, remote_agent, text_of
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"
SEARCH_TOOLS = {"SearchTools", "DescribeTool", "CallTool"}


TOOLS = {tool.name: tool for tool in CATALOG.tools}


def selection(**given: Json) -> Selection:
    names = {"toolsets", "tools", "exclude_tools"}
    values: Json = {k: frozenset(v) if k in names else v for k, v in given.items()}
    return Selection(**values)


def of_groups(*groups: str) -> set[str]:
    return {name for name, o in TOOLS.items() if o.group in groups}


ALL = set(TOOLS)
DEFAULT = ALL - of_groups("templates", "cronjobs")
READING = {name for name, o in TOOLS.items() if o.annotations.read_only}

CHOICES: dict[str, tuple[Json, set[str]]] = {
    "nothing chosen": ({}, DEFAULT | SEARCH_TOOLS),
    "all": ({"toolsets": ["all"]}, ALL),
    "groups": ({"toolsets": ["projects", "cronjobs"]}, of_groups("projects", "cronjobs")),
    "default and a group": ({"toolsets": ["default", "templates"]}, ALL - of_groups("cronjobs")),
    "tools alone": ({"tools": ["GetProject", "ListCronjobs"]}, {"GetProject", "ListCronjobs"}),
    "tools beside a group": (
        {"toolsets": ["account"], "tools": ["GetProject"]},
        of_groups("account") | {"GetProject"},
    ),
    "without some": (
        {"toolsets": ["account"], "exclude_tools": ["GetQuotas"]},
        of_groups("account") - {"GetQuotas"},
    ),
    "read-only": ({"read_only": True}, (DEFAULT & READING) | SEARCH_TOOLS),
    "dynamic": ({"toolsets": ["dynamic"]}, SEARCH_TOOLS),
    "dynamic and a group": (
        {"toolsets": ["dynamic", "account"]},
        of_groups("account") | SEARCH_TOOLS,
    ),
}


@both_eras
@pytest.mark.parametrize(("chosen", "listed"), CHOICES.values(), ids=CHOICES)
async def test_the_operator_chooses_what_is_listed(
    era: Era, chosen: Json, listed: set[str]
) -> None:
    async with agent(era, selection=selection(**chosen)) as here:
        tools = await here.tools()
    assert set(tools) == listed
    assert list(tools) == sorted(tools)


@both_eras
@pytest.mark.parametrize(("chosen", "listed"), CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("place", ["headers", "query"])
async def test_a_caller_over_http_chooses_by_header_or_address(
    era: Era, place: str, chosen: Json, listed: set[str]
) -> None:
    written = {name: ",".join(v) if isinstance(v, list) else "true" for name, v in chosen.items()}
    names = {"read_only": "Readonly", "exclude_tools": "Exclude-Tools"}
    headers = {f"X-MCP-{names.get(name, name)}": text for name, text in written.items()}
    query = "?" + "&".join(f"{name}={text}" for name, text in written.items())
    options: Json = {"headers": headers} if place == "headers" else {"query": query}
    async with remote_agent(era, **options) as there:
        assert set(await there.tools()) == listed


async def test_what_the_operator_chose_is_the_most_that_a_caller_gets() -> None:
    bound = selection(toolsets=["projects", "account"], read_only=True)
    headers = {"X-MCP-Toolsets": "projects,domains", "X-MCP-Readonly": "false"}
    async with remote_agent(headers=headers, selection=bound) as there:
        assert set(await there.tools()) == of_groups("projects") & READING
        for tool in ("ListDomains", "DeleteProject", "GetQuotas"):
            with pytest.raises(MCPError, match="not offered here"):
                await there.call(tool, project_id=ID)
        assert there.api.asked == []


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-MCP-Toolsets": "projcets"}, ("X-MCP-Toolsets", "'projcets'", "projects")),
        ({"X-MCP-Tools": "GetProjct"}, ("X-MCP-Tools", "GetProject")),
        ({"X-MCP-Exclude-Tools": "zzz"}, ("X-MCP-Exclude-Tools", "'zzz'")),
        ({"X-MCP-Readonly": "maybe"}, ("X-MCP-Readonly", "true or false")),
    ],
)
async def test_a_caller_who_asks_for_what_is_not_there_is_told(
    headers: dict[str, str], words: tuple[str, ...]
) -> None:
    async with remote_agent(headers=headers) as there:
        with pytest.raises(MCPError) as refusal:
            await there.tools()
        assert refusal.value.error.code == mcp_types.INVALID_PARAMS
        for word in words:
            assert word in str(refusal.value)


async def test_an_operator_who_offers_what_is_not_there_is_told() -> None:
    with pytest.raises(SelectionError, match=r"CREATEOS_TOOLSETS .*did you mean domains"):
        async with agent(selection=selection(toolsets=["domain"])):
            pass


@both_eras
async def test_a_pinned_project_leaves_every_schema_and_is_filled_in(era: Era) -> None:
    async with agent(era, selection=selection(project="my-app", toolsets=["all"])) as here:
        here.api.data["/v1/projects"] = [{"id": ID, "uniqueName": "my-app"}]
        tools = await here.tools()
        for tool in tools.values():
            assert not {"project_id", "projectId", "projectIds"} & set(
                tool.input_schema["properties"]
            )
            assert "project_id" not in tool.input_schema.get("required", ())
        await here.call("ListDomains")
        await here.call("ListDomains", project_id="my-app")
        refused = await here.call("ListDomains", project_id="another")
    assert here.api.sent("GET").count(f"/v1/projects/{ID}/domains") == 2
    assert "pinned to one project" in text_of(refused)
    assert not {"CreateProject", "ListProjects", "AddProjectsToApp"} & set(tools)


async def test_a_caller_cannot_leave_the_operators_project() -> None:
    bound = selection(project="my-app")
    async with remote_agent(headers={"X-MCP-Project": "other"}, selection=bound) as there:
        with pytest.raises(MCPError, match=r"X-MCP-Project.*another project"):
            await there.call("ListDomains")


@both_eras
async def test_the_list_is_the_same_after_searching_and_calling(era: Era) -> None:
    async with agent(era) as here:
        before = await here.tools()
        await here.call("SearchTools", query="cron")
        await here.call("CallTool", name="ListCronjobs", arguments={"project_id": ID})
        assert await here.tools() == before


@both_eras
async def test_a_tool_that_is_not_listed_is_found_described_and_called(era: Era) -> None:
    async with agent(era, selection=selection(toolsets=["dynamic"])) as here:
        found = data_of(await here.call("SearchTools", query="pause the nightly cron job"))
        assert "SuspendCronjob" in [row["name"] for row in found["items"]]
        described = data_of(await here.call("DescribeTool", name="SuspendCronjob"))
        assert described["inputSchema"] == CATALOG.operations["SuspendCronjob"].input_schema
        arguments = {"project_id": ID, "cronjob_id": ID}
        result = await here.call("CallTool", name="SuspendCronjob", arguments=arguments)
    assert data_of(result) == {"id": "p1"}
    assert here.api.sent("POST") == [f"/v1/projects/{ID}/cronjobs/{ID}/suspend"]


async def test_a_search_finds_no_more_than_may_be_called() -> None:
    bound = selection(toolsets=["dynamic"], read_only=True, exclude_tools=["ListProjects"])
    async with agent(selection=bound) as here:
        found = data_of(await here.call("SearchTools", query="project", limit=20))["items"]
        names = {row["name"] for row in found}
        assert names
        assert names <= READING - {"ListProjects"}
        call = (await here.tools())["CallTool"].annotations
        assert call is not None
        assert call.read_only_hint
        with pytest.raises(MCPError, match="not offered"):
            await here.call("CallTool", name="DeleteProject", arguments={"project_id": ID})
        assert here.api.asked == []


async def test_bad_arguments_of_the_search_tools_are_reported_like_any_others() -> None:
    async with agent() as here:
        assert "query" in text_of(await here.call("SearchTools", limit=99))
        with pytest.raises(MCPError, match="GetProject"):
            await here.call("DescribeTool", name="GetProjekt")
