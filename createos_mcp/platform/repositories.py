"""Git repositories, as the owner of the machine makes and lists them, whether it runs or not."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx2

from createos_mcp.platform.api.auth import ensure_first_key
from createos_mcp.platform.deploy.repository_host import RepositoryHost
from createos_mcp.platform.errors import NotFoundError
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.models import User
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.git_accounts import GitAccount
from createos_mcp.platform.store.repositories import Repository
from createos_mcp.platform.store.store import Store, open_store

_NO_PORTS = range(0)


async def create_repository(data_dir: DataDir, name: str, *, user: str | None) -> Repository:
    """Make a repository for a user, or for the owner of the machine.

    Raises:
        InvalidRequestError: The name cannot be one.
        NameTakenError: The user has one of that name.
        NotFoundError: There is no such user.
    """
    async with _open(data_dir) as store:
        await ensure_first_key(store.accounts, data_dir.key_file)
        owner = await _find(store, user)
        return await RepositoryHost(store.repositories, data_dir).create(owner.id, name)


async def remove_repository(data_dir: DataDir, name: str, *, user: str | None) -> None:
    """Delete a user's repository with its history.

    Raises:
        NotFoundError: There is no such user or repository.
    """
    async with _open(data_dir) as store:
        await ensure_first_key(store.accounts, data_dir.key_file)
        owner = await _find(store, user)
        await RepositoryHost(store.repositories, data_dir).remove(owner.id, name)


async def list_hosted(data_dir: DataDir) -> Sequence[Repository]:
    """Everybody's repositories; none before the platform's first start."""
    if not data_dir.database.exists():
        return []
    async with _open(data_dir) as store:
        return await store.repositories.all()


async def connect_github(
    data_dir: DataDir, token: str, *, user: str | None, api_url: str, git_url: str
) -> GitAccount:
    """Connect an account on GitHub with a token, which tells whose it is.

    Raises:
        GitHubError: GitHub does not accept it, or does not answer.
        NotFoundError: There is no such user.
    """
    async with _open(data_dir) as store, httpx2.AsyncClient() as client:
        await ensure_first_key(store.accounts, data_dir.key_file)
        owner = await _find(store, user)
        told = await GitHub(client, api_url, token).user()
        account = GitAccount(
            user_id=owner.id,
            installation_id=int(told["id"]),
            username=str(told["login"]),
            api_url=api_url,
            git_url=git_url,
            token=token,
        )
        await store.git_accounts.set(account)
    return account


async def disconnect_github(data_dir: DataDir, username: str, *, user: str | None) -> bool:
    """Forget an account on GitHub; whether there was one.

    Raises:
        NotFoundError: There is no such user.
    """
    if not data_dir.database.exists():
        return False
    async with _open(data_dir) as store:
        owner = await _find(store, user)
        return await store.git_accounts.remove(owner.id, username)


async def _find(store: Store, user: str | None) -> User:
    for one in await store.accounts.users():
        if user is None or one.name.lower() == user.lower():
            return one
    raise NotFoundError("user", user or "")


@asynccontextmanager
async def _open(data_dir: DataDir) -> AsyncIterator[Store]:
    async with open_store(
        data_dir.database,
        app_ports=_NO_PORTS,
        sealer=Sealer(data_dir.sealing_key),
        now=lambda: datetime.now(UTC),
    ) as store:
        yield store
