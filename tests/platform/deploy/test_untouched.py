"""Apps as the world writes them, deployed with a name and files and nothing else."""

import json
from pathlib import Path

import pytest

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.carryovers import TAKEN
from tests.eventually import eventually
from tests.platform.platforms import ANSWERING, read_page, running_platform

pytestmark = pytest.mark.examples

TWO_PORTS = """
import http.server, os, threading, time
def serve(port, word):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(word)
        def log_message(self, *_):
            pass
    http.server.ThreadingHTTPServer(("", port), Page).serve_forever()
threading.Thread(target=serve, args=(9090, b"metrics")).start()
time.sleep(2)
serve(int(os.environ["PORT"]), b"the app")
"""


async def test_port_wins_over_another_one_that_opened_before(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": TWO_PORTS})
        assert deployment["status"] == "deployed", await api.build_log(deployment)

        async def look() -> str:
            return await read_page(deployment["extra"]["endpoint"])

        assert await eventually(look, lambda page: page == "the app") == "the app"
        assert "port 9090 is not asked any more" in await api.build_log(deployment)


async def test_the_port_of_a_debugger_is_not_the_app_s(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": TWO_PORTS.replace("9090", "9229")})
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == "the app"


def node_app(**members: Json) -> str:
    return json.dumps({"name": "app", "private": True, **members})


NODE_PAGE = "require('http').createServer((q,s)=>s.end('%s')).listen(process.env.PORT)"
UNTOUCHED: dict[str, tuple[dict[str, str], str]] = {
    "a program that lists its packages itself": (
        {
            "main.py": '# /// script\n# dependencies = ["idna==3.10"]\n# ///\n'
            + ANSWERING.replace('"hello"', "__import__('idna').__version__"),
        },
        "3.10",
    ),
    "a pin that only an older Python has": (
        {
            "main.py": ANSWERING.replace('"hello"', "str(__import__('yaml').__version__)"),
            "requirements.txt": "pyyaml==5.4.1\n",
        },
        "5.4.1",
    ),
    "a Procfile of Node": (
        {
            "Procfile": "web: node web.js",
            "web.js": NODE_PAGE % "procfile",
            "package.json": node_app(),
        },
        "procfile",
    ),
    "React rendered by a server": (
        {
            "package.json": node_app(
                scripts={"build": "mkdir -p out && cp s.js out/", "start": "node out/s.js"},
                dependencies={"react": "18.3.1"},
            ),
            "s.js": NODE_PAGE % "rendered",
        },
        "rendered",
    ),
    "workspaces": (
        {
            "package.json": node_app(
                workspaces=["packages/*"], scripts={"start": "node packages/a/i.js"}
            ),
            "packages/a/package.json": node_app(dependencies={"ms": "2.1.3"}, version="1.0.0"),
            "packages/a/i.js": "const ms=require('ms');" + NODE_PAGE.replace("'%s'", "ms(60000)"),
        },
        "1m",
    ),
    "FastAPI in a package": (
        {
            "requirements.txt": "fastapi\nuvicorn",
            "app/__init__.py": "",
            "app/main.py": "from fastapi import FastAPI\napi = FastAPI()\n"
            "@api.get('/')\ndef home(): return 'fast'",
        },
        '"fast"',
    ),
    "Starlette that names no server, and a package from when all had setuptools": (
        {
            "requirements.txt": "starlette\ngunicorn==20.1.0\nsetuptools>=82",
            "main.py": "import gunicorn.util\nfrom starlette.applications import Starlette\n"
            "from starlette.responses import PlainTextResponse\n"
            "from starlette.routing import Route\n"
            "app = Starlette(routes=[Route('/', lambda r: PlainTextResponse('star'))])",
        },
        "star",
    ),
    "Express that exports itself, with peers that contradict each other": (
        {
            "package.json": node_app(
                dependencies={"express": "4.21.2", "react": "17.0.2", "react-dom": "18.3.1"}
            ),
            "index.js": "const app = require('express')()\n"
            "app.get('/', (q, s) => s.send('exported'))\nmodule.exports = app\n",
        },
        "exported",
    ),
    "Hono in TypeScript that exports itself": (
        {
            "package.json": node_app(dependencies={"hono": "4.9.2"}, type="module"),
            "src/index.ts": "import { Hono } from 'hono'\nconst app: Hono = new Hono()\n"
            "app.get('/', (c) => c.text('hono'))\nexport default app\n",
        },
        "hono",
    ),
    "a project that is no package": (
        {
            "pyproject.toml": "[project]\nname='k'\nversion='0'\ndependencies=['markupsafe']",
            "main.py": "import markupsafe\n" + ANSWERING,
            "static/x.css": "",
            "templates/x.html": "",
        },
        "hello",
    ),
}


async def test_texts_become_pages(tmp_path: Path) -> None:
    files = {
        "hugo.toml": "baseURL = 'https://example.org/'",
        "layouts/index.html": "<a href='{{ .Site.BaseURL }}'>{{ .Content }}</a>",
        "content/_index.md": "*hello*",
    }
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(files)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        page = await read_page(deployment["extra"]["endpoint"])
        assert "<em>hello</em>" in page
        assert "example.org" not in page


@pytest.mark.parametrize(("files", "page"), UNTOUCHED.values(), ids=UNTOUCHED)
async def test_what_the_world_writes_goes_live_with_no_settings(
    files: dict[str, str], page: str, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy(files)
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        assert await read_page(deployment["extra"]["endpoint"]) == page


async def test_a_single_page_app_that_was_detected_answers_at_every_path(tmp_path: Path) -> None:
    manifest = node_app(
        scripts={"build": "mkdir -p dist && cp index.html dist/"}, dependencies={"react": "18.3.1"}
    )
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"package.json": manifest, "index.html": "shell"})
        assert deployment["status"] == "deployed", await api.build_log(deployment)
        endpoint = deployment["extra"]["endpoint"]
        assert await read_page(f"{endpoint}/users/7") == "shell"


LOCKED = {
    "package.json": node_app(
        dependencies={"ms": "2.1.3"}, scripts={"start": "node i.js", "postinstall": "echo x >> ran"}
    ),
    "package-lock.json": json.dumps(
        {
            "name": "app",
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "app", "dependencies": {"ms": "2.1.3"}},
                "node_modules/ms": {"version": "2.1.3"},
            },
        }
    ),
    "i.js": "const ms = require('ms');" + NODE_PAGE.replace("'%s'", "ms(60000)"),
}
PINNED = {
    "requirements.txt": "itsdangerous==2.2.0\n",
    "main.py": ANSWERING.replace("import http", "import itsdangerous, http", 1),
}


