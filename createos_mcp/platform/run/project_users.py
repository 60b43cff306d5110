"""Project users: each project is a user of its own to the kernel, where the platform is root."""

from createos_mcp.contract.reason_codes import ReasonCode
from createos_mcp.platform.errors import StartFailedError, UnconfinedError
from createos_mcp.platform.models import Reason
from createos_mcp.platform.sandbox.sandbox import NOTHING, Sandbox
from createos_mcp.platform.states import ProjectStatus
from createos_mcp.platform.store.accounts import Accounts
from createos_mcp.platform.store.projects import Projects

FIRST_UID = 1_879_048_192
"""Up to 2,147,352,575 these belong to nobody: https://systemd.io/UIDS-GIDS/."""

SUSPENDED = Reason(
    code=ReasonCode.STOPPED,
    text="The project is suspended. `createos projects unsuspend` lets it run again",
)


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

    async def objection(self, project_id: str) -> str | None:
        """Why a project's code may not run now, as a sentence; None where it may."""
        project = await self._projects.by_id(project_id)
        if project is None:
            return None
        if project.status is ProjectStatus.SUSPENDED:
            return f"{SUSPENDED.text}."
        try:
            await self.check(project.user_id)
        except UnconfinedError as error:
            return str(error)
        return None

    async def may_run(self, project_id: str) -> bool:
        """Whether a project's code may run now."""
        return await self.objection(project_id) is None

    async def uid_of(self, project_id: str) -> int | None:
        """The kernel's user of a project; None where apps run as the platform's own user.

        Raises:
            StartFailedError: Its code may not run now.
        """
        objection = await self.objection(project_id)
        if objection is not None:
            raise StartFailedError(objection)
        if not self._sandbox.own_user:
            return None
        return FIRST_UID + await self._projects.serial_of(project_id)
