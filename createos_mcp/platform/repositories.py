"""Git repositories, as the owner of the machine makes and lists them, whether it runs or not."""

from collections.abc import Sequence

import httpx2

from createos_mcp.platform.deploy.repository_host import RepositoryHost
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.git.github_app import GitHubApp
from createos_mcp.platform.owner_store import find_user, open_owner_store
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.git_accounts import GitAccount
from createos_mcp.platform.store.github_app import AppRegistration
from createos_mcp.platform.store.repositories import Repository


async def create_repository(data_dir: DataDir, name: str, *, user: str | None) -> Repository:
    """Make a repository for a user, or for the owner of the machine.

    Raises:
        InvalidRequestError: The name cannot be one.
        NameTakenError: The user has one of that name.
        NotFoundError: There is no such user.
    """
    async with open_owner_store(data_dir) as store:
        owner = await find_user(store, user)
        return await RepositoryHost(store.repositories, data_dir).create(owner.id, name)


async def remove_repository(data_dir: DataDir, name: str, *, user: str | None) -> None:
    """Delete a user's repository with its history.

    Raises:
        NotFoundError: There is no such user or repository.
    """
    async with open_owner_store(data_dir) as store:
        owner = await find_user(store, user)
        await RepositoryHost(store.repositories, data_dir).remove(owner.id, name)


async def list_hosted(data_dir: DataDir) -> Sequence[Repository]:
    """Everybody's repositories; none before the platform's first start."""
    if not data_dir.database.exists():
        return []
    async with open_owner_store(data_dir) as store:
        return await store.repositories.all()


async def connect_github(
    data_dir: DataDir, token: str, *, user: str | None, api_url: str, git_url: str
) -> GitAccount:
    """Connect an account on GitHub with a token, which tells whose it is.

    Raises:
        GitHubError: GitHub does not accept it, or does not answer.
        NotFoundError: There is no such user.
    """
    async with open_owner_store(data_dir) as store, httpx2.AsyncClient() as client:
        owner = await find_user(store, user)
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


async def register_app(data_dir: DataDir, registration: AppRegistration) -> str:
    """Store the machine's GitHub App; the name that GitHub knows it by.

    Raises:
        GitHubError: GitHub does not accept its key, or does not answer.
    """
    async with open_owner_store(data_dir) as store, httpx2.AsyncClient() as client:
        app = GitHubApp(
            client,
            app_id=registration.app_id,
            private_key=registration.private_key,
            api_url=registration.api_url,
        )
        shown = await app.describe()
        await store.github_app.set(registration)
        return str(shown.get("name") or shown.get("slug"))


async def forget_app(data_dir: DataDir) -> bool:
    """Forget the machine's GitHub App; whether there was one."""
    if not data_dir.database.exists():
        return False
    async with open_owner_store(data_dir) as store:
        return await store.github_app.remove()


async def disconnect_github(data_dir: DataDir, username: str, *, user: str | None) -> bool:
    """Forget an account on GitHub; whether there was one.

    Raises:
        NotFoundError: There is no such user.
    """
    if not data_dir.database.exists():
        return False
    async with open_owner_store(data_dir) as store:
        owner = await find_user(store, user)
        return await store.git_accounts.remove(owner.id, username)
