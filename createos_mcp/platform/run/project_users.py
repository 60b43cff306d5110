"""Project users: each project is a user of its own to the kernel, where the platform is root."""

from createos_mcp.platform.store.projects import Projects

FIRST_UID = 1_879_048_192
"""Up to 2,147,352,575 these belong to nobody: https://systemd.io/UIDS-GIDS/."""


class ProjectUsers:
    """Finds the user of a project.

    Args:
        projects: Where each project's number is kept.
        are_separate: Whether this machine can run each project as a user of its own.
    """

    def __init__(self, projects: Projects, *, are_separate: bool) -> None:
        self._projects = projects
        self._are_separate = are_separate

    async def uid_of(self, project_id: str) -> int | None:
        """The kernel's user of a project; None where apps run as the platform's own user."""
        if not self._are_separate:
            return None
        return FIRST_UID + await self._projects.serial_of(project_id)
