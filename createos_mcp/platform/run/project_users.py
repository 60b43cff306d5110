"""Project users: each project is a user of its own to the kernel, where the platform is root."""

from createos_mcp.platform.errors import StartFailedError, UnconfinedError
from createos_mcp.platform.sandbox.sandbox import NOTHING, Sandbox
from createos_mcp.platform.store.accounts import Accounts
from createos_mcp.platform.store.projects import Projects

FIRST_UID = 1_879_048_192
"""Up to 2,147,352,575 these belong to nobody: https://systemd.io/UIDS-GIDS/."""


class ProjectUsers:
    """Says as which user of the kernel a project's code runs, and whether it may run at all.

    Args:
        projects: Where each project's number and owner are kept.
        accounts: Tells the owner of the machine.
        sandbox: What this machine can do to confine code.
    """

    def __init__(self, projects: Projects, accounts: Accounts, sandbox: Sandbox) -> None:
        self._projects = projects
        self._accounts = accounts
        self._sandbox = sandbox

    async def check(self, user_id: str) -> None:
        """Return if a user's code may run here.

        Raises:
            UnconfinedError: It would run with all rights of the platform, and is not the owner's.
        """
        if self._sandbox.name != NOTHING:
            return
        if user_id != (await self._accounts.first_user()).id:
            raise UnconfinedError(self._sandbox.missing["files"])

    async def may_run(self, project_id: str) -> bool:
        """Whether a project's code may run here, see `check`."""
        project = await self._projects.by_id(project_id)
        try:
            if project is not None:
                await self.check(project.user_id)
        except UnconfinedError:
            return False
        return True

    async def uid_of(self, project_id: str) -> int | None:
        """The kernel's user of a project; None where apps run as the platform's own user.

        Raises:
            StartFailedError: Nothing confines its code, and it is not the machine owner's.
        """
        if not await self.may_run(project_id):
            raise StartFailedError(str(UnconfinedError(self._sandbox.missing["files"])))
        if not self._sandbox.own_user:
            return None
        return FIRST_UID + await self._projects.serial_of(project_id)
