import os
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.steps import Steps
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.paths import DataDir
from tests.platform.platforms import read_page, running_platform
from tests.programs import needs

needs_cargo = needs("cargo")

STATIC = {"index.html": "<h1>static</h1>", "about/index.html": "about"}

SPA = {
    "package.json": '{"scripts": {"build": "mkdir dist && cp index.html dist/"},'
    ' "dependencies": {}, "devDependencies": {}}',
    "index.html": "<div id=app>",
}

EXPRESS = {
    "package.json": '{"dependencies": {"express": "^4.21.0"}, "scripts": {"start": "node app.js"}}',
    "app.js": """
const app = require("express")();
app.get("/", (request, answer) => answer.send("from express"));
app.listen(process.env.PORT);
""",
}

FASTAPI = {
    "requirements.txt": "fastapi\nuvicorn\n",
    "main.py": """
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def page():
    return "from fastapi"
""",
}

FLASK = {
    "requirements.txt": "flask==3.1.2\n",
    "app.py": """
from flask import Flask
app = Flask(__name__)
@app.get("/")
def page():
    return "from flask"
""",
}

GO = {
    "go.mod": "module example.com/hello\n\ngo 1.22\n",
    "main.go": """package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "from go") })
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
""",
}

BUN = {
    "bun.lock": '{"lockfileVersion": 1, "workspaces": {"": {"name": "app"}}}',
    "package.json": '{"name": "app", "scripts": {"start": "bun index.ts"}}',
    "index.ts": """
const greeting: string = "from bun";
Bun.serve({ port: Number(process.env.PORT), fetch: () => new Response(greeting) });
""",
}

RUST = {
    "Cargo.toml": '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": """
use std::io::{Read, Write};
fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\\r\\ncontent-length: 9\\r\\n\\r\\nfrom rust").unwrap();
    }
}
""",
}

BUILD_PATIENCE_S = 300
"""A compiler's first build of its standard library takes long on a busy machine."""

APPS: list[tuple[str, dict[str, str], Json, str]] = [
    ("static", STATIC, {}, "<h1>static</h1>"),
    ("static by runtime", {"public/index.html": "there"}, {"runtime": "static"}, "there"),
    ("fastapi", FASTAPI, {}, '"from fastapi"'),
    ("flask", FLASK, {"framework": "flask"}, "from flask"),
    ("go", GO, {}, "from go"),
    ("express", EXPRESS, {}, "from express"),
    ("bun", BUN, {}, "from bun"),
    ("spa", SPA, {"framework": "reactjs-spa", "runtime": "node:20"}, "<div id=app>"),
    ("node 22", {"index.js": EXPRESS["app.js"], **EXPRESS}, {"runtime": "node:22"}, "from express"),
]


async def deploys(root: Path, files: dict[str, str], settings: Json, page: str) -> None:
    async with running_platform(root) as api:
        project_id = await api.create_project(**settings)
        deployment_id = await api.upload(project_id, files)
        deployment = await api.wait(project_id, deployment_id, timeout_s=BUILD_PATIENCE_S)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == page


@pytest.mark.parametrize(
    ("files", "settings", "page"), [app[1:] for app in APPS], ids=[app[0] for app in APPS]
)
async def test_an_app_is_detected_built_and_answers(
    files: dict[str, str], settings: Json, page: str, tmp_path: Path
) -> None:
    await deploys(tmp_path, files, settings, page)


async def test_an_agents_bare_environment_is_enough_to_install_and_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ.keys() - {"PATH", "HOME"}:
        monkeypatch.delenv(name)
    bare = dict(os.environ)
    async with running_platform(tmp_path, variables=bare) as api:
        deployment = await api.deploy(FLASK)
        assert deployment["status"] == "deployed", await api.build_log(deployment)


async def test_a_build_fetches_no_browser_for_tests_and_tells_makers_of_tools_nothing(
    tmp_path: Path,
) -> None:
    settings: Json = {
        "runtime": "static",
        "buildCommand": "echo $CYPRESS_INSTALL_BINARY$DO_NOT_TRACK$HUSKY; touch index.html",
        "buildVars": {"HUSKY": "own"},
        "buildDir": ".",
    }
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"a.txt": ""}, **settings)
        assert (await api.build_log(deployment)).endswith("\n01own")


