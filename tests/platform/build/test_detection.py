"""How an app is built and run, read from its files and settings."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.detection import Plan, make_plan
from createos_mcp.platform.errors import BuildFailedError
from tests.fuzzing import drawn

Files = Mapping[str, str]


def plan_of(root: Path, files: Files, settings: Mapping[str, Json] | None = None) -> Plan:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return make_plan(root, settings or {})


def package(**members: Json) -> str:
    return json.dumps({"name": "app", **members})


START = package(scripts={"start": "node x.js"}, dependencies={"left-pad": "1"})

PLANS: dict[str, tuple[Files, Mapping[str, Json]]] = {
    "node with a start script": (
        {"package.json": START},
        {"runtime": "node:20", "install": "npm install", "build": None, "run": "node x.js"},
    ),
    "node with a lock file": (
        {"package.json": START, "package-lock.json": "{}"},
        {"install": "npm ci"},
    ),
    "node with a main file alone": ({"server.js": ""}, {"run": "node server.js", "install": None}),
    "python with requirements": (
        {"main.py": "", "requirements.txt": "flask"},
        {"install": "uv pip install -r requirements.txt"},
    ),
    "python with a Procfile": (
        {"main.py": "", "Procfile": "web: python web.py"},
        {"run": "python web.py"},
    ),
    "FastAPI": (
        {"main.py": "app = FastAPI()"},
        {"run": "python -m uvicorn main:app --host 0.0.0.0 --port $PORT"},
    ),
    "Go": (
        {"go.mod": "module x"},
        {"runtime": "golang:1.25", "build": "go build -o ./app .", "run": "./app"},
    ),
    "Rust": (
        {"Cargo.toml": '[package]\nname = "web"'},
        {"build": "cargo build --release", "run": "./target/release/web"},
    ),
    "bun": ({"bun.lock": "", "package.json": START}, {"runtime": "bun:1.3"}),
    "pages": ({"index.html": "<p>"}, {"run": None, "output_dir": "."}),
    "pages in a folder": ({"public/index.html": "<p>"}, {"run": None, "output_dir": "public"}),
}


@pytest.mark.parametrize(("files", "expected"), PLANS.values(), ids=PLANS)
def test_files_say_how_an_app_is_built_and_run(
    files: Files, expected: Mapping[str, Json], tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, files)

    assert {name: getattr(plan, name) for name in expected} == expected


def test_settings_win_over_what_the_files_say(tmp_path: Path) -> None:
    settings = {
        "runtime": "node:22",
        "installCommand": "a",
        "buildCommand": "b",
        "runCommand": "c",
    }

    plan = plan_of(tmp_path, {"package.json": START}, settings)

    assert (plan.runtime, plan.install, plan.build, plan.run) == ("node:22", "a", "b", "c")


def test_a_setting_that_is_missing_is_completed_from_the_files(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"package.json": START}, {"installCommand": "true"})

    assert (plan.install, plan.run) == ("true", "node x.js")


REFUSED: dict[str, tuple[Files, ReasonCode]] = {
    "no app": ({"README.md": ""}, ReasonCode.NO_APP_FOUND),
    "nothing to start": ({"package.json": package()}, ReasonCode.NO_START_COMMAND),
    "package.json that is none": ({"package.json": "{"}, ReasonCode.UNREADABLE_MANIFEST),
    "Cargo.toml that is none": ({"Cargo.toml": "["}, ReasonCode.UNREADABLE_MANIFEST),
}


@pytest.mark.parametrize(("files", "code"), REFUSED.values(), ids=REFUSED)
def test_files_that_say_too_little_are_refused_with_a_code(
    files: Files, code: ReasonCode, tmp_path: Path
) -> None:
    with pytest.raises(BuildFailedError) as refusal:
        plan_of(tmp_path, files)
    assert refusal.value.code is code


def test_a_start_command_that_was_set_wins_over_a_folder_of_files(tmp_path: Path) -> None:
    files = {"package.json": package(scripts={"build": "vite build", "start": "vite preview"})}
    settings = {"framework": "vite-spa", "runCommand": "node serve.js"}

    assert plan_of(tmp_path, files, {"framework": "vite-spa"}).run is None
    assert plan_of(tmp_path, files, settings).run == "node serve.js"


ANY_TEXT = st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
CONFIGURATIONS = (
    *("Procfile", "package.json", "requirements.txt", "pyproject.toml", "Cargo.toml"),
    *("go.mod", "main.py", "bun.lock", ".env"),
)


@drawn(few=300)
@given(files=st.dictionaries(st.sampled_from(CONFIGURATIONS), ANY_TEXT, max_size=4))
def test_any_files_make_a_plan_or_a_reason(files: dict[str, str]) -> None:
    """What stands in an upload's own configuration is a stranger's."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            Path(directory, name).write_bytes(content.encode(errors="surrogateescape"))
        try:
            plan = make_plan(Path(directory), {"useBuildAI": True})
        except BuildFailedError as error:
            assert str(error)
        else:
            assert plan.runtime
