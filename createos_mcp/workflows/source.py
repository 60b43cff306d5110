"""Shipments: what is to be deployed, made ready before anything is changed."""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Arguments, Json
from createos_mcp.workflows.commits import LocalRepository, is_local_repository, write_commit
from createos_mcp.workflows.generated_secrets import find_generated
from createos_mcp.workflows.workspace import Workspace

if TYPE_CHECKING:
    from createos_mcp.workflows.packing import Pack

_SAYING_HOW = (
    "package.json", "requirements.txt", "pyproject.toml", "go.mod", "Cargo.toml", "index.html",
    "main.py", "app.py", "index.js", "server.js", "manage.py", "Procfile",
)  # fmt: skip
"""Files from which a platform tells how an app is built and run."""

_COMMANDS = frozenset({"installCommand", "buildCommand", "runCommand"})


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentSource:
    """One deployment that has not been made yet."""

    project_type: str
    operation: str
    """What deploys it."""
    arguments: Arguments = field(repr=False)
    """Those of the operation beside the project."""
    facts: Mapping[str, Json]
    """What the result says about it."""
    settings: Mapping[str, Json]
    """What a new project needs for it."""
    generated: tuple[str, ...] = ()
    """Variables that its files ask their host to make up."""


async def prepare(call: ToolCall, workspace: Workspace, arguments: Arguments) -> DeploymentSource:
    """Read the one source that the arguments name.

    Raises:
        InvalidArgumentsError: They name none, or several.
        LocalReadError: A directory cannot or may not be read.
    """
    named = [name for name in _SOURCES if name in arguments]
    if len(named) != 1:
        came = f"got {' and '.join(named)}" if named else "got none"
        message = f"expected exactly one of {', '.join(_SOURCES)}; {came}"
        raise InvalidArgumentsError([Problem(path="", message=message)])
    repository = str(arguments.get("repository", ""))
    if named == ["branch"] and is_local_repository(repository):
        return await _from_commit(call, workspace, repository, arguments["branch"])
    return await _SOURCES[named[0]](call, workspace, arguments[named[0]])


def new_settings(shipment: DeploymentSource, given: Mapping[str, Json]) -> dict[str, Json]:
    """The settings of a new project; it detects what no full set of commands says."""
    detected = {} if given.keys() >= _COMMANDS else shipment.settings
    return {**detected, **given}


async def _from_directory(call: ToolCall, workspace: Workspace, path: Json) -> DeploymentSource:
    # pathspec takes a fiftieth of the server's start, and most sessions deploy nothing.
    from createos_mcp.workflows.packing import pack_directory  # noqa: PLC0415

    directory = await workspace.find_directory(call, "directory", path)
    pack = await to_thread.run_sync(pack_directory, directory)
    return await _build_upload(pack, {"directory": str(directory)})


async def _from_files(_: ToolCall, __: Workspace, files: Json) -> DeploymentSource:
    from createos_mcp.workflows.packing import pack_files  # noqa: PLC0415 - as above

    return await _build_upload(pack_files(files), {})


async def _build_upload(pack: "Pack", facts: Mapping[str, Json]) -> DeploymentSource:
    if pack.form == "zip":
        arguments: Arguments = {"file": await to_thread.run_sync(pack.as_zip)}
        operation = "UploadDeploymentZip"
    else:
        arguments, operation = {"files": pack.as_text()}, "UploadDeploymentFiles"
    needs_docker = "Dockerfile" in pack.files and not pack.files.keys() & set(_SAYING_HOW)
    return DeploymentSource(
        project_type="upload",
        operation=operation,
        arguments=arguments,
        facts={**facts, **pack.describe()},
        settings={"hasDockerfile": True} if needs_docker else {"useBuildAI": True},
        generated=find_generated(pack.files),
    )


async def _from_zip(_: ToolCall, __: Workspace, file: Json) -> DeploymentSource:
    return DeploymentSource(
        project_type="upload",
        operation="UploadDeploymentZip",
        arguments={"file": file},
        facts={"form": "zip"},
        settings={"useBuildAI": True},
    )


async def _from_image(_: ToolCall, __: Workspace, image: Json) -> DeploymentSource:
    return DeploymentSource(
        project_type="image",
        operation="CreateDeployment",
        arguments={"image": image},
        facts={"image": image},
        settings={},
    )


async def _from_commit(
    call: ToolCall, workspace: Workspace, repository: str, branch: str
) -> DeploymentSource:
    """A branch of a repository on this machine; its working tree is not read."""
    from createos_mcp.workflows.packing import pack_directory  # noqa: PLC0415 - as above

    place = await workspace.find_directory(call, "repository", repository)
    with tempfile.TemporaryDirectory() as copy:
        source = LocalRepository(place=place, environ=workspace.variables)
        commit = await to_thread.run_sync(write_commit, source, branch, Path(copy))
        pack = await to_thread.run_sync(pack_directory, Path(copy))
        facts = {"repository": str(place), "branch": branch, "commit": commit}
        return await _build_upload(pack, facts)


async def _from_branch(_: ToolCall, __: Workspace, branch: Json) -> DeploymentSource:
    return DeploymentSource(
        project_type="vcs",
        operation="TriggerLatestDeployment",
        arguments={"branch": branch},
        facts={"branch": branch},
        settings={"useBuildAI": True},
    )


_SOURCES: Mapping[str, Callable[[ToolCall, Workspace, Json], Awaitable[DeploymentSource]]] = {
    "directory": _from_directory,
    "files": _from_files,
    "zip": _from_zip,
    "image": _from_image,
    "branch": _from_branch,
}
"""How each argument that names a source is made ready."""
