"""The store as the owner of the machine opens it, whether the platform runs or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from createos_mcp.platform.api.auth import ensure_first_key
from createos_mcp.platform.errors import NotFoundError
from createos_mcp.platform.models import User
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.store import Store, open_store

_NO_PORTS = range(0)


@asynccontextmanager
async def open_owner_store(data_dir: DataDir) -> AsyncIterator[Store]:
    """Open the store of a data directory; in one that is new, its owner is made first."""
    async with open_store(
        data_dir.database,
        app_ports=_NO_PORTS,
        sealer=Sealer(data_dir.sealing_key),
        now=lambda: datetime.now(UTC),
    ) as store:
        await ensure_first_key(store.accounts, data_dir.key_file)
        yield store


async def find_user(store: Store, name: str | None) -> User:
    """A user by name, upper and lower case alike; None is the owner of the machine.

    Raises:
        NotFoundError: There is no such user.
    """
    for one in await store.accounts.users():
        if name is None or one.name.lower() == name.lower():
            return one
    raise NotFoundError("user", name or "")
