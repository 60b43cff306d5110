"""Kinds of services that run from images: the ones that are known, and any other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from createos_mcp.contract.values import Json
from createos_mcp.platform.engines.image_references import ImageReference
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.services.kinds import KINDS, ServiceKind, filled
from createos_mcp.platform.store.services import Service

SOCKET = "service.sock"
OWN_ROLE = "app"
OTHER = "image"
"""The kind of a service whose image nobody here knows."""


_PORTS = range(1, 65536)
_DATA_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._-]{1,64}){1,8}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageKind(ServiceKind):
    """A kind that a container engine runs; it has one password, which its image sets at first."""

    socket: str = SOCKET
    image: str
    data: str = ""
    """Where it keeps its data, `/data/db`; empty where it keeps none."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables of the image, with `{role}` and `{secret}`."""
    command: tuple[str, ...] = ()
    """In place of the image's own; empty to leave that."""

    def given(self, secret: str) -> dict[str, str]:
        """The variables of its container."""
        return {
            name: filled(value, role=OWN_ROLE, secret=secret, port=str(self.port))
            for name, value in self.environ.items()
        }

    def of(self, chosen: Mapping[str, Json]) -> "ImageKind":
        """The same with what was chosen for one service."""
        return replace(
            self,
            image=chosen.get("reference", self.image),
            port=chosen.get("port", self.port),
            data=chosen.get("dataPath", self.data),
            url=chosen.get("url", self.url),
            environ={**self.environ, **chosen.get("variables", {})},
        )


IMAGE_KINDS: Mapping[str, ImageKind] = {
    kind.name: kind
    for kind in (
        # https://hub.docker.com/_/mariadb
        ImageKind(
            name="mariadb",
            title="MariaDB, which speaks MySQL",
            version="11",
            image="docker.io/library/mariadb:11",
            port=3306,
            data="/var/lib/mysql",
            environ={
                "MARIADB_DATABASE": "app",
                "MARIADB_USER": "{role}",
                "MARIADB_PASSWORD": "{secret}",
                "MARIADB_ROOT_PASSWORD": "{secret}",
            },
            variable="DATABASE_URL",
            url="mysql://{role}:{secret}@127.0.0.1:{port}/app",
            memory_mb=512,
            schemes=("mysql", "mariadb"),
            parts={
                "MYSQL_HOST": "127.0.0.1",
                "MYSQL_PORT": "{port}",
                "MYSQL_USER": "{role}",
                "MYSQL_PASSWORD": "{secret}",
                "MYSQL_DATABASE": "app",
            },
        ),
        # https://hub.docker.com/_/mongo
        ImageKind(
            name="mongodb",
            title="MongoDB",
            version="8",
            image="docker.io/library/mongo:8",
            port=27017,
            data="/data/db",
            environ={
                "MONGO_INITDB_ROOT_USERNAME": "{role}",
                "MONGO_INITDB_ROOT_PASSWORD": "{secret}",
            },
            variable="MONGODB_URI",
            url="mongodb://{role}:{secret}@127.0.0.1:{port}/app?authSource=admin",
            memory_mb=512,
            schemes=("mongodb",),
        ),
        # https://github.com/minio/minio/tree/master/docs/docker
        ImageKind(
            name="minio",
            title="MinIO, which speaks S3",
            version="latest",
            image="docker.io/minio/minio:latest",
            port=9000,
            data="/data",
            environ={"MINIO_ROOT_USER": "{role}", "MINIO_ROOT_PASSWORD": "{secret}"},
            command=("minio", "server", "/data"),
            variable="S3_ENDPOINT",
            url="http://127.0.0.1:{port}",
            parts={
                "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "{role}",
                "AWS_SECRET_ACCESS_KEY": "{secret}",
                "AWS_REGION": "us-east-1",
            },
        ),
        ImageKind(
            name=OTHER,
            title="Any image",
            version="",
            image="",
            port=0,
            variable="SERVICE_URL",
            url="http://127.0.0.1:{port}",
        ),
    )
}
"""By name; facts of their images' own documentation."""


def choose_kind(name: str, image: Mapping[str, Json]) -> ServiceKind:
    """The kind of a service to be made, with what is said of its image.

    Raises:
        InvalidRequestError: A member is missing or wrong, or has no meaning for the kind.
    """
    if name not in IMAGE_KINDS:
        if image:
            raise InvalidRequestError(f"image: {name} does not run from one. Leave it out.")
        return KINDS[name]
    for member in ("reference", "port"):
        if name == OTHER and member not in image:
            raise InvalidRequestError(f"image.{member}: required for the kind {OTHER!r}.")
    kind = IMAGE_KINDS[name].of(image)
    _check(kind)
    return kind


def _check(kind: ImageKind) -> None:
    ImageReference.parse(kind.image)
    if kind.port not in _PORTS:
        raise InvalidRequestError("image.port: not a port; use 1 to 65535.")
    if kind.data and not _DATA_PATH.fullmatch(kind.data):
        raise InvalidRequestError("image.dataPath: use an absolute path such as /var/lib/data.")
    for variable, value in kind.environ.items():
        if not _VARIABLE.fullmatch(variable) or not isinstance(value, str):
            raise InvalidRequestError(
                f"image.variables: {variable[:64]!r} is not a variable with a text as its value."
            )


def kind_of(service: Service) -> ServiceKind:
    """The kind of a service, with what was chosen for it."""
    if service.kind in IMAGE_KINDS:
        return IMAGE_KINDS[service.kind].of(service.image or {})
    return KINDS[service.kind]
