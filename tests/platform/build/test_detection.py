"""How an app is built and run, read from its files and settings."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.contract.values import Json
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.detection import make_plan
from createos_mcp.platform.build.node_additions import LINK_SERVER, ON_NODE, WITHOUT_ADAPTER
from createos_mcp.platform.build.node_frameworks import LEGACY_WEBPACK
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.python_apps import COLLECT, MAX_FILE_BYTES, MIGRATE
from createos_mcp.platform.build.python_packages import DESCRIBING, SERVER, SETUPTOOLS
from createos_mcp.platform.build.retries import NPM_PEERS
from createos_mcp.platform.build.version_pins import npm_for
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


def adding(name: str, command: str) -> str:
    """The completion that adds a package."""
    said = f"echo 'Adding {name}, which serves the app here.'"
    return f"[ -e node_modules/{name} ] || {{ {said}; {command}; }}"


START = package(scripts={"start": "node x.js"}, dependencies={"left-pad": "1"})

PLANS: dict[str, tuple[Files, Mapping[str, Json]]] = {
    "node with a start script": (
        {"package.json": START},
        {"runtime": "node:22", "install": "npm install", "build": None, "run": "node x.js"},
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
    "Rust with a program in src/bin": (
        {"Cargo.toml": '[package]\nname = "lib"', "src/lib.rs": "", "src/bin/serve.rs": ""},
        {"run": "./target/release/serve"},
    ),
    "Go workspaces": (
        {"go.work": "go 1.23\nuse ./api", "api/main.go": "package main"},
        {"runtime": "golang:1.23", "build": "go build -o ./app ./api"},
    ),
    "Go without a module": (
        {"main.go": "package main"},
        {"build": "go build -o ./app main.go", "run": "./app"},
    ),
    "Vite whose outDir is not one of its build": (
        {
            "package.json": package(devDependencies={"vite": "6"}),
            "vite.config.ts": "export default defineConfig({ plugins: [], outDir: 'x' })",
        },
        {"output_dir": "dist"},
    ),
    "a pin that the project rules out": (
        {
            "main.py": "",
            ".tool-versions": "python 3.9.1",
            "pyproject.toml": "[project]\nname = 'x'\nrequires-python = '>=3.11'",
        },
        {"runtime": "python:3.12"},
    ),
    "a project without a name": (
        {"main.py": "", "pyproject.toml": "[project]\ndependencies = ['flask>=3', 'b; x > 1']"},
        {"install": "uv pip install 'flask>=3' 'b; x > 1'"},
    ),
    "a Staticfile": ({"Staticfile": "root: public", "public/a.html": ""}, {"output_dir": "public"}),
    "locked Poetry": (
        {"main.py": "", "pyproject.toml": "[tool.poetry]", "poetry.lock": ""},
        {"dependencies": Carryover(name="dependencies", paths=(".venv",), files=DESCRIBING)},
    ),
    "bun": ({"bun.lock": "", "package.json": package(), "index.ts": ""}, {"runtime": "bun:1.3"}),
    "a Procfile's worker": (
        {"Procfile": "worker: python w.py", "w.py": "", "requirements.txt": ""},
        {"run": "python w.py", "worker": True},
    ),
    "a Procfile with web and worker": (
        {"Procfile": "web: python w.py\nworker: python x.py", "requirements.txt": ""},
        {"run": "python w.py", "worker": False},
    ),
    "a Procfile that alone tells the language": (
        {"Procfile": "web: NODE_ENV=production node web.js", "web.js": ""},
        {"runtime": "node:22", "run": "NODE_ENV=production node web.js"},
    ),
    "Django's tables are made": (
        {"manage.py": "", "requirements.txt": "django"},
        {"release": MIGRATE},
    ),
    "Django's own release command": (
        {"manage.py": "", "requirements.txt": "django", "Procfile": "release: python a.py"},
        {"release": "python a.py"},
    ),
    "Django that migrates at its start": (
        {
            "manage.py": "",
            "requirements.txt": "django\ngunicorn",
            "Procfile": "web: python manage.py migrate && gunicorn shop.wsgi",
        },
        {"release": None},
    ),
    "a release command": (
        {"Procfile": "web: python w.py\nrelease: python m.py", "requirements.txt": ""},
        {"release": "python m.py"},
    ),
    "a bot of Python": (
        {"bot.py": "import discord\nclient = discord.Client()\nclient.run('x')"},
        {"run": "python bot.py", "worker": True},
    ),
    "a bot of Python below other names": (
        {"requirements.txt": "aiogram", "run_me.py": "import aiogram\ndp.start_polling(b)"},
        {"run": "python run_me.py", "worker": True},
    ),
    "a bot with a page that keeps it awake": (
        {"main.py": "import discord\nbot.run()", "keep_alive.py": "from flask import Flask\n"},
        {"run": "python main.py", "worker": False},
    ),
    "a bot of Slack without socket mode": (
        {"app.py": "from slack_bolt import App\napp = App()\napp.start(port=3000)"},
        {"worker": False},
    ),
    "a bot of Slack in socket mode": (
        {
            "app.py": "from slack_bolt import App\nfrom slack_bolt.adapter.socket_mode import "
            "SocketModeHandler\nSocketModeHandler(App()).start()"
        },
        {"run": "python app.py", "worker": True},
    ),
    "a bot of Node": (
        {"package.json": package(dependencies={"discord.js": "14"}), "index.js": "client.login()"},
        {"run": "node index.js", "worker": True},
    ),
    "a bot of Node with a web hook": (
        {
            "package.json": package(dependencies={"telegraf": "4"}),
            "index.js": "http.createServer(bot.webhookCallback()).listen(3000)",
        },
        {"run": "node index.js", "worker": False},
    ),
    "pnpm of engines": (
        {
            "package.json": package(engines={"pnpm": ">=8 <9"}, dependencies={"a": "1"}),
            "app.js": "",
        },
        {"tools": ("pnpm:>=8 <9",), "install": "pnpm install"},
    ),
    "Yarn by the version of its lock file": (
        {"package.json": START, "yarn.lock": "__metadata:\n  version: 6\n"},
        {"tools": ("yarn-berry:3",), "environ": {"YARN_NODE_LINKER": "node-modules"}},
    ),
    "Yarn with a linker of its own choice": (
        {
            "package.json": START,
            "yarn.lock": "__metadata:\n  version: 8\n",
            ".yarnrc.yml": "nodeLinker: pnp",
        },
        {"tools": ("yarn-berry:4",), "environ": {}},
    ),
    "Node with packages that Bun installs": (
        {"package.json": package(scripts={"start": "node a.js"}), "bun.lock": ""},
        {"runtime": "node:22", "tools": ("bun:1.3",)},
    ),
    "Bun by a start script alone": (
        {"package.json": package(scripts={"start": "bun a.js"})},
        {"runtime": "bun:1.3", "run": "bun a.js"},
    ),
    "Next.js exported, with a start script for its server": (
        {
            "package.json": package(
                scripts={"build": "next build", "start": "next start"}, dependencies={"next": "1"}
            ),
            "next.config.js": "module.exports = { output: 'export' }",
        },
        {"run": None, "output_dir": "out"},
    ),
    "Next.js whose export is a comment": (
        {
            "package.json": package(dependencies={"next": "15"}),
            "next.config.mjs": (
                'const url = "https://x.org"; // a static site: output: "export"\n'
                '/* output: "export", */ export default { /* and */ reactStrictMode: true };'
            ),
        },
        {"run": "npx next start -p $PORT", "output_dir": None},
    ),
    "a framework of Python in a comment": (
        {"main.py": "print(1)", "requirements.txt": "rich\n# streamlit\nhttpx  # for gradio\n"},
        {"run": "python main.py", "reason": "requirements.txt and main.py"},
    ),
    "a start command for Railway": (
        {
            "main.py": "",
            "requirements.txt": "flask\ngunicorn",
            "railway.json": '{"deploy": {"startCommand": "gunicorn main:app",'
            ' "preDeployCommand": ["flask db upgrade", "flask seed"]}}',
        },
        {"run": "gunicorn main:app", "release": "flask db upgrade && flask seed"},
    ),
    "a start command for Railway in TOML": (
        {
            "package.json": package(scripts={"start": "node dev.js"}),
            "railway.toml": '[deploy]\nstartCommand = "node --import ./a.js web.js"',
        },
        {"run": "node --import ./a.js web.js"},
    ),
    "a start command for Nixpacks": (
        {"package.json": package(), "nixpacks.toml": '[start]\ncmd = "npx tsx serve.ts"'},
        {"run": "npx tsx serve.ts"},
    ),
    "services for Render": (
        {
            "requirements.txt": "celery\ngunicorn",
            "render.yaml": "services:\n"
            "- {type: web, runtime: static, startCommand: python no.py}\n"
            "- {type: web, runtime: python, rootDir: other, startCommand: python no.py}\n"
            "- {type: worker, runtime: python, startCommand: celery -A tasks worker}\n"
            "- {type: web, env: python, startCommand: 'gunicorn app:app'}\n",
        },
        {"run": "gunicorn app:app", "worker": False},
    ),
    "a worker for Render": (
        {
            "requirements.txt": "celery",
            "render.yaml": "services:\n"
            "- {type: worker, runtime: python, startCommand: celery -A tasks worker}\n",
        },
        {"run": "celery -A tasks worker", "worker": True, "release": None},
    ),
    "a Procfile beside files of other hosts": (
        {
            "Procfile": "web: python own.py",
            "requirements.txt": "",
            "railway.json": '{"deploy": {"startCommand": "python other.py"}}',
        },
        {"run": "python own.py"},
    ),
    "a start command for another host's machine": (
        {
            "package.json": package(scripts={"start": "node a.js"}),
            "render.yaml": "services:\n- type: web\n  runtime: node\n"
            "  startCommand: rsync -a public/ /data/public/ && npm start\n",
            "nixpacks.toml": "[start]\ncmd = './start.sh'",
        },
        {"run": "node a.js"},
    ),
    "a start script by another package manager": (
        {
            "package.json": package(scripts={"start": "node a.js"}),
            "railway.json": '{"deploy": {"startCommand": "yarn run start"}}',
        },
        {"run": "node a.js"},
    ),
    "files of other hosts that are broken": (
        {
            "package.json": package(scripts={"start": "node a.js"}),
            "railway.json": '{"deploy": ["startCommand"',
            "railway.toml": "[deploy",
            "nixpacks.toml": "start = 1",
            "render.yaml": "services: [[], {type: web, runtime: [node], startCommand: node b.js}]",
        },
        {"run": "node a.js"},
    ),
    "a build of its own, with the folder for Netlify": (
        {
            "package.json": package(scripts={"build": "node make.js"}),
            "netlify.toml": '[build]\ncommand = "npm run build"\npublish = "./site/"',
        },
        {"build": "npm run build", "run": None, "output_dir": "site"},
    ),
    "pages in a folder for Netlify": (
        {"netlify.toml": '[build]\npublish = "pages/web"', "pages/web/index.html": ""},
        {"run": None, "output_dir": "pages/web"},
    ),
    "pages in a folder for Firebase": (
        {"firebase.json": '{"hosting": {"public": "app"}}', "app/index.html": ""},
        {"output_dir": "app"},
    ),
    "pages in a folder for Render, next to others": (
        {
            "render.yaml": "services:\n- {type: web, env: static, staticPublishPath: ./www2}\n",
            "www2/index.html": "",
            "index.html": "",
        },
        {"output_dir": "www2"},
    ),
    "a folder outside of the app for Vercel": (
        {"vercel.json": '{"outputDirectory": "../up"}', "index.html": ""},
        {"output_dir": "."},
    ),
    "a framework that knows its folder better than a file for another host": (
        {
            "package.json": package(devDependencies={"vite": "6"}),
            "index.html": "",
            "vercel.json": '{"outputDirectory": "build"}',
        },
        {"output_dir": "dist"},
    ),
    "Go whose styles are made by a package with a main file of Go": (
        {
            "go.mod": "module x",
            "cmd/api/main.go": "package main",
            "package.json": package(
                main="cmd/api/main.go", dependencies={"tailwindcss": "4"}, scripts={"css": "x"}
            ),
        },
        {"runtime": "golang:1.25", "build": "go build -o ./app ./cmd/api"},
    ),
    "the root of pnpm's workspaces without packages of its own": (
        {
            "package.json": package(scripts={"build": "pnpm -r build"}),
            "pnpm-workspace.yaml": "packages: [apps/*]",
            "pnpm-lock.yaml": "lockfileVersion: '9.0'",
            "Procfile": "web: node apps/web/a.js",
        },
        {"install": "pnpm install --frozen-lockfile", "build": "pnpm run build"},
    ),
    "a program that lists its packages itself": (
        {
            "app.py": '# /// script\n# requires-python = ">=3.13"\n'
            '# dependencies = [\n#   "flask",\n# ]\n'
            "# ///\nfrom flask import Flask\napp = Flask(__name__)\n"
        },
        {
            "runtime": "python:3.13",
            "install": "uv pip install -r app.py",
            "reason": "app.py and flask",
        },
    ),
    "a program with a comment that only looks like a list": (
        {"main.py": "# /// script\n# ///\n# dependencies = ['flask']\nprint(1)\n"},
        {"install": None, "run": "python main.py"},
    ),
    "a program whose list is not TOML": (
        {"main.py": "# /// script\n# dependencies = [flask]\n# ///\nprint(1)\n"},
        {"install": None, "run": "python main.py"},
    ),
    "a version of Node for Netlify": (
        {"package.json": START, "netlify.toml": '[build.environment]\nNODE_VERSION = "20"'},
        {"runtime": "node:20"},
    ),
    "versions for Render": (
        {
            "main.py": "",
            "render.yaml": "services:\n- type: web\n  runtime: python\n"
            "  envVars: [{key: X}, {key: PYTHON_VERSION, value: 3.10}]\n",
        },
        {"runtime": "python:3.10"},
    ),
    "a version of its own, and another for Netlify": (
        {
            "package.json": START,
            ".nvmrc": "18",
            "netlify.toml": '[build.environment]\nNODE_VERSION = "20"',
        },
        {"runtime": "node:18"},
    ),
    "a server that only another host's build installs": (
        {
            "app.py": "from flask import Flask\napp = Flask(__name__)",
            "requirements.txt": "flask",
            "render.yaml": "services:\n- type: web\n  runtime: python\n"
            "  buildCommand: pip install flask gunicorn\n  startCommand: gunicorn app:app\n",
        },
        {"run": "FLASK_APP=app python -m flask run --host 0.0.0.0 --port $PORT"},
    ),
    "uvicorn that another host brings": (
        {
            "app.py": "from fastapi import FastAPI\napp = FastAPI()",
            "requirements.txt": "fastapi",
            "railway.json": '{"deploy": {"startCommand": "uvicorn app:app --host 0.0.0.0"}}',
        },
        {"run": "uvicorn app:app --host 0.0.0.0", "completion": f"{SETUPTOOLS}; {SERVER}"},
    ),
    "a worker for Render next to an image": (
        {
            "app.py": "from flask import Flask\napp = Flask(__name__)",
            "requirements.txt": "flask\ncelery",
            "render.yaml": "services:\n- {type: web, runtime: docker}\n"
            "- {type: worker, runtime: python, startCommand: celery -A tasks worker}\n",
        },
        {"run": "FLASK_APP=app python -m flask run --host 0.0.0.0 --port $PORT", "worker": False},
    ),
    "pages that another host serves by a program": (
        {
            "package.json": package(devDependencies={"vite": "6"}, scripts={"build": "vite build"}),
            "index.html": "",
            "railway.json": '{"deploy": {"startCommand": "npx serve -s dist -l $PORT"}}',
            "nixpacks.toml": '[start]\ncmd = "npm run preview"',
        },
        {"run": None, "output_dir": "dist"},
    ),
    "an exported Next.js with a command for its server": (
        {
            "package.json": package(dependencies={"next": "15"}, scripts={"build": "next build"}),
            "next.config.js": 'module.exports = { output: "export" }',
            "railway.json": '{"deploy": {"startCommand": "next start -p $PORT"}}',
        },
        {"run": None, "output_dir": "out"},
    ),
    "a program that only another host's build makes": (
        {
            "package.json": package(scripts={"start": "node a.js", "build:all": "x"}),
            "render.yaml": "services:\n- type: web\n  runtime: node\n"
            "  buildCommand: npm run build:all\n  startCommand: node build/server.js\n",
        },
        {"run": "node a.js"},
    ),
    "what runs first on another host, with a start script": (
        {
            "package.json": package(scripts={"start": "node a.js"}),
            "railway.json": '{"deploy": {"startCommand": "npm start",'
            ' "preDeployCommand": "npm run migrate"}}',
        },
        {"run": "node a.js", "release": "npm run migrate"},
    ),
    "an expression that looks like the start of a comment": (
        {
            "package.json": package(main="index.js", dependencies={"express": "5"}),
            "index.js": "const app = require('express')();\nmodule.exports = app;\n"
            "const u = x => x.replace(/\\/*$/, '');\napp.listen(3000);\n",
        },
        {"run": "node index.js"},
    ),
    "a main file next to a folder for Vercel": (
        {
            "package.json": package(main="server.js", scripts={"build": "x"}),
            "server.js": "",
            "vercel.json": '{"outputDirectory": "public"}',
        },
        {"run": "node server.js", "output_dir": None},
    ),
    "engines, and an older Node for Netlify": (
        {
            "package.json": package(scripts={"start": "node a.js"}, engines={"node": ">=20"}),
            "netlify.toml": '[build.environment]\nNODE_VERSION = "16"',
        },
        {"runtime": "node:22"},
    ),
    "a version of many digits": (
        {
            "package.json": START,
            "netlify.toml": "[build.environment]\nNODE_VERSION = 0x" + "f" * 6000,
            "nixpacks.toml": "[start]\ncmd = [0x" + "f" * 6000 + "]",
        },
        {"runtime": "node:22"},
    ),
    "YAML that grows": (
        {
            "package.json": START,
            "render.yaml": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
            + "services:\n- {type: web, runtime: node, startCommand: *a11,"
            " preDeployCommand: *a11, envVars: [{key: NODE_VERSION, value: *a11}]}\n",
        },
        {"run": "node x.js", "runtime": "node:22", "release": None},
    ),
    "Vite with an output folder of its own": (
        {
            "package.json": package(devDependencies={"vite": "6"}),
            "vite.config.ts": "export default { build: { outDir: './public_html' } }",
        },
        {"output_dir": "public_html"},
    ),
    "Prisma without a script that generates its client": (
        {
            "package.json": package(
                scripts={"build": "tsc", "start": "node a.js"}, dependencies={"@prisma/client": "6"}
            ),
            "prisma/schema.prisma": "",
        },
        {"build": "npx prisma generate && npm run build"},
    ),
    "Prisma with its client made by a script that nothing runs": (
        {
            "package.json": package(
                scripts={"build": "tsc", "start": "node a.js", "setup": "prisma generate"},
                dependencies={"@prisma/client": "6"},
                prisma={"schema": "src/db/schema.prisma"},
            ),
            "src/db/schema.prisma": "",
        },
        {"build": "npx prisma generate && npm run build"},
    ),
    "Prisma with its client made by its build": (
        {
            "package.json": package(
                scripts={"build": "npm-run-all build:*", "build:db": "prisma generate"},
                dependencies={"prisma": "6"},
                main="a.js",
            ),
            "a.js": "",
            "prisma/schema.prisma": "",
        },
        {"build": "npm run build"},
    ),
    "a program that nx makes": (
        {
            "package.json": package(
                scripts={"build": "nx build", "start": "nx serve"}, dependencies={"express": "4"}
            ),
            "project.json": '{"targets": {"build": {"executor": "@nx/esbuild:esbuild",'
            ' "options": {"outputPath": "dist/api", "main": "src/main.ts"}}}}',
        },
        {"build": "npm run build", "run": "node dist/api/main.js"},
    ),
    "a release command for Fly": (
        {
            "package.json": package(scripts={"start": "node a.js"}),
            "fly.toml": '[processes]\napp = "node no.js"\n'
            '[deploy]\nrelease_command = "npx prisma migrate deploy"',
        },
        {"run": "node a.js", "release": "npx prisma migrate deploy"},
    ),
    "pages": ({"index.html": "<p>"}, {"run": None, "output_dir": "."}),
    "FastAPI in a package": (
        {"app/main.py": "from fastapi import FastAPI\napi = FastAPI()", "requirements.txt": "x"},
        {"run": "python -m uvicorn app.main:api --host 0.0.0.0 --port $PORT"},
    ),
    "FastAPI below src": (
        {"src/main.py": "import fastapi\napp: object = fastapi.FastAPI(title='x')"},
        {"run": "PYTHONPATH=src python -m uvicorn main:app --host 0.0.0.0 --port $PORT"},
    ),
    "a factory": (
        {"service/web.py": "def create_app():\n    return FastAPI()", "requirements.txt": ""},
        {"run": "python -m uvicorn service.web:create_app --host 0.0.0.0 --port $PORT --factory"},
    ),
    "Flask of any version": (
        {"app.py": "app = Flask(__name__)"},
        {"run": "FLASK_APP=app python -m flask run --host 0.0.0.0 --port $PORT"},
    ),
    "Flask with gunicorn": (
        {"site.py": "web = Flask(__name__)", "requirements.txt": "flask\ngunicorn"},
        {"run": "gunicorn --bind 0.0.0.0:$PORT 'site:web'"},
    ),
    "Django with gunicorn": (
        {
            "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
            "shop/wsgi.py": "",
            "requirements.txt": "django\ngunicorn",
        },
        {"run": "gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application"},
    ),
    "Streamlit": (
        {"streamlit_app.py": "import streamlit as st", "requirements.txt": "streamlit"},
        {
            "run": "python -m streamlit run streamlit_app.py --server.address 0.0.0.0 "
            "--server.port $PORT --server.headless true"
        },
    ),
    "a project that is no package": (
        {"main.py": "", "pyproject.toml": "[project]\nname='x'\ndependencies=['a']"},
        {"install": "uv pip install -r pyproject.toml"},
    ),
    "a package with one script": (
        {
            "pyproject.toml": "[project]\nname='x'\n[project.scripts]\nserve='x:main'\n"
            "[build-system]\nrequires=[]"
        },
        {"install": "uv pip install .", "run": "serve"},
    ),
    "uv with its lock": (
        {"main.py": "", "uv.lock": "", "pyproject.toml": "[project]\nname='x'"},
        {"install": "uv sync --frozen --no-dev --no-install-project --python .venv/bin/python"},
    ),
    "poetry": (
        {"main.py": "", "pyproject.toml": "[tool.poetry]\nname='x'"},
        {"install": "uv tool run poetry install --no-root --only main --no-interaction"},
    ),
    "Python next to tools of Node": (
        {
            "package.json": package(devDependencies={"prettier": "3"}),
            "app.py": "app = Flask(__name__)",
            "requirements.txt": "flask",
        },
        {"runtime": f"python:{sys.version_info.major}.{sys.version_info.minor}"},
    ),
    "Node with a Procfile": (
        {"package.json": package(), "Procfile": "web: node web.js"},
        {"run": "node web.js"},
    ),
    "workspaces": (
        {"package.json": package(workspaces=["packages/*"], scripts={"start": "node a.js"})},
        {"install": "npm install"},
    ),
    "pnpm of its lock file": (
        {"package.json": START, "pnpm-lock.yaml": "lockfileVersion: '6.0'"},
        {"install": "pnpm install --frozen-lockfile", "tools": ("pnpm:8",)},
    ),
    "a package manager that is named": (
        {
            "package.json": package(
                packageManager="pnpm@9.1.0+sha512.x",
                scripts={"build": "b", "start": "node x"},
                dependencies={"a": "1"},
            )
        },
        {"tools": ("pnpm:9.1.0",), "install": "pnpm install", "build": "pnpm run build"},
    ),
    "yarn of today": (
        {"package.json": START, "yarn.lock": "__metadata:\n  version: 8"},
        {"install": "yarn install --immutable"},
    ),
    "yarn of old": (
        {"package.json": START, "yarn.lock": ""},
        {"install": "yarn install --frozen-lockfile"},
    ),
    "React that is rendered by a server": (
        {
            "package.json": package(
                dependencies={"react": "18"},
                scripts={"build": "b", "start": "node ./build/server/index.js"},
            )
        },
        {"run": "node ./build/server/index.js", "output_dir": None},
    ),
    "React in the browser": (
        {"package.json": package(dependencies={"react": "18"}, scripts={"build": "b"})},
        {"run": None, "output_dir": "dist", "single_page": True},
    ),
    "Create React App": (
        {
            "package.json": package(
                dependencies={"react": "18", "react-scripts": "5"},
                scripts={"build": "react-scripts build", "start": "react-scripts start"},
            ),
            "src/index.js": "",
        },
        {"run": None, "output_dir": "build", "single_page": True},
    ),
    "Vite without a framework": (
        {"package.json": package(devDependencies={"vite": "5"}, scripts={"start": "vite"})},
        {"build": "npx vite build", "run": None, "output_dir": "dist"},
    ),
    "Astro of pages": (
        {"package.json": package(dependencies={"astro": "5"}, scripts={"build": "astro build"})},
        {"run": None, "output_dir": "dist", "single_page": False},
    ),
    "Astro for another host, rendered on demand": (
        {
            "package.json": package(dependencies={"astro": "^5.1.1", "@astrojs/vercel": "8.0.1"}),
            "astro.config.mjs": 'export default { output: "server", adapter: vercel() };',
        },
        {
            "completion": adding(
                "@astrojs/node", 'npm install --no-save --legacy-peer-deps "@astrojs/node@9"'
            ),
            "run": "HOST=0.0.0.0 node ./dist/server/entry.mjs",
            "preparation": f"{LEGACY_WEBPACK}\n{ON_NODE}",
        },
    ),
    "Astro for another host, with one page on demand": (
        {
            "package.json": package(dependencies={"astro": "6", "@astrojs/netlify": "7"}),
            "pnpm-lock.yaml": "lockfileVersion: '9.0'",
            "src/pages/[id].astro": "---\nexport const prerender = false;\n---",
        },
        {
            "completion": adding(
                "@astrojs/node", 'pnpm add --ignore-workspace-root-check "@astrojs/node@10"'
            ),
            "run": "HOST=0.0.0.0 node ./dist/server/entry.mjs",
        },
    ),
    "Astro for another host, of pages alone": (
        {"package.json": package(dependencies={"astro": "5", "@astrojs/cloudflare": "12"})},
        {
            "completion": None,
            "output_dir": "dist",
            "preparation": f"{LEGACY_WEBPACK}\n{WITHOUT_ADAPTER}",
        },
    ),
    "React Router without a server": (
        {"package.json": package(dependencies={"react-router": "7", "@react-router/dev": "7"})},
        {
            "completion": adding(
                "@react-router/serve",
                'npm install --no-save --legacy-peer-deps "@react-router/serve@'
                """$(node -p 'require("react-router/package.json").version')\"""",
            ),
            "run": "npx react-router-serve ./build/server/index.js",
        },
    ),
    "Remix with a server of its own": (
        {
            "package.json": package(
                dependencies={"@remix-run/node": "2", "@remix-run/express": "2"},
                devDependencies={"@remix-run/dev": "2"},
                scripts={"start": "node server.js"},
            )
        },
        {"completion": None, "run": "node server.js"},
    ),
    "Astro for another host, started by the app's own script": (
        {
            "package.json": package(
                dependencies={"astro": "5", "@astrojs/cloudflare": "12"},
                scripts={"start": "wrangler pages dev dist"},
            ),
            "astro.config.mjs": 'export default { output: "server" };',
        },
        {"completion": None, "preparation": LEGACY_WEBPACK, "run": "npm start"},
    ),
    "React Router for another host": (
        {
            "package.json": package(
                dependencies={"@react-router/serve": "7", "@vercel/react-router": "1"},
                devDependencies={"@react-router/dev": "7"},
                scripts={"start": "react-router-serve ./build/server/index.js"},
            )
        },
        {
            "completion": None,
            "build": f"npx react-router build && {LINK_SERVER}",
            "run": "npm start",
        },
    ),
    "Remix for another host": (
        {
            "package.json": package(
                dependencies={"@remix-run/node": "2", "@vercel/remix": "2"},
                devDependencies={"@remix-run/dev": "2"},
                scripts={"build": "remix vite:build"},
            )
        },
        {
            "build": f"npm run build && {LINK_SERVER}",
            "run": "npx remix-serve ./build/server/index.js",
        },
    ),
    "Astro with a server": (
        {"package.json": package(dependencies={"astro": "5", "@astrojs/node": "9"})},
        {"run": "HOST=0.0.0.0 node ./dist/server/entry.mjs"},
    ),
    "Next": (
        {"package.json": package(dependencies={"next": "15", "react": "19"})},
        {"build": "npx next build", "run": "npx next start -p $PORT"},
    ),
    "Next as pages": (
        {
            "package.json": package(dependencies={"next": "15"}, scripts={"build": "next build"}),
            "next.config.js": 'module.exports = { output: "export" }',
        },
        {"run": None, "output_dir": "out"},
    ),
    "SvelteKit with a server": (
        {
            "package.json": package(
                devDependencies={"@sveltejs/kit": "2", "@sveltejs/adapter-node": "5", "vite": "5"}
            )
        },
        {"run": "node build"},
    ),
    "React Router with a server": (
        {
            "package.json": package(
                dependencies={"@react-router/serve": "7", "react": "19"},
                devDependencies={"@react-router/dev": "7", "vite": "6"},
            )
        },
        {"run": "npx react-router-serve ./build/server/index.js"},
    ),
    "Nest": (
        {
            "package.json": package(
                dependencies={"@nestjs/core": "10"},
                scripts={
                    "start": "nest start",
                    "start:prod": "node dist/main",
                    "build": "nest build",
                },
            )
        },
        {"run": "node dist/main"},
    ),
    "Angular": (
        {
            "package.json": package(
                dependencies={"@angular/core": "18"},
                scripts={"start": "ng serve", "build": "ng build"},
            ),
            "angular.json": json.dumps(
                {
                    "projects": {
                        "shop": {
                            "architect": {
                                "build": {"builder": "@angular-devkit/build-angular:application"}
                            }
                        }
                    }
                }
            ),
        },
        {"run": None, "output_dir": "dist/shop/browser"},
    ),
    "a package.json with a mark at its beginning": (
        {"package.json": "\ufeff" + START},
        {"run": "node x.js"},
    ),
    "Go below cmd": (
        {
            "go.mod": "module x\n\ngo 1.22",
            "cmd/server/main.go": "package main",
            "a.go": "package x",
        },
        {"build": "go build -o ./app ./cmd/server", "runtime": "golang:1.22"},
    ),
    "Rust with a program of another name": (
        {"Cargo.toml": '[package]\nname = "a"\n[[bin]]\nname = "web"'},
        {"run": "./target/release/web"},
    ),
    "a workspace of Rust": (
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]',
            "crates/lib/Cargo.toml": '[package]\nname = "lib"',
            "crates/lib/src/lib.rs": "",
            "crates/srv/Cargo.toml": '[package]\nname = "srv"',
            "crates/srv/src/main.rs": "",
        },
        {"run": "./target/release/srv"},
    ),
    "pnpm of a range that the lock file narrows": (
        {
            "package.json": package(engines={"pnpm": ">=8"}, scripts={"start": "node a.js"}),
            "pnpm-lock.yaml": "lockfileVersion: '6.1'",
        },
        {"tools": ("pnpm:8",)},
    ),
    "pnpm of a range that the lock file does not meet": (
        {
            "package.json": package(engines={"pnpm": ">=9"}, scripts={"start": "node a.js"}),
            "pnpm-lock.yaml": "lockfileVersion: '6.1'",
        },
        {"tools": ("pnpm:>=9",)},
    ),
    "Yarn 1, which takes a pin of Node to the letter": (
        {
            "package.json": package(engines={"node": "20.1.0"}, scripts={"start": "node a.js"}),
            "yarn.lock": "# yarn lockfile v1",
        },
        {"runtime": "node:20", "environ": {"YARN_IGNORE_ENGINES": "1"}},
    ),
    "VitePress in a folder": (
        {
            "package.json": package(
                devDependencies={"vitepress": "1"}, scripts={"build": "vitepress build docs"}
            ),
        },
        {"output_dir": "docs/.vitepress/dist"},
    ),
    "VitePress at the top": (
        {
            "package.json": package(
                devDependencies={"vitepress": "1"}, scripts={"build": "vitepress build ."}
            ),
        },
        {"output_dir": ".vitepress/dist"},
    ),
    "VuePress": (
        {
            "package.json": package(
                devDependencies={"vuepress": "1"}, scripts={"build": "vuepress build ./src/"}
            ),
        },
        {"output_dir": "src/.vuepress/dist"},
    ),
    "Nitro that is told to build for another host": (
        {
            "package.json": package(
                dependencies={"@solidjs/start": "1"}, scripts={"build": "vinxi build"}
            ),
            "app.config.ts": 'defineConfig({ server: { preset: "vercel-edge" } })',
        },
        {"build": "NITRO_PRESET=node-server SERVER_PRESET=node-server npm run build"},
    ),
    "Hono that exports itself": (
        {
            "package.json": package(dependencies={"hono": "4"}),
            "src/index.ts": "export default app",
        },
        {"runtime": "node:22", "tools": ("bun:1.3",), "run": "bun src/index.ts"},
    ),
    "Hono with JSX": (
        {"package.json": package(dependencies={"hono": "4"}), "src/index.tsx": "export default x"},
        {"tools": ("bun:1.3",), "run": "bun src/index.tsx"},
    ),
    "pages and a worker for Cloudflare": (
        {
            "package.json": package(
                devDependencies={"vite": "7", "@cloudflare/vite-plugin": "1"},
                scripts={"build": "vite build"},
            ),
            "index.html": "",
        },
        {"run": "npx vite preview --host 0.0.0.0 --port $PORT", "output_dir": None},
    ),
    "Express that exports itself": (
        {
            "package.json": package(dependencies={"express": "5"}),
            "index.js": "const app = require('express')()\nmodule.exports = app;\n",
        },
        {
            "tools": (),
            "run": """node -e 'import("./index.js").then(m => (m.default?.default ?? m.default)"""
            ".listen(process.env.PORT))'",
        },
    ),
    "Express that exports itself and listens": (
        {
            "package.json": package(dependencies={"express": "5"}),
            "index.js": "const app = require('express')()\napp.listen(1)\nmodule.exports = app\n",
        },
        {"run": "node index.js"},
    ),
    "FastAPI that names no server": (
        {"main.py": "app = FastAPI()", "requirements.txt": "fastapi"},
        {"completion": f"{SETUPTOOLS}; {SERVER}"},
    ),
    "Flask": (
        {"main.py": "app = Flask()", "requirements.txt": "flask"},
        {"completion": SETUPTOOLS},
    ),
    "a Python that a project rules out for others": (
        {
            "main.py": "",
            ".python-version": "3.14",
            "pyproject.toml": "[project]\nname = 'x'\nrequires-python = '>=3.12'",
        },
        {"runtime": "python:3.14", "stand_ins": ("python:3.13", "python:3.12")},
    ),
    "npm with peers that contradict each other": ({"package.json": START}, {"retry": NPM_PEERS}),
    "pages of Node beside a Gemfile": (
        {
            "Gemfile": "",
            "package.json": package(dependencies={"@docusaurus/core": "3"}),
        },
        {"output_dir": "build"},
    ),
    "a server of Node beside a Gemfile": (
        {"Gemfile": "", "package.json": START},
        {"run": "node x.js"},
    ),
    "Python with packages for Conda and for pip": (
        {"environment.yml": "", "main.py": "", "requirements.txt": "flask"},
        {"run": "python main.py"},
    ),
    "Django that collects static files": (
        {
            "manage.py": "'DJANGO_SETTINGS_MODULE', 'shop.settings'",
            "requirements.txt": "django",
            "shop/settings.py": "STATIC_ROOT = 'static'",
        },
        {"build": COLLECT},
    ),
    "Django without static files": (
        {"manage.py": "", "requirements.txt": "django", "shop/settings.py": ""},
        {"build": None},
    ),
    "Hugo with a package of Node for its styles": (
        {
            "hugo.toml": "",
            "content/a.md": "",
            "package.json": package(devDependencies={"postcss": "8"}),
        },
        {
            "runtime": "static",
            "tools": ("hugo",),
            "build": "hugo --gc --minify --baseURL /",
            "output_dir": "public",
        },
    ),
    "MkDocs": (
        {"mkdocs.yml": "theme: {name: material}", "docs/index.md": ""},
        {
            "install": "uv pip install mkdocs-material",
            "build": "python -m mkdocs build",
            "output_dir": "site",
            "run": None,
        },
    ),
    "MkDocs of a package with one script": (
        {
            "mkdocs.yml": "",
            "requirements.txt": "mkdocs",
            "pyproject.toml": "[project]\nname = 'x'\nscripts = { x = 'x:main' }",
        },
        {"install": "uv pip install -r requirements.txt", "output_dir": None, "run": "x"},
    ),
    "a Python of long ago": (
        {"main.py": "", "runtime.txt": "python-2.7.18"},
        {"runtime": "python:2.7", "stand_ins": ()},
    ),
    "a Python that there will hardly be": (
        {"main.py": "", ".python-version": f"3.{'9' * 5000}"},
        {"stand_ins": ()},
    ),
    "a Node that there will hardly be": (
        {"package.json": START, ".nvmrc": "9" * 5000},
        {"run": "node x.js"},
    ),
    "a Node whose OpenSSL knows old hashes": (
        {"package.json": package(engines={"node": "16.20.2"}, scripts={"start": "node x.js"})},
        {"runtime": "node:16", "preparation": None},
    ),
    "pages of Apache": ({"htdocs/index.html": "<p>"}, {"run": None, "output_dir": "htdocs"}),
    "pages in a folder": ({"public/index.html": "<p>"}, {"run": None, "output_dir": "public"}),
}


