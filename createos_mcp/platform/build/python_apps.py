"""Apps of Python: where their server object is, and how they are installed and run."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from createos_mcp.platform.build.bots import PYTHON_BOTS, opens_no_port
from createos_mcp.platform.build.carryovers import Carryover
from createos_mcp.platform.build.manifests import (
    read_text,
    read_toml_manifest,
    section,
)
from createos_mcp.platform.build.plans import Plan
from createos_mcp.platform.build.process_types import read_process_types
from createos_mcp.platform.build.python_packages import (
    DESCRIBING,
    SERVER,
    SETUPTOOLS,
    install_of_program,
    install_python,
    is_locked,
    requirements_of,
)
from createos_mcp.platform.build.python_programs import PYTHON_MAINS
from createos_mcp.platform.build.version_pins import choose_python, other_pythons

MKDOCS = "mkdocs.yml"

MAX_FILES = 300
"""Files that are looked through for a server object, nearest to the top first."""

MAX_FILE_BYTES = 128 * 1024
"""Larger ones are passed over: nothing else runs in this process while one is parsed."""

MAX_PARSED_BYTES = 1024 * 1024
"""Of all of them together."""

UVICORN = "python -m uvicorn {module}:{name} --host 0.0.0.0 --port $PORT"
COLLECT = (
    "python manage.py collectstatic --noinput"
    " || echo 'Static files were not collected: set what the settings need as buildVars.'"
)
"""https://docs.djangoproject.com/en/stable/howto/static-files/: before it serves them itself."""

MIGRATE = (
    'python manage.py migrate --noinput || { [ -z "${DATABASE_URL-}" ] &&'
    " echo 'The database was not migrated: bind one, or set what the settings need.'; }"
)
"""Before a version takes over; Railpack does it at each start:
https://railpack.com/languages/python#django. Where a database is bound, it has to succeed."""

GUNICORN = "gunicorn --bind 0.0.0.0:$PORT {module}:{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerClass:
    """A class whose object is what a server is given."""

    name: str
    """`FastAPI`."""
    framework: str
    run: str
    factory: str
    """The same for a function that makes it."""


SERVER_CLASSES: tuple[ServerClass, ...] = (
    ServerClass(name="FastAPI", framework="fastapi", run=UVICORN, factory=f"{UVICORN} --factory"),
    ServerClass(
        name="Flask",
        framework="flask",
        run="FLASK_APP={module} python -m flask run --host 0.0.0.0 --port $PORT",
        factory="FLASK_APP={module} python -m flask run --host 0.0.0.0 --port $PORT",
    ),
    ServerClass(
        name="Starlette", framework="starlette", run=UVICORN, factory=f"{UVICORN} --factory"
    ),
    ServerClass(name="Litestar", framework="litestar", run=UVICORN, factory=f"{UVICORN} --factory"),
    ServerClass(name="Quart", framework="quart", run=UVICORN, factory=f"{UVICORN} --factory"),
    ServerClass(name="FastHTML", framework="fasthtml", run=UVICORN, factory=UVICORN),
    ServerClass(name="fast_app", framework="fasthtml", run=UVICORN, factory=UVICORN),
    ServerClass(name="Robyn", framework="robyn", run="python {file}", factory="python {file}"),
    ServerClass(name="Bottle", framework="bottle", run="python {file}", factory="python {file}"),
)

SCRIPTS: Mapping[str, str] = {
    "streamlit": "python -m streamlit run {file} --server.address 0.0.0.0 --server.port $PORT "
    "--server.headless true",
    "gradio": "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python {file}",
    "chainlit": "python -m chainlit run {file} --headless --host 0.0.0.0 --port $PORT",
}
"""How scripts of these packages are run; the first that is imported decides."""


BOT_STARTS = frozenset(
    {
        *("run", "start", "run_polling", "start_polling", "polling", "infinity_polling"),
        *("run_until_disconnected", "run_webhook", "start_webhook", "idle"),
    }
)
"""What is called to start a bot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What is run."""

    framework: str
    run: str
    worker: bool = False


