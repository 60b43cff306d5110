"""Git repositories from the command line, and git finding its key through the helper."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.launches import run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where git's own configuration is."""
    home = tmp_path / "home"
    home.mkdir()
    return home


def git(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }
    return subprocess.run(
        ["git", "-C", str(home), *words], capture_output=True, text=True, check=False, env=environ
    )


def test_a_repository_is_made_pushed_to_without_a_password_and_deleted(
    tmp_path: Path, home: Path
) -> None:
    settings = {"CREATEOS_DATA_DIR": str(tmp_path / "data"), "HOME": str(home)}
    words = ("platform", "git")
    try:
        made = run(*words, "create", "my-app", "--json", **settings)
        assert made.returncode == 0, made.stderr
        remote = json.loads(made.stdout)["remote"]
        again = run(*words, "create", "MY-APP", **settings)
        wrong = run(*words, "create", "../up", **settings)
        git(home, "init", "--quiet", "--initial-branch=main", "copy")
        (home / "copy" / "index.html").write_text("x")
        for step in (("add", "."), ("commit", "--quiet", "-m", "First")):
            assert git(home / "copy", *step).returncode == 0
        push = ("push", remote, "main")
        before = git(home / "copy", "-c", f"include.path={home}/.gitconfig", *push)
        login = run(*words, "login", **settings)
        environ_home = home / "copy"
        (environ_home / ".gitconfig").write_text((home / ".gitconfig").read_text())
        after = git(environ_home, *push)
        kept = (home / ".gitconfig").read_text()
        listed = run(*words, "list", **settings)
        elsewhere = run(
            *words, "credential", "get", stdin="protocol=https\nhost=example.com\n", **settings
        )
        key = (tmp_path / "data" / "key").read_text().strip()
        logout = run(*words, "logout", **settings)
        unsure = run(*words, "delete", "my-app", stdin="no\n", **settings)
        gone = run(*words, "delete", "my-app", "--yes", **settings)
        missing = run(*words, "delete", "my-app", "--yes", **settings)
    finally:
        run("platform", "stop", **settings)
    assert (again.returncode, wrong.returncode) == (1, 1)
    assert "'MY-APP' is taken" in again.stderr
    assert "is not a name for a repository" in wrong.stderr
    assert before.returncode != 0
    assert login.returncode == 0, login.stderr
    assert after.returncode == 0, after.stderr
    assert "No project is built from local/my-app yet" in after.stderr
    assert key not in kept
    assert "local/my-app" in listed.stdout
    assert elsewhere.stdout == ""
    assert logout.returncode == 0
    assert remote.rpartition("/git/")[0] not in (home / ".gitconfig").read_text()
    assert (unsure.returncode, gone.returncode, missing.returncode) == (1, 0, 1)
    assert "No repository" in missing.stderr


def test_an_account_on_github_takes_its_token_from_the_input_and_says_what_is_wrong(
    tmp_path: Path,
) -> None:
    settings = {"CREATEOS_DATA_DIR": str(tmp_path / "data")}
    words = ("platform", "github")
    nowhere = "http://127.0.0.1:9"
    empty = run(*words, "login", **settings)
    away = run(*words, "login", "--github-api", nowhere, stdin="ghp_canary\n", **settings)
    unknown = run(*words, "logout", "octo", **settings)
    assert (empty.returncode, away.returncode, unknown.returncode) == (1, 1, 1)
    assert "no token was given" in empty.stderr
    assert f"{nowhere} cannot be reached" in away.stderr
    assert "ghp_canary" not in away.stdout + away.stderr
    assert unknown.stdout == "There is none.\n"