WORKSPACES: Files = {
    "package.json": package(workspaces=["apps/*"]),
    "package-lock.json": "{}",
    "apps/web/package.json": package(),
}


@pytest.mark.parametrize(
    ("files", "paths"),
    [
        ({"package.json": START, "package-lock.json": "{}"}, {"node_modules"}),
        (WORKSPACES, {"node_modules", "apps/web/node_modules"}),
        (
            {"main.py": "", "requirements.txt": "a==1  # why\nb[x]==2.0 ; os_name == 'nt'"},
            {".venv"},
        ),
        ({"main.py": "", "pyproject.toml": "[project]", "uv.lock": ""}, {".venv"}),
    ],
)
def test_what_a_lock_file_installs_is_carried_over(
    tmp_path: Path, files: Files, paths: set[str]
) -> None:
    dependencies = plan_of(tmp_path, {"server.js": "", **files}).dependencies
    assert dependencies is not None
    assert paths <= set(dependencies.paths)


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": START},
        {
            "package.json": package(packageManager="npm@10", dependencies={"a": "1"}),
            "yarn.lock": "",
        },
        {"main.py": "", "requirements.txt": "flask"},
        {"main.py": "", "requirements.txt": "flask>=3"},
        {"main.py": "", "requirements.txt": "flask==3.*"},
        {"main.py": "", "requirements.txt": "a==1\n-e ."},
        {"main.py": "", "requirements.txt": "a @ git+https://example.org/a"},
    ],
)
def test_what_may_change_by_itself_is_installed_each_time(tmp_path: Path, files: Files) -> None:
    assert plan_of(tmp_path, {"server.js": "", **files}).dependencies is None


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


