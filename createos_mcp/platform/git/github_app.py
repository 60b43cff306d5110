"""A GitHub App's way to GitHub: signed by its key, with tokens that live for an hour.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app. Tokens are in
memory alone.
"""

import time
from collections.abc import Mapping

import httpx2
import jwt

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import GitHubError
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.timestamps import parse_time

_TIMEOUT_S = 20
_CLOCK_SKEW_S, _LIFETIME_S = 60, 540
"""GitHub takes no signature that is older than ten minutes, nor one from its future."""

_RENEW_BEFORE_S = 300


class GitHubApp:
    """One app, its installations, and the tokens that it has of them.

    Args:
        client: Sends requests.
        app_id: The app's number.
        private_key: In PEM.
        api_url: Of github.com or of GitHub Enterprise.
    """

    def __init__(
        self, client: httpx2.AsyncClient, *, app_id: str, private_key: str, api_url: str
    ) -> None:
        self._client = client
        self._app_id = app_id
        self._private_key = private_key
        self._api_url = api_url
        self._tokens: dict[int, tuple[str, float]] = {}

    async def describe(self) -> Json:
        """The app as GitHub knows it.

        Raises:
            GitHubError: GitHub does not accept the key, or does not answer.
        """
        return await self._as_app().read("/app")

    async def installation(self, installation_id: int) -> Json:
        """Where the app is installed, as GitHub shows it.

        Raises:
            GitHubError: It is not installed there, or GitHub does not answer.
        """
        return await self._as_app().read(f"/app/installations/{installation_id}")

    async def token(self, installation_id: int) -> str:
        """A token for the repositories of an installation.

        Raises:
            GitHubError: GitHub gives none.
        """
        token, until = self._tokens.get(installation_id, ("", 0.0))
        if time.time() < until - _RENEW_BEFORE_S:
            return token
        made = await self._as_app().send(f"/app/installations/{installation_id}/access_tokens", {})
        token = str(made["token"])
        self._tokens[installation_id] = token, parse_time(made["expires_at"]).timestamp()
        return token

    def _as_app(self) -> GitHub:
        now = int(time.time())
        claims = {"iat": now - _CLOCK_SKEW_S, "exp": now + _LIFETIME_S, "iss": self._app_id}
        try:
            signed = jwt.encode(claims, self._private_key, algorithm="RS256")
        except (ValueError, jwt.PyJWTError) as error:
            raise GitHubError(422, f"the app's private key cannot sign: {error}") from error
        return GitHub(self._client, self._api_url, signed)


async def exchange_code(
    client: httpx2.AsyncClient, git_url: str, code: str, app: Mapping[str, str]
) -> str:
    """The token of the user whom GitHub's redirect has sent with a code.

    Args:
        client: Sends requests.
        git_url: Of github.com or of GitHub Enterprise.
        code: As it came; it is good once, for ten minutes.
        app: `client_id` and `client_secret`.

    Raises:
        GitHubError: GitHub does not take the code.
    """
    address = f"{git_url.rstrip('/')}/login/oauth/access_token"
    try:
        answer = await client.post(
            address,
            json={**app, "code": code},
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT_S,
        )
        told = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise GitHubError(502, f"{address} does not answer: {error}") from error
    token = told.get("access_token") if isinstance(told, dict) else None
    if not token:
        said = told.get("error_description") if isinstance(told, dict) else None
        raise GitHubError(answer.status_code, f"the code is not accepted: {said or 'no token'}")
    return str(token)
