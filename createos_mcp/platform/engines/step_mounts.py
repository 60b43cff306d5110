"""What the steps of a Dockerfile mount: secrets and caches.

https://docs.docker.com/reference/dockerfile/#run---mount
"""

import re
from collections.abc import Iterator

_CONTINUED = re.compile(r"[\\`][ \t]*\n")
_MOUNT = re.compile(r"--mount=[^\s\\]*[ \t]*", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9_]+")


def mounts_secrets(dockerfile: str) -> bool:
    """Whether a step asks for a secret."""
    return any(_kind_of(mount) == "secret" for mount in _mounts_in(dockerfile))


def secret_ids(dockerfile: str) -> set[str]:
    """The names of the secrets that steps ask for."""
    secrets = (mount for mount in _mounts_in(dockerfile) if _kind_of(mount) == "secret")
    named = (part.partition("=") for mount in secrets for part in mount.split(","))
    return {value for key, _, value in named if key == "id" and _ID.fullmatch(value)}


def without_caches(dockerfile: str) -> str:
    """The same, with steps that have no caches to begin with and leave none."""
    return _MOUNT.sub(
        lambda found: "" if _kind_of(_value_of(found[0])) == "cache" else found[0], dockerfile
    )


def _mounts_in(dockerfile: str) -> Iterator[str]:
    for line in _CONTINUED.sub(" ", dockerfile).splitlines():
        instruction, *words = line.split() or [""]
        if instruction.upper() == "RUN":
            yield from (_value_of(word) for word in words if word.lower().startswith("--mount="))


def _value_of(word: str) -> str:
    return word.partition("=")[2].strip()


def _kind_of(mount: str) -> str:
    """`secret` of `type=secret,id=TOKEN`."""
    parts = (part.lower().partition("=") for part in mount.split(","))
    return next((value for key, _, value in parts if key == "type"), "bind")