def test_what_was_set_is_not_tried_in_another_way(tmp_path: Path) -> None:
    files = {"package.json": START, "main.py": ""}
    assert plan_of(tmp_path, files, {"installCommand": "npm ci"}).retry is None
    assert plan_of(tmp_path, files, {"runtime": "python:3.14"}).stand_ins == ()


def test_a_setting_that_is_missing_is_completed_from_the_files(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"package.json": START}, {"installCommand": "true"})

    assert (plan.install, plan.run) == ("true", "node x.js")


REFUSED: dict[str, tuple[Files, ReasonCode]] = {
    "no app": ({"README.md": ""}, ReasonCode.NO_APP_FOUND),
    "another language": ({"Gemfile": ""}, ReasonCode.LANGUAGE_NOT_SERVED),
    "Laravel with Vite for its scripts": (
        {
            "composer.json": "{}",
            "public/index.php": "",
            "vite.config.js": "",
            "package.json": package(devDependencies={"vite": "7"}, scripts={"build": "vite build"}),
        },
        ReasonCode.LANGUAGE_NOT_SERVED,
    ),
    "Rails with packages of Node": (
        {
            "Gemfile": "",
            "Procfile": "web: bundle exec puma",
            "package.json": package(dependencies={"@rails/ujs": "7"}, scripts={"start": "node x"}),
        },
        ReasonCode.LANGUAGE_NOT_SERVED,
    ),
    "Jekyll with a page": (
        {"Gemfile": "", "_config.yml": "", "index.html": "---"},
        ReasonCode.LANGUAGE_NOT_SERVED,
    ),
    "Deno by its imports": (
        {"main.ts": "import express from 'npm:express@4'"},
        ReasonCode.LANGUAGE_NOT_SERVED,
    ),
    "Conda": (
        {"environment.yml": "", "app.py": "app = Flask()"},
        ReasonCode.LANGUAGE_NOT_SERVED,
    ),
    "a Dockerfile alone": ({"Dockerfile": "", "srv/x.js": ""}, ReasonCode.NEEDS_DOCKER),
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


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        ({".nvmrc": "v22.11.0\n"}, "node:22"),
        ({".node-version": "20"}, "node:20"),
        ({".nvmrc": "lts/iron"}, "node:20"),
        ({".tool-versions": "nodejs 20.11.1\npython 3.12"}, "node:20"),
        ({"mise.toml": '[tools]\nnode = "24"'}, "node:24"),
        ({"engines": ">=18"}, "node:22"),
        ({"engines": "20.x"}, "node:20"),
        ({"engines": "^18.17.0 || >=20.5.0"}, "node:22"),
        ({"engines": ">=16 <19"}, "node:18"),
        ({"engines": "~20.9"}, "node:20"),
        ({"engines": "16"}, "node:16"),
        ({"engines": "14.x || 16.x"}, "node:16"),
        ({"engines": ">=23 <24"}, "node:23"),
        ({"engines": "nonsense"}, "node:22"),
    ],
)
def test_a_version_of_node_that_is_asked_for_is_the_one(
    files: Files, runtime: str, tmp_path: Path
) -> None:
    asked = {"node": files["engines"]} if "engines" in files else {}
    manifest = package(scripts={"start": "node x.js"}, engines=asked)
    others = {name: text for name, text in files.items() if name != "engines"}

    assert plan_of(tmp_path, {"package.json": manifest, **others}).runtime == runtime


