"""What the steps of a Dockerfile mount: secrets and caches.

https://docs.docker.com/reference/dockerfile/#run---mount
"""

import re

_CONTINUED = re.compile(r"[\\`][ \t]*\n")
_MOUNTS_SECRET = re.compile(r"^\s*RUN\s.*--mount=\S*type=secret", re.IGNORECASE | re.MULTILINE)
_SECRET = re.compile(r"--mount=(\S*type=secret\S*)", re.IGNORECASE)
_SECRET_ID = re.compile(r"(?:^|,)id=([A-Za-z0-9_]+)(?:,|$)")
_CACHE = re.compile(r"--mount=\S*type=cache\S*[ \t]*", re.IGNORECASE)


def mounts_secrets(dockerfile: str) -> bool:
    """Whether a step asks for a secret."""
    return _MOUNTS_SECRET.search(_CONTINUED.sub(" ", dockerfile)) is not None


def secret_ids(dockerfile: str) -> set[str]:
    """The names of the secrets that steps ask for."""
    return {
        found[1]
        for mount in _SECRET.findall(_CONTINUED.sub(" ", dockerfile))
        for found in _SECRET_ID.finditer(mount)
    }


def without_caches(dockerfile: str) -> str:
    """The same, with steps that have no caches to begin with and leave none."""
    return _CACHE.sub("", dockerfile)
