import pytest

from createos_mcp.answers.logs import view_log
from createos_mcp.contract.values import Json
from tests.agents import CATALOG, agent, data_of
from tests.eras import Era, both_eras

ID = "3f0c9a52-0000-4000-8000-000000000001"

ROWS = [
    {"lineNumber": 1, "stage": "install", "log": "npm ci"},
    {"lineNumber": 2, "stage": "install", "log": "npm ERR! missing script"},
    {"lineNumber": 3, "stage": "build", "log": "vite build"},
    {"lineNumber": 4, "stage": "build", "log": "Error: no entry"},
]

VIEWS: dict[str, tuple[Json, str]] = {
    "one stage": ({"stage": "Build"}, "build | vite build\nbuild | Error: no entry"),
    "one stage with blanks around it": (
        {"stage": " build "},
        "build | vite build\nbuild | Error: no entry",
    ),
    "a text in any case": ({"grep": "error"}, "build | Error: no entry"),
    "one of two texts": (
        {"grep": "err!|entry"},
        "install | npm ERR! missing script\nbuild | Error: no entry",
    ),
    "the end": ({"tail": 1}, "build | Error: no entry"),
    "the end of what is found": ({"grep": "npm", "tail": 1}, "install | npm ERR! missing script"),
    "nothing": ({"grep": "zzz"}, ""),
}


@pytest.mark.parametrize(("arguments", "shown"), VIEWS.values(), ids=VIEWS)
def test_a_log_shows_the_lines_that_are_asked_for(arguments: Json, shown: str) -> None:
    assert view_log(ROWS, arguments) == shown


def test_a_pattern_is_taken_as_text() -> None:
    assert view_log("a.c\nabc\n(a+)+$", {"grep": "(a+)+$"}) == "(a+)+$"
    assert view_log("a.c\nabc", {"grep": "a.c"}) == "a.c"


def test_repeated_lines_are_folded_whatever_their_time() -> None:
    retries = [f"2026-01-01T00:00:{second:02}Z connection refused" for second in range(42)]
    log = "\n".join(["start", *retries, "end", "end"])
    assert view_log(log, {}) == f"start\n{retries[0]}\n… repeated 41 times\nend\nend"


def test_lines_that_differ_are_not_folded() -> None:
    log = "\n".join(f"request {number}" for number in range(20))
    assert view_log(log, {}) == log


@both_eras
async def test_what_chooses_lines_is_not_sent_to_the_api(era: Era) -> None:
    template = CATALOG.operations["GetBuildLogs"].http.path
    path = template.replace("{project_id}", ID).replace("{deployment_id}", ID)
    async with agent(era) as here:
        here.api.data[path] = ROWS
        chosen = {"stage": "build", "grep": "error", "tail": 5, "skip": 2}
        result = await here.call("GetBuildLogs", project_id=ID, deployment_id=ID, **chosen)
    assert [asked.path for asked in here.api.asked if "logs" in asked.path] == [f"{path}?skip=2"]
    log = result.structured_content["log"] if result.structured_content else ""
    assert "build | Error: no entry" in log
    assert "vite" not in log


@both_eras
async def test_a_list_shows_what_tells_its_rows_apart(era: Era) -> None:
    project = {"id": ID, "uniqueName": "my-app", "status": "active", "settings": {"port": 80}}
    deployment = {
        "id": ID,
        "status": "deployed",
        "extra": {"endpoint": "e", "x": 1},
        "settings": {},
    }
    pagination = {"total": 1, "limit": 10, "offset": 0, "count": 1}
    async with agent(era) as here:
        here.api.data["/v1/projects"] = {"data": [project], "pagination": pagination}
        here.api.data[f"/v1/projects/{ID}"] = project
        here.api.data[f"/v1/projects/{ID}/deployments"] = {
            "data": [deployment],
            "pagination": pagination,
        }
        listed = data_of(await here.call("ListProjects"))
        whole = data_of(await here.call("GetProject", project_id=ID))
        deployments = data_of(await here.call("ListDeployments", project_id=ID))
    assert listed["items"] == [{"id": ID, "uniqueName": "my-app", "status": "active"}]
    assert listed["pagination"] == pagination
    assert whole == project
    assert deployments["items"] == [{"id": ID, "status": "deployed", "extra": {"endpoint": "e"}}]


@pytest.mark.parametrize(("times", "lines"), [(1, 1), (2, 2), (3, 2), (4, 2)])
def test_three_equal_lines_are_folded_and_two_are_not(times: int, lines: int) -> None:
    shown = view_log("\n".join(["same"] * times), {})

    assert len(str(shown).splitlines()) == lines
    assert ("repeated" in str(shown)) is (times >= 3)


def test_the_end_of_a_long_log_is_shown_and_the_rest_counted() -> None:
    log = "\n".join(f"line {number} is its own" for number in range(250))

    shown = view_log(log, {}, most=100).splitlines()

    assert shown[0] == "[150 earlier lines; tail or grep shows them]"
    assert len(shown) == 101
    assert len(view_log(log, {"tail": 200}, most=100).splitlines()) == 200
