"""Spelling: names of members that mean the same, however they are written."""

import re
from functools import lru_cache

_CACHE_SIZE = 4096
"""Records repeat the names of their members."""

_SEPARATOR = re.compile(r"[^a-z0-9]")


@lru_cache(_CACHE_SIZE)
def normalize_name(name: str) -> str:
    """`apiKey`, `api_key` and `API-Key` are one name."""
    return _SEPARATOR.sub("", name.lower())
