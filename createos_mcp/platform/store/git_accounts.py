"""Accounts on GitHub: which a user has connected, with tokens that are sealed in the database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.database import Database
from createos_mcp.platform.timestamps import format_time


@dataclass(frozen=True, kw_only=True, slots=True)
class GitAccount:
    """One account and how it is asked."""

    user_id: str
    installation_id: int
    """The account's own number on GitHub."""
    username: str
    api_url: str
    git_url: str
    token: str = field(repr=False)
    """Empty for an installation of the machine's GitHub App, which makes tokens of its own."""


class GitAccounts:
    """Reads and durable writes of accounts."""

    def __init__(self, database: Database, sealer: Sealer, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._sealer = sealer
        self._now = now

    async def set(self, account: GitAccount) -> None:
        """Store an account, in place of what was known of it."""
        await self._database.run(
            "set_git_account",
            user_id=account.user_id,
            installation_id=account.installation_id,
            username=account.username,
            api_url=account.api_url,
            git_url=account.git_url,
            secret=self._sealer.seal(account.token),
            now=format_time(self._now()),
        )

    async def of(self, user_id: str) -> list[GitAccount]:
        """A user's accounts by name."""
        return [
            GitAccount(
                user_id=row["user_id"],
                installation_id=row["installation_id"],
                username=row["username"],
                api_url=row["api_url"],
                git_url=row["git_url"],
                token=self._sealer.unseal(row["secret"]),
            )
            for row in await self._database.read("git_accounts_of", user_id=user_id)
        ]

    async def find(self, user_id: str, installation_id: str) -> GitAccount | None:
        """A user's account by its number."""
        accounts = {str(one.installation_id): one for one in await self.of(user_id)}
        return accounts.get(installation_id)

    async def remove_installation(self, installation_id: int) -> None:
        """Forget an installation, whoever has connected it."""
        await self._database.run("remove_installation", installation_id=installation_id)

    async def remove(self, user_id: str, username: str) -> bool:
        """Forget an account; whether there was one."""
        return bool(
            await self._database.run("remove_git_account", user_id=user_id, username=username)
        )