@pytest.mark.parametrize(
    ("node", "npm"),
    [
        *(("24", 10), ("18", 10), ("16", 8), ("12", 8), ("10", 7), ("8", 6), ("4", 4)),
        pytest.param("9" * 5000, 10, id="of many digits"),
    ],
)
def test_each_node_gets_an_npm_that_it_can_run(node: str, npm: int) -> None:
    assert npm_for(node) == npm


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        ({".python-version": "3.13\n"}, "python:3.13"),
        ({".python-version": "3.12.4"}, "python:3.12"),
        ({"runtime.txt": "python-3.10.11"}, "python:3.10"),
        ({".tool-versions": "python 3.9.1"}, "python:3.9"),
        ({"Pipfile": '[requires]\npython_version = "3.11"'}, "python:3.11"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.13'"}, "python:3.13"),
        ({"pyproject.toml": "[project]\nrequires-python = '>=3.9,<3.11'"}, "python:3.10"),
        ({"pyproject.toml": "[project]\nrequires-python = '==3.10.*'"}, "python:3.10"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython = '^3.10'"}, "python:3.12"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython = '~3.10'"}, "python:3.10"),
    ],
)
def test_a_version_of_python_that_is_asked_for_is_the_one(
    files: Files, runtime: str, tmp_path: Path
) -> None:
    assert plan_of(tmp_path, {"main.py": "", **files}).runtime == runtime


