import pytest

from createos_mcp.platform.gateway.path_patterns import (
    MAX_PATTERN_CHARS,
    OTHER,
    PATTERNS_PER_HOUR,
    PatternLimit,
    pattern_of,
)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/", "/"),
        ("/users/42/orders?page=2", "/users/{id}/orders"),
        ("/p/3f0c9a52-0000-4000-8000-000000000001", "/p/{id}"),
        ("/p/3F0C9A52-0000-4000-8000-000000000001/", "/p/{id}/"),
        ("/c/01ba4719c80b6fe911b091a7c05124b64eeece96", "/c/{id}"),
        ("/t/dGhlIHF1aWNrIGJyb3duIGZveA==", "/t/{id}"),
        ("/n/V1StGXR8_Z5jdHi6B-myT", "/n/{id}"),
        ("/u/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/u/{id}"),
        ("/k/cjld2cjxh0000qzrmn831i7rn", "/k/{id}"),
        ("/e/0123456789abcdef", "/e/{id}"),
        ("/e/0123456789abcde", "/e/0123456789abcde"),
        ("/v1/items", "/v1/items"),
        ("/blog/ten-ways-to-deploy-in-2026", "/blog/ten-ways-to-deploy-in-2026"),
        ("/ReactComponentsAndTheirProperties", "/ReactComponentsAndTheirProperties"),
        ("/a%2Fb/%C3%A9", "/a%2Fb/%C3%A9"),
        ("/static/app.3f2a9c8e.js", "/static/app.3f2a9c8e.js"),
        ("//double//", "//double//"),
        ("*", "*"),
    ],
)
def test_what_differs_from_request_to_request_becomes_an_id(path: str, pattern: str) -> None:
    assert pattern_of(path) == pattern


def test_a_pattern_is_cut_at_its_greatest_length() -> None:
    assert pattern_of("/a" * 500) == ("/a" * 500)[:MAX_PATTERN_CHARS]


def test_five_hundred_patterns_are_told_apart_as_the_docs_say() -> None:
    assert PATTERNS_PER_HOUR == 500


def test_patterns_above_the_limit_are_one_until_the_next_hour() -> None:
    limit = PatternLimit()
    for number in range(PATTERNS_PER_HOUR):
        assert limit.admit("one", 3600, f"/{number}") == f"/{number}"
    assert limit.admit("one", 3601, "/new") == OTHER
    assert limit.admit("one", 3601, "/7") == "/7"
    assert limit.admit("two", 3601, "/new") == "/new"
    assert limit.admit("one", 7200, "/new") == "/new"
