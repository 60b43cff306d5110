"""The GitHub App of this machine: stored with its keys sealed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from createos_mcp.platform.sealing import Sealer
from createos_mcp.platform.store.database import Database
from createos_mcp.platform.timestamps import format_time


@dataclass(frozen=True, kw_only=True, slots=True)
class AppRegistration:
    """What GitHub gave when the app was registered."""

    app_id: str
    client_id: str
    api_url: str
    git_url: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_secret: str = field(repr=False)


class AppRegistrations:
    """Reads and durable writes of the one that there may be."""

    def __init__(self, database: Database, sealer: Sealer, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._sealer = sealer
        self._now = now

    async def get(self) -> AppRegistration | None:
        """The app, if this machine has one."""
        rows = await self._database.read("github_app")
        if not rows:
            return None
        row = rows[0]
        return AppRegistration(
            app_id=row["app_id"],
            client_id=row["client_id"],
            api_url=row["api_url"],
            git_url=row["git_url"],
            **json.loads(self._sealer.unseal(row["secret"])),
        )

    async def set(self, app: AppRegistration) -> None:
        """Store an app, in place of the one that was there."""
        secret = {
            "private_key": app.private_key,
            "webhook_secret": app.webhook_secret,
            "client_secret": app.client_secret,
        }
        await self._database.run(
            "set_github_app",
            app_id=app.app_id,
            client_id=app.client_id,
            api_url=app.api_url,
            git_url=app.git_url,
            secret=self._sealer.seal(json.dumps(secret)),
            now=format_time(self._now()),
        )

    async def remove(self) -> bool:
        """Forget the app; whether there was one."""
        return bool(await self._database.run("remove_github_app"))