def test_a_version_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {"package.json": START, ".nvmrc": "lts/argon"})

    assert plan.runtime == "node:22"
    assert plan.notes == (".nvmrc asks for 'lts/argon', which cannot be had here.",)


def test_a_folder_with_apps_below_it_names_them(tmp_path: Path) -> None:
    files = {"apps/web/package.json": START, "services/api/main.py": "", "README.md": ""}
    with pytest.raises(BuildFailedError, match=r"apps/web, services/api\. Set directoryPath"):
        plan_of(tmp_path, files)


def test_another_language_is_named_with_what_would_run_it(tmp_path: Path) -> None:
    with pytest.raises(BuildFailedError, match=r"pom\.xml tells that this is Java"):
        plan_of(tmp_path, {"pom.xml": "<project/>"})


@pytest.mark.parametrize("member", ["/etc/*", "../*", "**x", "a" * 5000, "a\0b", "**/**/**", "["])
def test_a_member_of_a_workspace_that_is_not_a_place_in_it_is_passed_over(
    member: str, tmp_path: Path
) -> None:
    outside = {"Cargo.toml": '[package]\nname = "outside"', "src/main.rs": "fn main() {}"}
    for name, text in outside.items():
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / name).write_text(text)
    (tmp_path / "app").mkdir()
    cargo = f"[workspace]\nmembers = [{json.dumps(member)}]"

    with pytest.raises(BuildFailedError, match="No start command was found"):
        plan_of(tmp_path / "app", {"Cargo.toml": cargo})


