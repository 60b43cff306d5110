"""Git accounts, repositories and branches: those of this machine, as GitHub's are shown."""

import re
from collections.abc import Mapping

from anyio import to_thread

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.deploy.commits import LOCAL_INSTALLATION
from createos_mcp.platform.deploy.pushes import as_refusal
from createos_mcp.platform.errors import (
    GitFailedError,
    InvalidRequestError,
    NotFoundError,
)
from createos_mcp.platform.git.bare_repositories import BareRepository, TreeEntry
from createos_mcp.platform.git.github import GitHub
from createos_mcp.platform.store.git_accounts import GitAccount
from createos_mcp.platform.store.repositories import Repository

DEFAULT_PER_PAGE = 30
MAX_ENTRIES = 10_000
_FULL_NAME = re.compile(r"(?:([^/]+)/)?([^/]+)")


async def list_accounts(request: ApiRequest) -> Json:
    """This machine's own account of the user, and those on GitHub."""
    accounts = await request.services.store.git_accounts.of(request.user.id)
    own = (int(LOCAL_INSTALLATION), request.user.name, 0)
    rows = [own, *((one.installation_id, one.username, one.installation_id) for one in accounts)]
    return [
        {
            "installationId": installation_id,
            "username": name,
            "accountName": name,
            "accountType": "User",
            "ownerId": owner_id,
            "avatarUrl": "",
        }
        for installation_id, name, owner_id in rows
    ]


async def install_app(request: ApiRequest) -> Json:
    """Connect an installation of the machine's GitHub App."""
    account = await request.services.github_accounts.install(
        request.user, request.arguments["installationId"], request.arguments["code"]
    )
    return f"{account.username} is connected (installation {account.installation_id})."


async def list_repositories(request: ApiRequest) -> Json:
    """The repositories of an account."""
    account = await _account(request)
    if account is not None:
        shown = await request.services.github_accounts.repositories(account)
        return [_serialize_remote(row) for row in shown]
    found = await request.services.store.repositories.of(request.user.id)
    return [_serialize(one) for one in found]


async def list_branches(request: ApiRequest) -> Json:
    """A page of a repository's branches; none of this machine is protected."""
    github = await _github(request)
    if github is not None:
        names = ("page", "per-page", "protected")
        query = {
            name.replace("-", "_"): str(request.arguments[name])
            for name in names
            if name in request.arguments
        }
        rows = await github.branches(request.arguments["repository"], **query)
        return [
            {
                "name": row["name"],
                "protected": bool(row.get("protected")),
                "commit": {"sha": row["commit"]["sha"], "url": row["commit"].get("url", "")},
            }
            for row in rows
        ]
    repository = await _repository(request)
    if request.arguments.get("protected") == "true":
        return []
    bare = _bare(request, repository)
    branches = await _branches_of(bare)
    page = request.arguments.get("page", 1)
    size = request.arguments.get("per-page", DEFAULT_PER_PAGE)
    rows = sorted(branches.items())[(page - 1) * size : page * size]
    return [
        {"name": name, "protected": False, "commit": {"sha": sha, "url": ""}} for name, sha in rows
    ]


async def read_content(request: ApiRequest) -> Json:
    """The tree of a branch, or of one of its folders."""
    github = await _github(request)
    if github is not None:
        wanted = request.arguments.get("treeSha") or request.arguments["branch"]
        return await github.tree(request.arguments["repository"], wanted)
    repository = await _repository(request)
    bare = _bare(request, repository)
    branch = request.arguments["branch"]
    branches = await _branches_of(bare)
    if branch not in branches:
        raise NotFoundError("branch", branch)
    tree = request.arguments.get("treeSha") or branches[branch]
    if not re.fullmatch(r"[0-9a-f]{4,64}", tree):
        raise InvalidRequestError("treeSha: not the hexadecimal name of a tree.")
    try:
        entries = await to_thread.run_sync(bare.tree, tree)
    except GitFailedError as error:
        raise NotFoundError("tree", tree) from error
    shown = [_entry(one) for one in entries[:MAX_ENTRIES]]
    return {"sha": tree, "url": "", "tree": shown, "truncated": len(entries) > MAX_ENTRIES}


def _entry(entry: TreeEntry) -> Mapping[str, Json]:
    size = {} if entry.size is None else {"size": entry.size}
    return {
        "path": entry.path,
        "mode": entry.mode,
        "type": entry.kind,
        "sha": entry.sha,
        **size,
        "url": "",
    }


def _serialize(repository: Repository) -> Mapping[str, Json]:
    return {
        "id": repository.id,
        "name": repository.name,
        "fullName": repository.full_name,
        "full_name": repository.full_name,
        "private": True,
        "defaultBranch": repository.default_branch,
        "default_branch": repository.default_branch,
    }


def _bare(request: ApiRequest, repository: Repository) -> BareRepository:
    return BareRepository(request.services.config.data_dir.repository(repository.id))


async def _branches_of(bare: BareRepository) -> Mapping[str, str]:
    try:
        return await to_thread.run_sync(bare.branches)
    except GitFailedError as error:
        raise as_refusal(error) from error


async def _account(request: ApiRequest) -> GitAccount | None:
    """The account on GitHub that the path names; None for that of this machine.

    Raises:
        NotFoundError: The user has no such account.
    """
    given = request.arguments["installation_id"]
    if given == LOCAL_INSTALLATION:
        return None
    return await request.services.github_accounts.find(request.user.id, given)


async def _github(request: ApiRequest) -> GitHub | None:
    """What answers for an account on GitHub; None for that of this machine."""
    account = await _account(request)
    return None if account is None else await request.services.github_accounts.github(account)


def _serialize_remote(row: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "id": row["id"],
        "name": row["name"],
        "fullName": row["full_name"],
        "full_name": row["full_name"],
        "private": bool(row.get("private")),
        "defaultBranch": row["default_branch"],
        "default_branch": row["default_branch"],
    }


async def _repository(request: ApiRequest) -> Repository:
    """The user's repository that the arguments name, with or without its owner.

    Raises:
        NotFoundError: There is none.
    """
    given = request.arguments["repository"]
    found = _FULL_NAME.fullmatch(given)
    owner, name = found.groups() if found else (None, "")
    repository = await request.services.store.repositories.named(request.user.id, name)
    if repository is None or (owner and owner.lower() != request.user.name.lower()):
        raise NotFoundError("repository", given)
    return repository


HANDLERS: Handlers = {
    "ListConnectedGithubAccounts": list_accounts,
    "InstallGithubApp": install_app,
    "ListGithubRepositories": list_repositories,
    "ListGithubRepositoryBranches": list_branches,
    "GetGithubRepositoryContent": read_content,
}
