"""Where the platform keeps its files, all under one directory that its owner alone can read."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataDir:
    """The data directory and the place of each thing in it."""

    root: Path

    @property
    def database(self) -> Path:
        """SQLite database: everything that the API has acknowledged."""
        return self.root / "platform.db"

    @property
    def traffic(self) -> Path:
        """SQLite database: counts of requests; may be deleted while the platform is stopped."""
        return self.root / "traffic.db"

    @property
    def key_file(self) -> Path:
        """The first user's API key, readable by its owner alone."""
        return self.root / "key"

    @property
    def sealing_key(self) -> Path:
        """Key of the secrets in the database, readable by its owner alone."""
        return self.root / "sealing.key"

    @property
    def state_file(self) -> Path:
        """Process id, start time and addresses of the running platform."""
        return self.root / "platform.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that starts the platform, and by the platform while it runs."""
        return self.root / "platform.lock"

    @property
    def log_file(self) -> Path:
        """Log of the platform itself."""
        return self.root / "platform.log"

    @property
    def toolchains(self) -> Path:
        """Runtimes that were fetched from package registries."""
        return self.root / "toolchains"

    @property
    def image_advisories(self) -> Path:
        """What the scanner of images knows of packages, fetched by it."""
        return self.root / "image-advisories"

    @property
    def sandbox(self) -> Path:
        """What every sandbox shares: the filter of system calls, and where DNS answers."""
        return self.root / "sandbox"

    @property
    def cache(self) -> Path:
        """Package managers' caches, a directory for each project."""
        return self.root / "cache"

    def repository(self, repository_id: int) -> Path:
        """A bare git repository."""
        return self.root / "repositories" / f"{repository_id}.git"

    @property
    def services(self) -> Path:
        """Databases and caches, a directory for each."""
        return self.root / "services"

    @property
    def service_certificate(self) -> Path:
        """Key and certificate for apps that ask their services for TLS; its owner's alone."""
        return self.root / "services.pem"

    def service(self, service_id: str) -> Path:
        """Data, backups and socket of a service; owned by it."""
        return self.services / service_id

    @property
    def volumes(self) -> Path:
        """What apps keep over their versions, a directory for each environment."""
        return self.root / "volumes"

    def volume(self, environment_id: str) -> Path:
        """The volumes of one environment."""
        return self.volumes / environment_id

    def template(self, template_id: str) -> Path:
        """Files of a template."""
        return self.root / "templates" / template_id

    def source(self, deployment_id: str) -> Path:
        """Uploaded files of a deployment, as they came."""
        return self.root / "sources" / deployment_id

    def release(self, deployment_id: str) -> Path:
        """What was built of them."""
        return self.root / "releases" / deployment_id

    @property
    def runs(self) -> Path:
        """A directory for each running replica."""
        return self.root / "run"

    def run(self, replica_id: str) -> Path:
        """The launcher's socket and exit code."""
        return self.runs / replica_id

    @property
    def releases(self) -> Path:
        """A directory for each deployment that is built."""
        return self.root / "releases"

    @property
    def logs(self) -> Path:
        """A directory for each deployment, kept for some time after it is deleted."""
        return self.root / "logs"

    def app_logs(self, deployment_id: str) -> Path:
        """What a deployment's replicas printed: a directory for each place."""
        return self.logs / deployment_id

    def app_log(self, deployment_id: str, route_id: str, number: int) -> Path:
        """Output of one replica."""
        return self.app_logs(deployment_id) / route_id / f"{number}.log"

    def all_of(self, deployment_id: str) -> tuple[Path, ...]:
        """Every directory that ends with a deployment; its logs stay for some time."""
        return self.source(deployment_id), self.release(deployment_id)

    def create(self) -> None:
        """Make the directory, for its owner alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)


RESTORED = "restored"
"""File of a service's directory that names the backup which its data is to be made of."""


def tree_bytes(place: Path) -> int:
    """Bytes below a place; links in what a tenant wrote are not followed.

    What goes away meanwhile is not counted.
    """
    if not place.is_dir() or place.is_symlink():
        return place.lstat().st_size if place.exists() else 0
    total = 0
    for directory, _, files in os.walk(place):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += Path(directory, name).lstat().st_size
    return total
