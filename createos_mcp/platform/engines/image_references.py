"""References of images: https://pkg.go.dev/github.com/distribution/reference."""

import re
from dataclasses import dataclass
from typing import Self

from createos_mcp.platform.errors import InvalidRequestError

_HUB = "docker.io"
_ITS_OTHER_NAME = "index.docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|\[[0-9a-fA-F:]+\])(?::\d+)?"
    rf"|[A-Za-z0-9-]+:\d+)/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MAX_CHARACTERS = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReference:
    """What names an image: `nginx:1.27`, `registry.example.com:5000/team/app@sha256:...`."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            InvalidRequestError: It is none.
        """
        found = _REFERENCE.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
        if found is None:
            raise InvalidRequestError(
                f"image: {text[:80]!r} is not an image reference. Use name:tag, "
                "registry.example.com:5000/team/name:tag or name@sha256:digest, in lower case."
            )
        path = found["path"]
        host = _HUB if found["host"] in {None, _ITS_OTHER_NAME} else found["host"]
        if host == _HUB and "/" not in path:
            path = f"library/{path}"
        digest = found["digest"]
        return cls(
            registry=host,
            repository=path,
            tag=found["tag"] or (None if digest else "latest"),
            digest=digest,
        )

    @property
    def name(self) -> str:
        """Registry and repository, as the engine knows them."""
        return f"{self.registry}/{self.repository}"

    @property
    def text(self) -> str:
        """The whole reference."""
        if self.digest:
            return f"{self.name}@{self.digest}"
        return f"{self.name}:{self.tag}"

    def at(self, digest: str) -> str:
        """The very image of a digest."""
        return f"{self.name}@{digest}"
