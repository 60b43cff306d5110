"""The workspace: what of this machine a workflow may read, directories and variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import LocalReadError

OWN_VARIABLES = "CREATEOS_"
"""Variables that are for this server, its key among them, and never for an app."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """What the operator lets workflows read.

    Attributes:
        allowed: Directories that the operator names, beside those of the client.
        working_directory: Allowed too where neither operator nor client names any, unless it is
            the root of the file system or a home; relative paths begin here.
        home: The user's home directory.
        variables: Of this process.
        whole_build: Whether notices of progress have every line of a build: for a person.
    """

    allowed: tuple[Path, ...] = ()
    working_directory: Path
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    whole_build: bool = False

    async def find_directory(self, call: ToolCall, argument: str, path: str) -> Path:
        """The directory that an argument names, links followed.

        Raises:
            LocalReadError: It is no directory, or lies outside of what may be read.
        """
        if not path.strip():
            raise LocalReadError(argument, "it is empty; name a directory, `.` for this one")
        found = await self._find(call, argument, path)
        if not found.is_dir():
            raise LocalReadError(argument, f"there is no directory {found}")
        return found

    async def find_file(self, call: ToolCall, argument: str, path: str) -> Path:
        """The file that an argument names, links followed.

        Raises:
            LocalReadError: It is no file, or lies outside of what may be read.
        """
        found = await self._find(call, argument, path)
        if not found.is_file():
            raise LocalReadError(argument, f"there is no file {found}")
        return found

    def find_variable(self, call: ToolCall, name: str) -> str:
        """The value of a variable of this process.

        Raises:
            LocalReadError: There is none of that name, or it is for this server alone.
        """
        _refuse_strangers(call, "fromEnv")
        if name.startswith(OWN_VARIABLES):
            raise LocalReadError("fromEnv", f"{name} belongs to this server and is never passed on")
        if name not in self.variables:
            raise LocalReadError(
                "fromEnv", f"this server has no variable {name}; set it where the server is started"
            )
        return self.variables[name]

    async def _find(self, call: ToolCall, argument: str, path: str) -> Path:
        _refuse_strangers(call, argument)
        offered = await call.client_roots()
        roots = [root.resolve() for root in (*self.allowed, *offered)] or self._default_roots()
        start = roots[0] if roots and not self.allowed and offered else self.working_directory
        try:
            found = (start / Path(path).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise LocalReadError(argument, f"{path[:100]!r} is not a path ({error})") from error
        if not any(found.is_relative_to(root) for root in roots):
            raise LocalReadError(argument, _outside(found, roots))
        return found

    def _default_roots(self) -> list[Path]:
        present = self.working_directory.resolve()
        too_much = {Path(present.anchor), self.home.resolve(), self.home.resolve().parent}
        return [] if present in too_much else [present]


def _outside(found: Path, roots: list[Path]) -> str:
    if not roots:
        return (
            f"{found} may not be read: the client offers no directory, and this server was started "
            "in a home directory. Pass `files` instead, or set CREATEOS_DEPLOY_ROOTS"
        )
    allowed = ", ".join(map(str, roots))
    return (
        f"{found} is outside of the allowed directories: {allowed}. "
        "The operator can allow more with CREATEOS_DEPLOY_ROOTS"
    )


def _refuse_strangers(call: ToolCall, argument: str) -> None:
    if call.is_remote:
        raise LocalReadError(
            argument, "this server runs on another machine; send files or values instead"
        )
