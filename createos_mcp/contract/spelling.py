"""Spelling: names of members that mean the same, however they are written."""

import re
from functools import lru_cache

_CACHE_SIZE = 4096
"""Records repeat the names of their members."""

_SEPARATOR = re.compile(r"[^a-z0-9]")


LONGEST_KEPT = 100
"""A longer name is none of the API's, and is not kept for the next time."""


def normalize_name(name: str) -> str:
    """`apiKey`, `api_key` and `API-Key` are one name."""
    return _normalize_kept(name) if len(name) <= LONGEST_KEPT else _normalize(name)


def _normalize(name: str) -> str:
    return _SEPARATOR.sub("", name.lower())


_normalize_kept = lru_cache(_CACHE_SIZE)(_normalize)