@pytest.mark.parametrize(
    "name", ["a" * 5000, "a\0", "\ud800.js", "../other.js", "/etc/passwd", "/proc/self/environ"]
)
def test_a_main_file_that_is_not_one_of_the_app_is_passed_over(name: str, tmp_path: Path) -> None:
    (tmp_path / "other.js").write_text("")
    (tmp_path / "app").mkdir()
    plan = plan_of(tmp_path / "app", {"package.json": package(main=name), "server.js": ""})

    assert plan.run == "node server.js"


def test_a_command_that_cannot_be_passed_on_is_passed_over(tmp_path: Path) -> None:
    scripts = package(scripts={"start": "node a\0", "build": "\ud800"})
    plan = plan_of(tmp_path, {"package.json": scripts, "Procfile": "web: a\0b", "server.js": ""})

    assert (plan.build, plan.run) == (None, "node server.js")


def test_a_program_that_is_too_large_to_parse_is_passed_over(tmp_path: Path) -> None:
    server = "from fastapi import FastAPI\napp = FastAPI()\n"
    large = server + "[]," * MAX_FILE_BYTES
    plan = plan_of(tmp_path, {"main.py": large, "requirements.txt": "", "web.py": server})

    assert "web:app" in (plan.run or "")


def test_a_manifest_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailedError, match=r"package\.json is larger than 1024 kB"):
        plan_of(tmp_path, {"package.json": '{"a": "' + "x" * 1024 * 1024 + '"}'})


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


