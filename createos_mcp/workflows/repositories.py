"""Repositories: where a connected GitHub account holds one."""

from collections.abc import Mapping

from createos_mcp.calls.pipeline import ToolCall
from createos_mcp.contract.errors import InvalidArgumentsError
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Json


async def find_repository(call: ToolCall, full_name: str) -> dict[str, str]:
    """The `source` of a vcs project that is built from `owner/repo`.

    Raises:
        InvalidArgumentsError: No connected account holds it.
    """
    owner = full_name.partition("/")[0].lower()
    accounts = await call.operate("ListConnectedGithubAccounts") or []
    names = [_account_name(account) for account in accounts]
    for account in sorted(accounts, key=lambda account: _account_name(account).lower() != owner):
        installation_id = str(account["installationId"])
        listed = await call.operate("ListGithubRepositories", installation_id=installation_id)
        for repository in listed or []:
            if _full_name(repository).lower() == full_name.lower():
                return {
                    "vcsName": "github",
                    "vcsInstallationId": installation_id,
                    "vcsRepoId": str(repository["id"]),
                }
    known = f"connected accounts: {', '.join(names)}" if names else "no account is connected"
    message = (
        f"this platform hosts no {full_name} ({known}); `createos-mcp platform git create` makes "
        "a repository to push to"
        if call.is_local
        else f"no connected GitHub account has {full_name} ({known}); grant the GitHub "
        "App access to it, or check the name with ListGithubRepositories"
    )
    raise InvalidArgumentsError([Problem(path="repository", message=message)])


def _account_name(account: Mapping[str, Json]) -> str:
    # The cloud's own descriptions name it both ways, and the full name of a repository as well.
    return str(account.get("username") or account.get("accountName") or "")


def _full_name(repository: Mapping[str, Json]) -> str:
    return str(repository.get("fullName") or repository.get("full_name") or "")