def suggest_python(source: Path, _top: Path, framework: str | None) -> Plan:
    """How an app of Python is installed and run."""
    entry = find_entry(source, framework)
    choice = choose_python(source)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    told = read_process_types(source)
    web = told.web if told.is_own or _has_server(source, told.web or "") else None
    install = install_python(source) or install_of_program(source)
    run = web or (entry.run if entry else _project_script(source))
    is_served = bool(install and run and _BY_UVICORN.search(run))
    is_django = entry is not None and entry.framework == "django"
    plan = Plan(
        runtime=f"python:{choice.version or own}",
        stand_ins=tuple(f"python:{one}" for one in other_pythons(source, choice.version or own)),
        install=install,
        completion=f"{SETUPTOOLS}; {SERVER}" if is_served else SETUPTOOLS if install else None,
        build=COLLECT if is_django and install and _keeps_static_files(source) else None,
        dependencies=Carryover(name="dependencies", paths=(".venv",), files=DESCRIBING)
        if is_locked(source)
        else None,
        release=MIGRATE if is_django and "migrate" not in (run or "") else None,
        run=run,
        reason=framework or (told.place if web else entry.framework if entry else ""),
        worker=bool(entry and entry.worker and not web),
        notes=(choice.note,) if choice.note else (),
    )
    return _as_pages(plan, source) if not plan.run and (source / MKDOCS).is_file() else plan


_BY_UVICORN = re.compile(r"(?:^|-m )uvicorn ")
_SERVERS = re.compile(r"\b(gunicorn|hypercorn|daphne|granian|streamlit|celery)\b")


def _has_server(source: Path, command: str) -> bool:
    """Whether what a command for another host names is installed here, too."""
    required = requirements_of(source)
    return all(server in required for server in _SERVERS.findall(command))


def _as_pages(plan: Plan, source: Path) -> Plan:
    """Pages of MkDocs, with the theme that most take where no file names packages."""
    theme = "mkdocs-material" if "material" in read_text(source / MKDOCS) else "mkdocs"
    return replace(
        plan,
        install=plan.install or f"uv pip install {theme}",
        build="python -m mkdocs build",
        run=None,
        output_dir="site",
        reason="mkdocs",
    )


def find_entry(source: Path, framework: str | None) -> Entry | None:
    """Django's `manage.py`, a server object, a script of a known package, a bot, a main file."""
    if framework == "django" or (framework is None and (source / "manage.py").is_file()):
        return _django(source)
    wanted = [row for row in SERVER_CLASSES if framework in {None, row.framework}]
    for file, tree in _parsed(source):
        found = _server_in(tree, wanted)
        if found is not None:
            return _entry(source, file, *found)
        program = _program_in(source, file, tree) if framework is None else None
        if program is not None:
            return program
    main = next((name for name in PYTHON_MAINS if (source / name).is_file()), None)
    if framework is not None:
        row = next((row for row in SERVER_CLASSES if row.framework == framework), None)
        module = _module(main or "main.py")
        run = row.run.format(module=module, name="app", file=main or "main.py") if row else None
        return Entry(framework=framework, run=run) if run else None
    if main is None or main == "app/__init__.py":
        return None
    return Entry(framework=main, run=f"python {main}")


def _candidates(source: Path) -> Iterator[Path]:
    """The usual names first, then the other files, nearest to the top first."""
    named = [source / name for name in PYTHON_MAINS if (source / name).is_file()]
    yield from named
    hidden = ("tests", "test", "docs", "migrations", "node_modules", "venv", "env", "examples")
    others = (
        file
        for depth in ("*.py", "*/*.py", "*/*/*.py")
        for file in sorted(source.glob(depth))
        if file not in named
        and not any(
            part in hidden or part.startswith((".", "test_"))
            for part in file.relative_to(source).parts
        )
    )
    for _, file in zip(range(MAX_FILES), others, strict=False):
        yield file


def _parsed(source: Path) -> Iterator[tuple[Path, ast.Module]]:
    left = MAX_PARSED_BYTES
    for file in _candidates(source):
        size = file.stat().st_size
        if size > min(left, MAX_FILE_BYTES):
            continue
        left -= size
        tree = _parse(file)
        if tree is not None:
            yield file, tree


