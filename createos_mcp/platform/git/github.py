"""GitHub's REST API, as far as accounts, repositories, branches and trees: https://docs.github.com/rest."""

from collections.abc import Mapping
from urllib.parse import quote

import httpx2

from createos_mcp.contract.values import Json
from createos_mcp.platform.errors import GitHubError

API_URL, GIT_URL = "https://api.github.com", "https://github.com"
PER_PAGE = 100
MAX_PAGES = 20
_TIMEOUT_S = 20
_VERSION = "2022-11-28"
_REASONS: Mapping[int, str] = {
    401: "it does not accept the token; connect the account again with "
    "`createos-mcp platform github login`",
    403: "it refuses the token, or its rate limit is reached",
    404: "it has no such thing, or the token does not show it",
}


class GitHub:
    """One account's view of GitHub."""

    def __init__(self, client: httpx2.AsyncClient, api_url: str, token: str) -> None:
        self._client = client
        self._api_url = api_url.rstrip("/")
        self._token = token

    async def user(self) -> Json:
        """Whose token it is."""
        return await self.read("/user")

    async def repositories(self) -> list[Json]:
        """All repositories that a user's token shows."""
        return await self._all("/user/repos", None)

    async def installed_repositories(self) -> list[Json]:
        """All repositories that an installation's token shows."""
        return await self._all("/installation/repositories", "repositories")

    async def installations(self) -> list[Json]:
        """Where an app is installed that the user of this token may use."""
        return await self._all("/user/installations", "installations")

    async def repository(self, repository_id: str) -> Json:
        """A repository by its number."""
        return await self.read(f"/repositories/{quote(repository_id, safe='')}")

    async def branches(self, full_name: str, **query: str) -> list[Json]:
        """A page of branches."""
        rows: list[Json] = await self.read(f"/repos/{quote(full_name)}/branches", **query)
        return rows

    async def tree(self, full_name: str, treeish: str) -> Json:
        """Everything below a branch or tree."""
        path = f"/repos/{quote(full_name)}/git/trees/{quote(treeish, safe='')}"
        return await self.read(path, recursive="1")

    async def set_status(self, full_name: str, sha: str, status: Mapping[str, str]) -> None:
        """Say at a commit what became of it: `state`, `target_url`, `description`, `context`."""
        await self.send(f"/repos/{quote(full_name)}/statuses/{quote(sha, safe='')}", status)

    async def read(self, path: str, **query: str) -> Json:
        """What is at a path.

        Raises:
            GitHubError: GitHub refuses or does not answer.
        """
        return await self._ask("GET", path, params=query)

    async def send(self, path: str, body: Mapping[str, Json]) -> Json:
        """What a POST answers.

        Raises:
            GitHubError: GitHub refuses or does not answer.
        """
        return await self._ask("POST", path, json=dict(body))

    async def _all(self, path: str, member: str | None) -> list[Json]:
        found: list[Json] = []
        for page in range(1, MAX_PAGES + 1):
            told = await self.read(path, per_page=str(PER_PAGE), page=str(page))
            rows = told[member] if member else told
            found += rows
            if len(rows) < PER_PAGE:
                break
        return found

    async def _ask(self, method: str, path: str, **options: Json) -> Json:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _VERSION,
        }
        address = f"{self._api_url}{path}"
        try:
            answer = await self._client.request(
                method, address, headers=headers, timeout=_TIMEOUT_S, **options
            )
        except httpx2.HTTPError as error:
            said = str(error) or type(error).__name__
            raise GitHubError(502, f"{self._api_url} cannot be reached: {said}") from error
        if answer.status_code >= httpx2.codes.BAD_REQUEST:
            reason = _REASONS.get(answer.status_code, f"it answered {answer.status_code}")
            raise GitHubError(answer.status_code, f"{self._api_url}: {reason}")
        try:
            return answer.json()
        except ValueError as error:
            raise GitHubError(502, f"{self._api_url} did not answer with JSON") from error
