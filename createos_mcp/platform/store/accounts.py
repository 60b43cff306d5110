"""Users, their API keys, and the platform's own secrets."""

from collections.abc import Callable
from datetime import datetime

from createos_mcp.platform.errors import NameTakenError
from createos_mcp.platform.ids import new_id
from createos_mcp.platform.models import ApiKey, User
from createos_mcp.platform.store.database import Database, Transaction
from createos_mcp.platform.store.rows import api_key_of, user_of
from createos_mcp.platform.timestamps import format_time


class Accounts:
    """Reads and durable writes of who may call the API."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def ensure_user(self, *, name: str, email: str) -> User:
        """The first user, made now if there is none."""
        now = format_time(self._now())

        def find_or_insert(transaction: Transaction) -> User:
            rows = transaction.run("first_user")
            if not rows:
                transaction.run("add_user", id=new_id(), name=name, email=email, created_at=now)
                rows = transaction.run("first_user")
            return user_of(rows[0])

        return await self._database.write(find_or_insert)

    async def add_user(self, *, name: str, email: str, key_name: str, secret_hash: str) -> User:
        """Store a user together with their first key.

        Raises:
            NameTakenError: A user is called that, upper and lower case alike.
        """
        user_id, key_id, now = new_id(), new_id(), format_time(self._now())

        def insert(transaction: Transaction) -> User:
            if transaction.run("user_named", name=name):
                raise NameTakenError("user", name)
            transaction.run("add_user", id=user_id, name=name, email=email, created_at=now)
            transaction.run(
                "add_key",
                id=key_id,
                user_id=user_id,
                name=key_name,
                description=None,
                secret_hash=secret_hash,
                expired_at=None,
                created_at=now,
            )
            return user_of(transaction.run("user_named", name=name)[0])

        return await self._database.write(insert)

    async def first_user(self) -> User:
        """The owner of the machine, who is there from the platform's first start on."""
        return user_of((await self._database.read("first_user"))[0])

    async def users(self) -> list[User]:
        """Everyone, in the order in which they were added."""
        return [user_of(row) for row in await self._database.read("users")]

    async def ensure_secret(self, name: str, value: str) -> str:
        """A secret of the platform itself: the one stored, or this value, stored now."""

        def find_or_insert(transaction: Transaction) -> str:
            transaction.run("add_secret", name=name, value=value)
            stored: str = transaction.run("secret", name=name)[0]["value"]
            return stored

        return await self._database.write(find_or_insert)

    async def user_of_key(self, secret_hash: str) -> User | None:
        """Whose key that is, unless it is revoked or expired."""
        rows = await self._database.read(
            "user_of_key", secret_hash=secret_hash, now=format_time(self._now())
        )
        return user_of(rows[0]) if rows else None

    async def add_key(
        self,
        *,
        user_id: str,
        name: str,
        description: str | None,
        expired_at: str | None,
        secret_hash: str,
    ) -> ApiKey:
        """Store a key by the hash of its secret."""
        row: dict[str, str | None] = {
            "id": new_id(),
            "user_id": user_id,
            "name": name,
            "description": description,
            "secret_hash": secret_hash,
            "expired_at": expired_at,
            "created_at": format_time(self._now()),
        }
        await self._database.run("add_key", **row)
        return next(key for key in await self.keys(user_id) if key.id == row["id"])

    async def keys(self, user_id: str) -> list[ApiKey]:
        """All keys of a user, oldest first, revoked ones too."""
        return [api_key_of(row) for row in await self._database.read("keys", user_id=user_id)]

    async def live_keys(self, user_id: str) -> list[ApiKey]:
        """The keys of a user that are neither revoked nor expired."""
        rows = await self._database.read("live_keys", user_id=user_id, now=format_time(self._now()))
        return [api_key_of(row) for row in rows]

    async def update_key(self, key_id: str, *, name: str, description: str | None) -> None:
        """Change what a key is called."""
        now = format_time(self._now())
        await self._database.run(
            "update_key", id=key_id, name=name, description=description, now=now
        )

    async def revoke_key(self, key_id: str) -> None:
        """End a key at once."""
        now = format_time(self._now())
        await self._database.run("revoke_key", id=key_id, now=now)