@pytest.mark.parametrize("runtime", ["node:20", "bun:1.3"])
async def test_a_machine_without_node_and_npm_fetches_them_from_the_python_registry(
    runtime: str, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    bare = {**os.environ, "PATH": str(programs)}
    files = {
        "package.json": '{"scripts": {"start": "node app.js"}, "dependencies": {"ms": "2.1.3"}}',
        "app.js": """
const page = String(require("ms")("2h"));
require("http").createServer((request, answer) => answer.end(page)).listen(process.env.PORT);
""",
    }
    async with running_platform(tmp_path / "data", variables=bare) as api:
        deployment = await api.deploy(files, runtime=runtime)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == "7200000"
        assert "Downloaded" in await api.build_log(deployment)


@needs_cargo
async def test_a_rust_app_is_built_with_the_machines_own_compiler(tmp_path: Path) -> None:
    await deploys(tmp_path, RUST, {}, "from rust")


async def test_every_path_of_a_single_page_app_answers_its_page_and_files_answer_themselves(
    tmp_path: Path,
) -> None:
    files = {"dist/index.html": "page", "dist/app.js": "code", "package.json": "{}"}
    settings = {
        "framework": "vuejs-spa",
        "runtime": "static",
        "buildDir": "dist",
    }
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(files, **settings)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        address = deployment["extra"]["endpoint"]
        assert await read_page(f"{address}/some/route") == "page"
        assert await read_page(f"{address}/app.js") == "code"


async def test_a_folder_of_the_upload_can_be_the_app(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        files = {"web/index.html": "in web", "README.md": ""}
        deployment = await api.deploy(files, directoryPath="web")
        assert await read_page(deployment["extra"]["endpoint"]) == "in web"
        wrong = await api.deploy(files, name="other-app", directoryPath="../..")
        assert wrong["status"] == "build_error"
        assert "directoryPath" in wrong["reason"]


ODD_MANIFEST = '{"main": 7, "scripts": "x", "dependencies": [], "devDependencies": null}'


@pytest.mark.parametrize(
    ("files", "settings", "words"),
    [
        ({"notes.txt": "x"}, {}, ("package.json", "index.html", "runtime")),
        ({"package.json": "{"}, {}, ("package.json", "JSON")),
        ({"package.json": "{}"}, {"runtime": "node:20"}, ("runCommand", "index.js")),
        ({"package.json": ODD_MANIFEST}, {}, ("runCommand", "index.js")),
        ({"Cargo.toml": "package = 3"}, {}, ("runCommand", "Cargo.toml")),
        ({"a": ""}, {"hasDockerfile": True}, ("hasDockerfile",)),
        ({"a": ""}, {"runtime": "dockerfile"}, ("hasDockerfile", "node:20")),
    ],
    ids=[
        "nothing",
        "not-json",
        "no-start",
        "odd-node",
        "odd-rust",
        "docker",
        "docker-runtime",
    ],
)
async def test_a_build_that_cannot_be_planned_says_what_is_missing(
    files: dict[str, str], settings: Json, words: tuple[str, ...], tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(files, **settings)
    assert deployment["status"] == "build_error"
    for word in words:
        assert word in deployment["reason"]


async def test_build_variables_reach_the_build_and_the_platforms_own_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CLOUD_PASSWORD", "hunter2")
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(
            {"index.html": "x"}, buildCommand="env", buildVars={"STAGE": "live"}
        )
        log = await api.build_log(deployment)
    assert "STAGE=live" in log
    assert "hunter2" not in log


async def test_links_that_a_build_left_in_its_cache_lead_the_platform_nowhere(
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.toml").write_text("kept")
    plant = f"cd $GOCACHE/../.. && for d in go cargo; do rm -rf $d; ln -s {outside} $d; done"
    async with running_platform(tmp_path / "data") as api:
        files = {"index.html": "x"}
        planted = await api.deploy(files, buildCommand=f"mkdir -p $GOCACHE && {plant}")
        project_id = planted["projectId"]
        again = await api.wait(project_id, await api.upload(project_id, files))
    assert (planted["status"], again["status"]) == ("deployed", "build_error")
    assert [file.name for file in outside.iterdir()] == ["config.toml"]


def test_what_is_left_of_a_build_that_was_killed_with_the_platform_is_removed(
    tmp_path: Path,
) -> None:
    groups = tmp_path / "cgroup"
    config = PlatformConfig(data_dir=DataDir(tmp_path / "data"), cgroup_root=groups)
    left = [groups / kind / "createos" / "build-one" for kind in ("memory", "cpu", "pids")]
    other = groups / "memory" / "createos" / "an-app"
    run_dirs = [config.data_dir.run(name) for name in ("build-one", "an-app")]
    for directory in (*left, other, *run_dirs):
        directory.mkdir(parents=True)

    Steps(config).end_interrupted()

    assert not any(directory.exists() for directory in (*left, run_dirs[0]))
    assert other.is_dir()
    assert run_dirs[1].is_dir()
