import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.server.search import ToolIndex

CATALOG = load_catalog()
INDEX = ToolIndex(CATALOG.operations.values(), CATALOG.synonyms)

FOUND_AMONG = 3
LEAST_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Request:
    request: str
    tool: str
    held_out: bool


REQUESTS = [
    Request(**row)
    for row in json.loads((Path(__file__).parents[1] / "cases" / "requests.json").read_text())
]


def found(request: str, *, limit: int = FOUND_AMONG) -> list[str]:
    return INDEX.search(request, among=CATALOG.operations.keys(), limit=limit)


def test_the_requests_are_many_mean_every_tool_and_half_of_them_are_held_out() -> None:
    assert len(REQUESTS) >= 120
    assert {request.tool for request in REQUESTS} == CATALOG.operations.keys()
    assert abs(sum(request.held_out for request in REQUESTS) * 2 - len(REQUESTS)) <= 1


@pytest.mark.parametrize("held_out", [False, True], ids=["tuned on", "held out"])
def test_the_right_tool_is_among_the_first_three(held_out: bool) -> None:  # noqa: FBT001
    requests = [request for request in REQUESTS if request.held_out is held_out]
    missed = [r for r in requests if r.tool not in found(r.request)]
    assert len(missed) <= len(requests) * (1 - LEAST_SHARE), missed


@pytest.mark.parametrize("name", sorted(CATALOG.operations))
def test_a_tool_is_found_by_its_own_name(name: str) -> None:
    assert name in found(name)


def test_no_more_are_found_than_are_asked_for_nor_any_other_than_allowed() -> None:
    assert len(found("delete", limit=2)) == 2
    assert INDEX.search("delete a project", among={"GetProject"}, limit=5) == ["GetProject"]


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


@pytest.mark.parametrize("request_text", ["", "   ", "?!", "zzzz", '" OR NEAR( *', "x" * 100_000])
def test_what_means_nothing_finds_nothing(request_text: str) -> None:
    assert found(request_text) == []
