import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.server.search import ToolIndex
from createos_mcp.server.toolsets import Selection
from tests.agents import agent, data_of

CATALOG = load_catalog()
INDEX = ToolIndex(CATALOG.tools, CATALOG.utterances)
EVERY = load_catalog(local=True)
WHOLE_INDEX = ToolIndex(EVERY.tools, EVERY.utterances)
CASES = Path(__file__).parents[1] / "cases"

FOUND_AMONG = 3
LEAST_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Request:
    request: str
    tool: str
    held_out: bool


REQUESTS = [Request(**row) for row in json.loads((CASES / "requests.json").read_text())]


@dataclass(frozen=True, kw_only=True)
class OthersRequest:
    """A request by other hands, and all tools that are right; none where no tool does it."""

    request: str
    tools: tuple[str, ...]
    held_out: bool = True

    @property
    def is_answered(self) -> bool:
        """Whether a right tool is among the first, or it is said that there is none."""
        names = {tool.name for tool in EVERY.tools}
        ranked = WHOLE_INDEX.search(self.request, among=names, limit=FOUND_AMONG)
        return bool({*(self.tools or [None])} & {*(ranked or [None])})


OTHERS = [
    OthersRequest(**row) for row in json.loads((CASES / "requests_of_others.json").read_text())
]
UNSEEN = [OthersRequest(**row) for row in json.loads((CASES / "requests_unseen.json").read_text())]
"""Nobody has looked at those that are missed: what counts is that others are missed no more."""

STRANGERS = [
    OthersRequest(**row) for row in json.loads((CASES / "requests_of_strangers.json").read_text())
]
"""The same, written after all else was settled, from public questions and in thirty voices."""


def found(
    request: str,
    *,
    among: Collection[str] = CATALOG.operations.keys(),
    limit: int = FOUND_AMONG,
) -> list[str]:
    """Names that are found; `none` stands for that no tool does it."""
    return [name or "none" for name in INDEX.search(request, among=among, limit=limit)]


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def test_no_request_that_is_held_out_is_among_what_was_learned() -> None:
    learned = {plain(said) for row in EVERY.utterances for said in row.said}
    held_out = [row.request for row in REQUESTS if row.held_out]
    held_out += [row.request for row in (*OTHERS, *UNSEEN, *STRANGERS) if row.held_out]
    assert len(learned) > 4000
    assert not learned & {*map(plain, held_out)}


def test_each_tool_has_utterances_of_its_own() -> None:
    named = {name for row in EVERY.utterances for name in row.tools}
    assert named == {tool.name for tool in EVERY.tools}


def test_the_requests_are_many_mean_every_tool_and_half_of_them_are_held_out() -> None:
    assert len(REQUESTS) >= 120
    assert {request.tool for request in REQUESTS} == CATALOG.operations.keys()
    assert abs(sum(request.held_out for request in REQUESTS) * 2 - len(REQUESTS)) <= 1


@pytest.mark.parametrize("held_out", [False, True], ids=["tuned on", "held out"])
def test_the_right_tool_is_among_the_first_three(held_out: bool) -> None:  # noqa: FBT001
    requests = [request for request in REQUESTS if request.held_out is held_out]
    missed = [r for r in requests if r.tool not in found(r.request)]
    assert len(missed) <= len(requests) * (1 - LEAST_SHARE), missed


def test_more_than_a_quarter_of_the_requests_of_others_ask_for_what_no_tool_does() -> None:
    assert len(OTHERS) >= 120
    assert sum(not request.tools for request in OTHERS) >= len(OTHERS) * 0.25
    assert {name for request in OTHERS for name in request.tools} <= {t.name for t in EVERY.tools}


@pytest.mark.parametrize("held_out", [False, True], ids=["tuned on", "held out"])
def test_the_right_tool_or_that_there_is_none_is_told_first(held_out: bool) -> None:  # noqa: FBT001
    requests = [request for request in OTHERS if request.held_out is held_out]
    missed = [request for request in requests if not request.is_answered]
    assert len(missed) <= len(requests) * (1 - LEAST_SHARE), missed


@pytest.mark.parametrize("requests", [UNSEEN, STRANGERS], ids=["unseen", "strangers"])
def test_requests_that_nothing_was_tuned_on_are_answered(requests: list[OthersRequest]) -> None:
    answered = sum(request.is_answered for request in requests)
    assert answered >= len(requests) * LEAST_SHARE, f"{answered} of {len(requests)}"


def test_nearly_a_third_of_what_strangers_ask_for_is_done_by_no_tool() -> None:
    assert len(STRANGERS) >= 120
    assert sum(not request.tools for request in STRANGERS) >= len(STRANGERS) * 0.3


@pytest.mark.parametrize("name", sorted(CATALOG.operations))
def test_a_tool_is_found_by_its_own_name(name: str) -> None:
    assert name in found(name)


def test_no_more_are_found_than_are_asked_for_nor_any_other_than_allowed() -> None:
    assert len(found("delete", limit=2)) == 2
    assert {*found("delete a project", among={"GetProject"})} <= {"GetProject", "none"}


@pytest.mark.parametrize(
    "request_text",
    [
        "is everything healthy in my app",
        "alert me when the deployment is down",
        "how is my project doing",
        "which API keys are there",
        "what happened with the cron job last night",
    ],
)
def test_nothing_that_ends_something_comes_first_unless_the_words_mean_it(
    request_text: str,
) -> None:
    assert not found(request_text)[0].startswith(("Delete", "Remove", "Revoke", "Cancel"))


@pytest.mark.parametrize("request_text", ["get rid of my project", "kill the deployment"])
def test_what_ends_something_comes_first_where_the_words_mean_it(request_text: str) -> None:
    assert any(name.startswith(("Delete", "Cancel")) for name in found(request_text))


@pytest.mark.parametrize("request_text", ["", "   ", "?!", "zzzz", "日本語", "x" * 100_000])
def test_what_means_nothing_finds_nothing(request_text: str) -> None:
    assert found(request_text) == []


def test_the_name_of_a_variable_is_not_taken_for_what_it_names() -> None:
    names = [tool.name for tool in EVERY.tools]
    ranked = WHOLE_INDEX.search("set DATABASE_URL", among=names, limit=1)
    assert ranked == ["SetEnvironmentVariables"]


async def test_what_no_tool_does_is_said_with_the_nearest_way() -> None:
    async with agent(selection=Selection(toolsets=frozenset({"dynamic"}))) as here:
        told = data_of(
            await here.call("SearchTools", query="send me a slack message when it fails")
        )
        nothing = data_of(await here.call("SearchTools", query="zzzz"))
    assert told["note"].startswith("No tool does that (notifications). Status tells")
    assert [row["name"] for row in told["items"]] == ["Status"]
    assert nothing["items"] == []
    assert "other" in nothing["note"]
