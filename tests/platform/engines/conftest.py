from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.engines.daemons import DockerDaemon, docker_daemon, image_registry


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A Docker daemon of these tests, with the images that they run."""
    # A socket's path has to be short.
    directory = Path("/tmp") / f"createos-engine-{tmp_path_factory.getbasetemp().name}"
    with docker_daemon(directory) as started:
        yield started


@pytest.fixture(scope="session")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A daemon that is a swarm of one machine."""
    directory = Path("/tmp") / f"createos-swarm-{tmp_path_factory.getbasetemp().name}"
    with docker_daemon(directory, live_restore=False) as started:
        started.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        yield started


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry that needs no credentials."""
    with image_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address
