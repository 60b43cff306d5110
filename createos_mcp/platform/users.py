"""Users of a platform, added and listed by the owner of its files, whether it runs or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from createos_mcp.platform.api.auth import add_account, check_user_name, ensure_first_key
from createos_mcp.platform.models import User
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.accounts import Accounts
from createos_mcp.platform.store.database import open_database


async def add_user(data_dir: DataDir, name: str) -> tuple[User, str]:
    """Make a user, and a key of theirs that is returned here and never again.

    A running platform lets them in at once. In a directory that no platform has used yet, its
    owner is made first.

    Raises:
        UserNameError: The name is empty, too long, or holds other characters.
        NameTakenError: Another user has it.
    """
    check_user_name(name)
    async with _open_accounts(data_dir) as accounts:
        await ensure_first_key(accounts, data_dir.key_file)
        return await add_account(accounts, name)


async def list_users(data_dir: DataDir) -> list[User]:
    """Everyone, the owner first; nobody before the platform's first start."""
    if not data_dir.database.exists():
        return []
    async with _open_accounts(data_dir) as accounts:
        return await accounts.users()


@asynccontextmanager
async def _open_accounts(data_dir: DataDir) -> AsyncIterator[Accounts]:
    async with open_database(data_dir.database, "platform") as database:
        yield Accounts(database, now=lambda: datetime.now(UTC))
