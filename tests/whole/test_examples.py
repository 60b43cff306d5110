"""The apps below `examples/`, each deployed with a name and its files, and nothing else."""

from pathlib import Path

import pytest

from tests.platform.platforms import read_page, running_platform
from tests.programs import needs

EXAMPLES = Path(__file__).parents[2] / "examples"

PAGES = {
    "hello-node": "Hello from hello-node!",
    "hello-python": "Hello from hello-python!",
    "express": "Hello from Express",
    "nextjs": "Hello from Next.js",
    "react-vite": "Hello from React",
    "astro": "Hello from Astro",
    "fastapi": "Hello from FastAPI",
    "flask": "Hello from Flask",
    "django": "Hello from Django, with 0 sessions",
    "go": "Hello from Go",
    "gin": "Hello from Gin",
    "rust": "Hello from Rust",
    "axum": "Hello from Axum",
    "bun": "Hello from Bun",
    "static": "Hello from a page",
}
BY_CARGO = {"rust", "axum"}
WORKER = "worker"
WITH_SERVICES = {"todo-postgres", "counter-valkey", "rag-pgvector"}
"""Deployed with a service each in tests/whole/test_service_examples.py."""
PATIENCE_S = 300.0


def read_files(directory: Path) -> dict[str, str]:
    return {
        file.relative_to(directory).as_posix(): file.read_text()
        for file in directory.rglob("*")
        if file.is_file() and "node_modules" not in file.parts
    }


def test_each_example_is_deployed_here() -> None:
    directories = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert directories - {"__pycache__"} == {*PAGES, WORKER, *WITH_SERVICES}


@pytest.mark.examples
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs("cargo") if name in BY_CARGO else ()) for name in PAGES]
)
async def test_an_example_goes_live_untouched(name: str, tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project(f"{name}-example")
        deployment_id = await api.upload(project_id, read_files(EXAMPLES / name))
        deployment = await api.wait(project_id, deployment_id, timeout_s=PATIENCE_S)

        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert PAGES[name] in await read_page(deployment["extra"]["endpoint"])


@pytest.mark.examples
async def test_the_worker_runs_without_an_address(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(read_files(EXAMPLES / WORKER))
        assert deployment["status"] == "deployed"
        assert deployment["extra"]["worker"] is True