@pytest.mark.parametrize(("files", "page"), [(LOCKED, "1m"), (PINNED, "hello")], ids=["npm", "uv"])
async def test_locked_dependencies_are_taken_over_by_the_next_build(
    tmp_path: Path, files: dict[str, str], page: str
) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        logs = []
        for _ in range(2):
            deployment = await api.wait(project_id, await api.upload(project_id, files))
            assert deployment["status"] == "deployed", await api.build_log(deployment)
            assert await read_page(deployment["extra"]["endpoint"]) == page
            logs.append(await api.build_log(deployment))
        assert [TAKEN in log for log in logs] == [False, True]


async def test_another_lock_file_is_installed_anew(tmp_path: Path) -> None:
    async with running_platform(tmp_path) as api:
        project_id = await api.create_project()
        for version in ("2.2.0", "2.1.2"):
            files = {**PINNED, "requirements.txt": f"itsdangerous=={version}\n"}
            deployment = await api.wait(project_id, await api.upload(project_id, files))
            log = await api.build_log(deployment)
            assert f"+ itsdangerous=={version}" in log, log


async def test_an_app_finds_the_name_and_home_of_its_user(tmp_path: Path) -> None:
    asking = ANSWERING.replace(
        'os.environ.get("GREETING", "hello")',
        "(lambda user: f'{user.pw_name} {user.pw_dir}')(__import__('pwd').getpwuid(os.getuid()))",
    )
    async with running_platform(tmp_path) as api:
        deployment = await api.deploy({"main.py": asking})
        assert await read_page(deployment["extra"]["endpoint"]) == "app /app"
