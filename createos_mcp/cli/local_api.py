"""The running platform's API, as the commands for the owner of the machine ask it."""

from collections.abc import Mapping, Sequence

import httpx2

from createos_mcp.contract.errors import ConnectionLostError
from createos_mcp.contract.values import Json
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.state import PlatformState

REQUEST_TIMEOUT_S = 10


def request_data(
    state: PlatformState, data_dir: DataDir, path: str, *, method: str = "GET"
) -> Json:
    """The `data` of one answer; the key in the data directory is that of the machine's owner.

    Raises:
        ConnectionLostError: The platform does not answer, or refuses.
    """
    key = data_dir.key_file.read_text().strip()
    try:
        # A proxy of the environment cannot reach this machine's own platform.
        with httpx2.Client(trust_env=False, timeout=REQUEST_TIMEOUT_S) as client:
            answer = client.request(method, f"{state.api_url}{path}", headers={"X-Api-Key": key})
            return answer.raise_for_status().json()["data"]
    except httpx2.HTTPError as error:
        raise ConnectionLostError(state.api_url, str(error)) from error


def read_status(state: PlatformState, data_dir: DataDir) -> Mapping[str, Json]:
    """What runs, and the container engine."""
    page: Mapping[str, Json] = request_data(state, data_dir, "/status")
    return page


def read_apps(state: PlatformState, data_dir: DataDir) -> Sequence[Mapping[str, Json]]:
    """Every user's apps."""
    apps: Sequence[Mapping[str, Json]] = read_status(state, data_dir)["apps"]
    return apps
