"""Registries of images: credentials that the owner of the machine gives, whether it runs or not."""

import re
from collections.abc import Sequence

from createos_mcp.platform.errors import NotFoundError, RegistryNameError
from createos_mcp.platform.models import User
from createos_mcp.platform.owner_store import find_user, open_owner_store
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.registry_credentials import RegistryLogin, RegistryRow
from createos_mcp.platform.store.store import Store

HUB = "docker.io"
_REGISTRY = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")


async def log_in(
    data_dir: DataDir, login: RegistryLogin, *, user: str | None, project: str | None
) -> None:
    """Store credentials for a user's projects, or for one of them.

    In a directory that no platform has used yet, its owner is made first.

    Args:
        data_dir: Where they are kept.
        login: What the registry is asked with.
        user: Whose projects; None for the owner of the machine.
        project: Name of the one project; None for all of the user's.

    Raises:
        RegistryNameError: The registry is no host name.
        NotFoundError: There is no such user or project.
    """
    _check_registry(login.registry)
    async with open_owner_store(data_dir) as store:
        owner, project_id = await _find(store, user, project)
        await store.registry_credentials.set(login, user_id=owner.id, project_id=project_id)


async def log_out(
    data_dir: DataDir, registry: str, *, user: str | None, project: str | None
) -> bool:
    """Forget credentials; whether there were any.

    Raises:
        NotFoundError: There is no such user or project.
    """
    if not data_dir.database.exists():
        return False
    async with open_owner_store(data_dir) as store:
        owner, project_id = await _find(store, user, project)
        return await store.registry_credentials.remove(
            registry, user_id=owner.id, project_id=project_id
        )


async def list_logins(data_dir: DataDir) -> Sequence[RegistryRow]:
    """Everybody's credentials, without their secrets."""
    if not data_dir.database.exists():
        return []
    async with open_owner_store(data_dir) as store:
        return await store.registry_credentials.all()


def _check_registry(registry: str) -> None:
    if not _REGISTRY.fullmatch(registry):
        raise RegistryNameError(registry)


async def _find(store: Store, user: str | None, project: str | None) -> tuple[User, str | None]:
    owner = await find_user(store, user)
    if project is None:
        return owner, None
    named = await store.projects.named(owner.id, project)
    if named is None:
        raise NotFoundError("project", project)
    return owner, named.id
