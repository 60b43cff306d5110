"""Users as they meet a platform that runs, and how models of it are run against it."""

from collections.abc import Callable

import anyio
import httpx2
from hypothesis import HealthCheck, Phase, settings

from createos_mcp.contract.values import Json
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.users import add_user
from tests.eventually import eventually_now

PATIENCE_S = 60


def model_runs(*, runs: int, steps: int) -> settings:
    """The same sequences of calls each time."""
    return settings(
        phases=[Phase.generate],  # to shrink would take longer than to read
        max_examples=runs,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Owner:
    """A user as they meet the platform."""

    def __init__(self, config: PlatformConfig, url: str, name: str) -> None:
        user, key = anyio.run(add_user, config.data_dir, name)
        self.id, self.name, self.key = user.id, name, key
        self.client = httpx2.Client(base_url=url, headers={"X-Api-Key": key}, timeout=PATIENCE_S)

    def call(self, method: str, path: str, body: Json = None) -> tuple[int, Json]:
        answer = self.client.request(method, path, json=body)
        return answer.status_code, answer.json()["data"]

    def get(self, path: str) -> Json:
        status, data = self.call("GET", path)
        assert status == 200, data
        return data

    def eventually(self, path: str, holds: Callable[[int, Json], bool]) -> None:
        """Wait for what happens in the background."""
        eventually_now(lambda: self.call("GET", path), lambda answer: holds(*answer))