def _parse(file: Path) -> ast.Module | None:
    try:
        return ast.parse(read_text(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _server_in(
    tree: ast.Module, wanted: Sequence[ServerClass]
) -> tuple[ServerClass, str, bool] | None:
    """The class, its object's name or that of the function that makes it, and which it is."""
    classes = {row.name: row for row in wanted}
    for node in tree.body:
        target = _assigned_name(node)
        value = getattr(node, "value", None)
        if target and isinstance(value, ast.Call) and _called(value) in classes:
            return classes[_called(value)], target, False
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and re.match(
            r"(create|make|get|build)_app", node.name
        ):
            calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
            made = next((_called(call) for call in calls if _called(call) in classes), None)
            if made:
                return classes[made], node.name, True
    return None


def _assigned_name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    if not isinstance(node, ast.Assign) or not node.targets:
        return None
    target = node.targets[0]
    if isinstance(target, ast.Tuple) and target.elts:
        target = target.elts[0]
    return target.id if isinstance(target, ast.Name) else None


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _program_in(source: Path, file: Path, tree: ast.Module) -> Entry | None:
    """A script of a known package, or a bot."""
    imported, place = _imported(tree), _place(source, file)
    script = next((name for name in SCRIPTS if name in imported), None)
    if script is not None:
        return Entry(framework=script, run=SCRIPTS[script].format(file=place))
    if _is_bot(tree):
        worker = opens_no_port(source, ("*.py", "*/*.py"))
        return Entry(framework="bot", run=f"python {place}", worker=worker)
    return None


def _is_bot(tree: ast.Module) -> bool:
    """Whether a file starts a bot, and is not only a part of one."""
    if PYTHON_BOTS.isdisjoint(_imported(tree)):
        return False
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(_called(call) in BOT_STARTS for call in calls)


def _imported(tree: ast.Module) -> set[str]:
    """The packages that a file imports from."""
    return {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }


def _entry(source: Path, file: Path, row: ServerClass, name: str, is_factory: bool) -> Entry:  # noqa: FBT001 - one of three that belong together
    place = _place(source, file)
    module = _module(place)
    if row.framework == "flask" and name != "app":
        module = f"{module}:{name}"
    run = (row.factory if is_factory else row.run).format(module=module, name=name, file=place)
    if place.startswith("src/") and not (source / "src/__init__.py").exists():
        run = f"PYTHONPATH=src {run.replace('src.', '', 1)}"
    if row.framework == "flask" and "gunicorn" in requirements_of(source):
        bound = f"{module.partition(':')[0]}:{name}{'()' if is_factory else ''}"
        run = f"gunicorn --bind 0.0.0.0:$PORT '{bound}'"
    return Entry(framework=row.framework, run=run)


def _place(source: Path, file: Path) -> str:
    return file.relative_to(source).as_posix()


def _module(place: str) -> str:
    return place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _keeps_static_files(source: Path) -> bool:
    """Whether the settings name a folder that static files are collected in."""
    patterns = ("settings.py", "*/settings.py", "*/settings/*.py", "*/*/settings.py")
    files = (file for pattern in patterns for file in sorted(source.glob(pattern)))
    return any("STATIC_ROOT" in read_text(file) for file in files)


def _django(source: Path) -> Entry:
    """Its server where one is required, otherwise its own."""
    found = re.search(
        r"DJANGO_SETTINGS_MODULE\W+([\w.]+)\.settings", read_text(source / "manage.py")
    )
    project = found[1] if found else None
    required = requirements_of(source)
    if (
        project
        and "gunicorn" in required
        and (source / project.replace(".", "/") / "wsgi.py").exists()
    ):
        run = GUNICORN.format(module=f"{project}.wsgi", name="application")
    elif project and "uvicorn" in required:
        run = UVICORN.format(module=f"{project}.asgi", name="application")
    else:
        run = "python manage.py runserver --noreload 0.0.0.0:$PORT"
    return Entry(framework="django", run=run)


def _project_script(source: Path) -> str | None:
    """The one command that the project itself brings."""
    scripts = section(read_toml_manifest(source / "pyproject.toml"), "project", "scripts")
    return next(iter(scripts)) if len(scripts) == 1 else None