WORDS = st.sampled_from(
    (
        *("services", "envVars", "key", "value", "type", "web", "runtime", "python", "rootDir"),
        *("startCommand", "preDeployCommand", "build", "publish", "deploy", "start", "cmd"),
        *("environment", "NODE_VERSION", "hosting", "public", "outputDirectory", "python a.py"),
    )
)
CONTENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
)
OF_OTHER_HOSTS = ("render.yaml", "railway.json", "vercel.json", "firebase.json")


@drawn(few=300)
@given(files=st.dictionaries(st.sampled_from(OF_OTHER_HOSTS), CONTENTS, max_size=3))
def test_any_files_for_other_hosts_leave_an_app_what_it_is(files: dict[str, Json]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        contents = {name: json.dumps(content) for name, content in files.items()}
        plan = plan_of(Path(directory), {**contents, "index.js": "", "package.json": START})
    assert plan.runtime.startswith("node:")
    assert plan.run


def test_an_app_in_workspaces_is_installed_at_their_root(tmp_path: Path) -> None:
    root = {
        "package.json": package(workspaces=["apps/*"], devDependencies={"turbo": "2"}),
        "pnpm-workspace.yaml": "packages: ['apps/*']",
        "pnpm-lock.yaml": "lockfileVersion: '9.0'",
        "turbo.json": "{}",
        "apps/web/package.json": package(
            name="@x/web", scripts={"build": "next build"}, dependencies={"next": "16"}
        ),
    }
    for name, text in root.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    plan = make_plan(tmp_path / "apps/web", {}, tmp_path)

    assert plan.tools == ("pnpm:10",)
    assert plan.install == "cd ../.. && pnpm install --frozen-lockfile"
    assert plan.build == "cd ../.. && npx turbo run build --filter=@x/web"
    assert plan.run == "npx next start -p $PORT"


def test_what_lies_above_the_upload_is_no_root_of_workspaces(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(package(workspaces=["*"]))
    plan = plan_of(tmp_path / "app", {"package.json": START})
    assert plan.install == "npm install"


def test_the_root_of_several_apps_names_them(tmp_path: Path) -> None:
    files = {
        "package.json": package(workspaces=["apps/*"], dependencies={"next": "16"}),
        "apps/api/package.json": START,
        "apps/web/package.json": START,
    }
    with pytest.raises(BuildFailedError, match="directoryPath to one of apps/api, apps/web"):
        plan_of(tmp_path, files)
