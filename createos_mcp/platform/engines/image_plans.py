"""Dockerfiles for apps that have none: what a plan would do here, done in an image."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from createos_mcp.platform.build.npm_programs import NPM_PACKAGES
from createos_mcp.platform.build.plans import Plan, names_pip, shell_words
from createos_mcp.platform.build.site_generators import GENERATORS

TOP = "/app"
STATIC_SERVER = ".createos-static-server.py"
"""Where the server of pages lies in a build context."""

_TMP = "/tmp"  # noqa: S108 - an image's own
_LOGS = f"{_TMP}/npm-logs"
_USER = "1000:1000"
_CACHE = "/var/cache/createos"
"""What package managers have fetched and compilers compiled: in no layer, and there in the next
build of the same owner, see https://docs.docker.com/reference/dockerfile/#run---mounttypecache."""

_MOUNT = f"--mount=type=cache,target={_CACHE},uid=1000,gid=1000"
_CACHES = " ".join(
    (
        f"XDG_CACHE_HOME={_CACHE}",
        f"npm_config_cache={_CACHE}/npm",
        f"npm_config_logs_dir={_LOGS}",
        f"GOMODCACHE={_CACHE}/go",
        f"CARGO_HOME={_CACHE}/cargo",
    )
)
_VENV = ".venv"
_STATIC = "static"

_GENERATORS: Mapping[str, str] = {one.name: one.package for one in GENERATORS}

OFFICIAL_IMAGES: Mapping[str, str] = {
    "node": "docker.io/library/node:{version}-slim",
    "python": "docker.io/library/python:{version}-slim",
    "golang": "docker.io/library/golang:{version}",
    "rust": "docker.io/library/rust:{version}-slim",
    "bun": "docker.io/oven/bun:{version}",
    _STATIC: "docker.io/library/python:3.12-slim",
}
"""What apps of each runtime are built and run on, unless the setting names another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlan:
    """How an app becomes an image.

    Args:
        plan: How it is built and run.
        directory: Its own folder, below the uploaded one; `.` for that itself.
        variables: Names of the variables that its build is given.
        base_images: Images for runtimes, `node=node:{version}`, before the official ones.
    """

    plan: Plan
    directory: str
    variables: Sequence[str]
    base_images: Sequence[str]

    @property
    def dockerfile(self) -> str:
        """The lines of its Dockerfile."""
        return "".join(f"{line}\n" for line in self._lines())

    @property
    def command(self) -> tuple[str, ...]:
        """What the image runs."""
        plan = self.plan
        if plan.run is not None:
            return shell_words(plan.run)
        spa = ["--spa"] if plan.single_page else []
        return ("python3", "-IS", f"/{STATIC_SERVER}", f"{TOP}/{plan.output_dir}", *spa)

    def _lines(self) -> Iterator[str]:
        if self.plan.run is not None:
            yield from self._build()
        elif self.plan.install is None and self.plan.build is None:
            yield f"FROM {self._base(_STATIC)}"
            yield f"COPY {_words(f'{self.directory}/', f'{TOP}/')}"
            yield from self._pages()
        else:
            folder = f"{self._place}/{self.plan.output_dir}"
            yield from self._build(" AS build")
            yield f"FROM {self._base(_STATIC)}"
            yield f"COPY --from=build {_words(folder, f'{TOP}/{self.plan.output_dir}')}"
            yield from self._pages()
        yield f"CMD {json.dumps(self.command)}"

    @property
    def _place(self) -> str:
        return TOP if self.directory == "." else f"{TOP}/{self.directory}"

    def _pages(self) -> Iterator[str]:
        yield f"COPY {STATIC_SERVER} /{STATIC_SERVER}"
        yield f"USER {_USER}"

    def _build(self, name: str = "") -> Iterator[str]:
        plan = self.plan
        yield f"FROM {self._base(plan.runtime)}{name}"
        yield from map(_run, self._tools())
        yield f"WORKDIR {TOP}"
        yield _run(f"chown {_USER} {TOP}")
        yield f"COPY --chown={_USER} . ."
        yield f"USER {_USER}"
        yield f"WORKDIR {_escaped(self._place)}"
        for variable, value in {"HOME": _TMP, **plan.environ}.items():
            if variable not in self.variables:
                yield f"ENV {variable}={_quoted(value)}"
        path = ":".join(self._path())
        yield f'ENV PATH="{_escaped(path)}:$PATH"'
        if self._is_python:
            yield "ENV PYTHONUNBUFFERED=1"
        for variable in self.variables:
            yield f"ARG {variable}"
        if self._has_venv:
            yield f"ENV VIRTUAL_ENV={_quoted(f'{self._place}/{_VENV}')}"
            yield "ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never"
            yield _run(f'uv venv --quiet{self._seed} --python "$(command -v python3)" {_VENV}')
        for command in (_installing(plan), _building(plan)):
            if command:
                given = f'export TMPDIR={_TMP} CI="${{CI-1}}" {_CACHES}'
                yield _run(f"{given}; ({command}\n) && rm -rf {_LOGS}", _MOUNT)

    def _path(self) -> Iterator[str]:
        if self._has_venv:
            yield f"{self._place}/{_VENV}/bin"
        folder = self._place
        while folder.startswith(TOP):
            yield f"{folder}/node_modules/.bin"
            folder = folder.rpartition("/")[0]

    def _tools(self) -> Iterator[str]:
        if self._has_venv:
            yield "python3 -m pip install --quiet --no-cache-dir uv"
        packages = []
        for tool in self.plan.tools:
            name, _, version = tool.partition(":")
            if name in _GENERATORS:
                yield f"python3 -m pip install --quiet --no-cache-dir {_GENERATORS[name]!r}"
                continue
            packages.append(f"{NPM_PACKAGES.get(name, name)}@{version or 'latest'}")
        if packages:
            yield f"npm install --global --no-audit --no-fund {shlex.join(packages)}"

    @property
    def _is_python(self) -> bool:
        return self.plan.runtime.startswith("python:")

    @property
    def _has_venv(self) -> bool:
        """Whether it has packages to install; an app without any runs on the image's Python."""
        return self._is_python and bool(self.plan.install or self.plan.build)

    @property
    def _seed(self) -> str:
        return " --seed" if names_pip(self.plan) else ""

    def _base(self, runtime: str) -> str:
        family, _, version = runtime.partition(":")
        chosen = dict(one.partition("=")[::2] for one in self.base_images)
        return {**OFFICIAL_IMAGES, **chosen}[family].replace("{version}", version or "latest")


def _installing(plan: Plan) -> str | None:
    command, retry = plan.install, plan.retry
    if command and retry:
        command = f"({command}\n) || {{ {retry.condition} && {retry.command}; }}"
    return f"({command}\n) && {{ {plan.completion}; }}" if command and plan.completion else command


def _building(plan: Plan) -> str | None:
    return f"{plan.preparation}\n{plan.build}" if plan.build and plan.preparation else plan.build


def _run(command: str, *flags: str) -> str:
    return " ".join(("RUN", *flags, json.dumps(["/bin/sh", "-c", command])))


def _words(*words: str) -> str:
    return json.dumps([_escaped(word) for word in words])


def _escaped(value: str) -> str:
    """A value of which nothing is taken for a variable."""
    return re.sub(r'(["\\$])', r"\\\1", value)


def _quoted(value: str) -> str:
    return f'"{_escaped(value)}"'
