"""Accounts on GitHub: connected by a token or by the machine's GitHub App, and asked as such."""

import hashlib
import hmac

import httpx2

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.git.github_app import GitHubApp, exchange_code
from createos_mcp.platform.models import User
from createos_mcp.platform.store.git_accounts import GitAccount
from createos_mcp.platform.store.github_app import AppRegistration
from createos_mcp.platform.store.store import Store

SIGNATURE = "sha256="


class GitHubAccounts:
    """Finds and connects accounts, and gives each what it is asked with."""

    def __init__(self, store: Store, client: httpx2.AsyncClient) -> None:
        self._store = store
        self._client = client
        self._app: tuple[AppRegistration, GitHubApp] | None = None

    async def find(self, user_id: str, installation_id: str) -> GitAccount:
        """A user's account.

        Raises:
            NotFoundError: The user has connected none of that number.
        """
        found = await self._store.git_accounts.find(user_id, installation_id)
        if found is None:
            raise NotFoundError("GitHub installation", installation_id)
        return found

    async def token(self, account: GitAccount) -> str:
        """What an account is asked with now.

        Raises:
            GitHubError: GitHub gives none, or this machine has no GitHub App any more.
        """
        if account.token:
            return account.token
        _, app = await self._registered()
        return await app.token(account.installation_id)

    async def github(self, account: GitAccount) -> GitHub:
        """What answers for an account.

        Raises:
            GitHubError: GitHub gives no token for it.
        """
        return GitHub(self._client, account.api_url, await self.token(account))

    async def repositories(self, account: GitAccount) -> list[Json]:
        """What an account shows.

        Raises:
            GitHubError: GitHub refuses or does not answer.
        """
        github = await self.github(account)
        if account.token:
            return await github.repositories()
        return await github.installed_repositories()

    async def install(self, user: User, installation_id: int, code: str) -> GitAccount:
        """Connect an installation of the machine's GitHub App to a user.

        The code of GitHub's redirect tells that the user may use it. An app without a client
        secret cannot ask that, and connects installations to the owner of the machine alone.

        Raises:
            InvalidRequestError: The machine has no GitHub App.
            ForbiddenError: The installation is not the user's.
            GitHubError: GitHub does not take the code, or knows no such installation.
        """
        registration, app = await self._registered()
        if registration.client_secret:
            theirs = await self._installations_of(registration, code)
            if installation_id not in theirs:
                raise ForbiddenError(
                    f"installationId: {installation_id} is not among the installations of who "
                    "came with that code."
                )
        elif user.id != (await self._store.accounts.first_user()).id:
            raise ForbiddenError(
                "The GitHub App of this machine has no client secret, so only its owner connects "
                "installations."
            )
        shown = await app.installation(installation_id)
        account = GitAccount(
            user_id=user.id,
            installation_id=installation_id,
            username=str(shown["account"]["login"]),
            api_url=registration.api_url,
            git_url=registration.git_url,
            token="",
        )
        await self._store.git_accounts.set(account)
        return account

    async def _installations_of(self, registration: AppRegistration, code: str) -> set[int]:
        credentials = {
            "client_id": registration.client_id,
            "client_secret": registration.client_secret,
        }
        token = await exchange_code(self._client, registration.git_url, code, credentials)
        rows = await GitHub(self._client, registration.api_url, token).installations()
        return {int(row["id"]) for row in rows}

    async def is_from_github(self, body: bytes, signature: str) -> bool:
        """Whether a delivery was signed with the secret of the machine's GitHub App."""
        registration = await self._store.github_app.get()
        if registration is None or not registration.webhook_secret:
            return False
        digest = hmac.new(registration.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"{SIGNATURE}{digest}", signature)

    async def _registered(self) -> tuple[AppRegistration, GitHubApp]:
        registration = await self._store.github_app.get()
        if registration is None:
            raise InvalidRequestError(
                "This machine has no GitHub App. Its owner sets one with `createos-mcp platform "
                "github app`, or connects an account with a token: `createos-mcp platform github "
                "login`. The account of this machine, installation 1, is always there."
            )
        if self._app is None or self._app[0] != registration:
            app = GitHubApp(
                self._client,
                app_id=registration.app_id,
                private_key=registration.private_key,
                api_url=registration.api_url,
            )
            self._app = registration, app
        return self._app
