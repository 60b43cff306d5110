"""Git repositories of the local platform, from the command line, and git's way to a key."""

import json
import shlex
import subprocess
import sys
from getpass import getpass
from pathlib import Path

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, explained, locate_platform
from createos_mcp.cli.tables import write_table
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UserRefusedError
from createos_mcp.platform import daemon, repositories
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.store.github_app import AppRegistration
from createos_mcp.platform.store.repositories import Repository

_COLUMNS = ("ID", "REPOSITORY", "DEFAULT BRANCH", "REMOTE")
_USERNAME = "createos"
"""Git asks for one; the platform goes by the key alone."""


def create_repository_command(invocation: Invocation) -> int:
    """Make a repository, and show how to push to it.

    Raises:
        UserRefusedError: The name is taken or cannot be one, or there is no such user.
    """
    given = invocation.given
    target = locate_platform(invocation)
    config = config_of(invocation.settings)
    with explained():
        made = anyio.run(
            lambda: repositories.create_repository(
                config.data_dir, given["name"], user=given.get("for_user")
            )
        )
    remote = _remote(target.base_url, made)
    if given["json"]:
        say(json.dumps({"id": made.id, "fullName": made.full_name, "remote": remote}))
        return 0
    say(f"Repository {made.full_name} created (vcsInstallationId 1, vcsRepoId {made.id}).")
    say("Let git find the key, once: createos-mcp platform git login")
    say(f"git remote add createos {remote}")
    say("git push createos HEAD")
    return 0


def remove_repository_command(invocation: Invocation) -> int:
    """Delete a repository; its name has to be typed again, or --yes given.

    Raises:
        UserRefusedError: There is no such repository or user, or the name was not repeated.
    """
    given = invocation.given
    config = config_of(invocation.settings)
    if not given["yes"]:
        say(f"This deletes {given['name']} with its history. Type its name to confirm:")
        if sys.stdin.readline().strip() != given["name"]:
            raise UserRefusedError("nothing was deleted")
    with explained():
        anyio.run(
            lambda: repositories.remove_repository(
                config.data_dir, given["name"], user=given.get("for_user")
            )
        )
    say(f"Repository {given['name']} deleted. What was built from it goes on running.")
    return 0


def list_repositories_command(invocation: Invocation) -> int:
    """Show everybody's repositories."""
    config = config_of(invocation.settings)
    state = daemon.find_running(config.data_dir)
    found = anyio.run(repositories.list_hosted, config.data_dir)
    rows = [(one, _remote(state.api_url, one) if state else "not running") for one in found]
    if invocation.given["json"]:
        members = [
            {
                "id": one.id,
                "fullName": one.full_name,
                "defaultBranch": one.default_branch,
                "remote": remote if state else None,
            }
            for one, remote in rows
        ]
        say(json.dumps(members))
        return 0
    cells = [(str(one.id), one.full_name, one.default_branch, remote) for one, remote in rows]
    write_table(_COLUMNS, cells)
    return 0


def git_login_command(invocation: Invocation) -> int:
    """Let git ask this program for the key, for this platform's address alone.

    Raises:
        UserRefusedError: Git is missing, or its configuration cannot be written.
    """
    target = locate_platform(invocation)
    helper = _helper(config_of(invocation.settings).data_dir)
    section = f"credential.{target.base_url}"
    _configure(invocation, "--replace-all", f"{section}.helper", helper)
    _configure(invocation, "--replace-all", f"{section}.username", _USERNAME)
    say(f"git finds the key for {target.base_url} by itself from now on.")
    say("It is kept in no file but the platform's own, and in no address.")
    return 0


def git_logout_command(invocation: Invocation) -> int:
    """Take out of git's configuration what `git_login_command` wrote.

    Raises:
        UserRefusedError: Git is missing, or its configuration cannot be written.
    """
    target = locate_platform(invocation)
    _configure(invocation, "--remove-section", f"credential.{target.base_url}", missing_ok=True)
    say(f"git asks for the key of {target.base_url} again.")
    return 0


def answer_git(invocation: Invocation) -> int:
    """Speak the protocol of git's credential helpers: https://git-scm.com/docs/gitcredentials."""
    asked = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin if "=" in line)
    config = config_of(invocation.settings)
    state = daemon.find_running(config.data_dir)
    wanted = f"{asked.get('protocol')}://{asked.get('host')}"
    # The key is told to git alone, and for this platform alone.
    if invocation.given["action"] == "get" and state is not None and wanted == state.api_url:
        key = config.data_dir.key_file.read_text().strip()
        sys.stdout.write(f"username={_USERNAME}\npassword={key}\n")
    return 0


def connect_github_command(invocation: Invocation) -> int:
    """Connect an account on GitHub; the token is typed, or comes over standard input.

    Raises:
        UserRefusedError: GitHub does not accept the token, or there is no such user.
    """
    given = invocation.given
    token = getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not token:
        raise UserRefusedError("no token was given; type it, or pass it over standard input")
    data_dir = config_of(invocation.settings).data_dir
    with explained(), daemon.holding_starts(data_dir):
        account = anyio.run(
            lambda: repositories.connect_github(
                data_dir,
                token,
                user=given.get("for_user"),
                api_url=given["github_api"],
                git_url=given["github_git"],
            )
        )
    say(f"{account.username} is connected (vcsInstallationId {account.installation_id}).")
    return 0


def register_app_command(invocation: Invocation) -> int:
    """Set the machine's GitHub App, whose secrets come from files, or forget it.

    Raises:
        UserRefusedError: Something is missing, a file cannot be read, or GitHub refuses the key.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    if given["remove"]:
        with explained():
            is_gone = anyio.run(repositories.forget_app, data_dir)
        say("The GitHub App was removed." if is_gone else "There is none.")
        return 0 if is_gone else 1
    if not given.get("app_id") or not given.get("key_file"):
        raise UserRefusedError("give the app's ID and --key-file, or --remove")
    registration = AppRegistration(
        app_id=given["app_id"],
        client_id=given.get("client_id") or "",
        api_url=given["github_api"].rstrip("/"),
        git_url=given["github_git"].rstrip("/"),
        private_key=_read_secret(given["key_file"]),
        webhook_secret=_read_secret(given.get("webhook_secret_file")).strip(),
        client_secret=_read_secret(given.get("client_secret_file")).strip(),
    )
    with explained(), daemon.holding_starts(data_dir):
        name = anyio.run(repositories.register_app, data_dir, registration)
    say(f"{name} is the GitHub App of this machine. Users connect its installations next.")
    return 0


def _read_secret(file: str | None) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text()
    except (OSError, ValueError) as error:
        raise UserRefusedError(f"{file} cannot be read: {error}") from error


def disconnect_github_command(invocation: Invocation) -> int:
    """Forget an account on GitHub; 1 when there is none.

    Raises:
        UserRefusedError: There is no such user.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    with explained():
        is_gone = anyio.run(
            lambda: repositories.disconnect_github(
                data_dir, given["account"], user=given.get("for_user")
            )
        )
    say(f"{given['account']} was disconnected." if is_gone else "There is none.")
    return 0 if is_gone else 1


def _remote(base_url: str, repository: Repository) -> str:
    return f"{base_url}/git/{repository.full_name}.git"


def _helper(data_dir: DataDir) -> str:
    """A shell command, as git runs one that begins with an exclamation mark."""
    words = [sys.executable, "-m", "createos_mcp", "platform", "git", "credential"]
    variable = f"CREATEOS_DATA_DIR={shlex.quote(str(data_dir.root))}"
    return f"!env -u CREATEOS_API_KEY -u CREATEOS_API_URL {variable} {shlex.join(words)}"


def _configure(invocation: Invocation, *words: str, missing_ok: bool = False) -> None:
    try:
        done = subprocess.run(
            ["git", "config", "--global", *words],  # noqa: S607 - git where the user has it
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=dict(invocation.environ),
        )
    except FileNotFoundError as error:
        raise UserRefusedError("git is not installed; on Debian: apt-get install git") from error
    if done.returncode and not missing_ok:
        raise UserRefusedError(f"git config: {done.stderr.strip()}")
