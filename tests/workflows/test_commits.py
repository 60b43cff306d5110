"""A branch of a repository on this machine: its commit is deployed, not its working tree."""

import os
import subprocess
from pathlib import Path

import pytest

from createos_mcp.contract.errors import LocalReadError
from createos_mcp.workflows.commits import LocalRepository, is_local_repository, write_commit
from tests.eras import Era, both_eras
from tests.workflows.local_agents import working_in


def git(place: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(
        ["git", "-C", str(place), *identity, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def local(place: Path) -> LocalRepository:
    return LocalRepository(place=place, environ=os.environ)


def repository_at(place: Path) -> Path:
    """One with a branch `main`, and with something else in its working tree."""
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch=main")
    (place / "index.html").write_text("<title>committed</title>")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "page.html").symlink_to("index.html")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "First")
    (place / "index.html").write_text("<title>changed</title>")
    (place / "new.html").write_text("not committed")
    return place


def test_the_files_of_the_commit_are_written_with_their_modes_and_links(tmp_path: Path) -> None:
    place, target = repository_at(tmp_path / "repo"), tmp_path / "copy"
    target.mkdir()
    assert write_commit(local(place), "main", target) == git(place, "rev-parse", "main")
    assert {file.name for file in target.iterdir()} == {"index.html", "run.sh", "page.html"}
    assert (target / "index.html").read_text() == "<title>committed</title>"
    assert (target / "run.sh").stat().st_mode & 0o111
    assert (target / "page.html").readlink() == Path("index.html")


def test_nothing_that_a_repository_names_is_run(tmp_path: Path) -> None:
    place, target = repository_at(tmp_path / "repo"), tmp_path / "copy"
    target.mkdir()
    ran = tmp_path / "ran"
    (place / ".gitattributes").write_text("* filter=evil\n")
    git(place, "add", ".gitattributes")
    git(place, "commit", "--quiet", "--message", "Filters")
    for name in ("filter.evil.smudge", "core.fsmonitor", "core.sshCommand", "core.pager"):
        git(place, "config", name, f"touch {ran}")
    write_commit(local(place), "main", target)
    assert not ran.exists()
    assert (target / ".gitattributes").exists()


@pytest.mark.parametrize("path", ["../out", "link/out"])
def test_a_tree_that_leads_out_of_itself_is_refused(path: str, tmp_path: Path) -> None:
    place, target = repository_at(tmp_path / "repo"), tmp_path / "copy"
    target.mkdir()
    blob = git(place, "rev-parse", "main:index.html").encode()
    to = subprocess.run(
        ["git", "-C", str(place), "hash-object", "-w", "--stdin"],
        input=str(tmp_path).encode(),
        capture_output=True,
        check=True,
    ).stdout.strip()
    folder, name = path.split("/")
    inner = tree_of(place, b"100644 blob " + blob + b"\t" + name.encode())
    rows = [b"040000 tree " + inner.encode() + b"\t" + folder.encode()]
    if folder == "link":
        rows.insert(0, b"120000 blob " + to + b"\tlink")
    commit = git(place, "commit-tree", "-m", "out", tree_of(place, *rows))
    git(place, "update-ref", "refs/heads/out", commit)
    with pytest.raises(LocalReadError, match="leads out of the commit"):
        write_commit(local(place), "out", target)
    assert not (tmp_path / "out").exists()


def tree_of(place: Path, *rows: bytes) -> str:
    """A tree as git would not make it."""
    raw = b""
    for row in rows:
        facts, name = row.split(b"\t")
        mode, _, sha = facts.split(b" ")
        raw += mode.lstrip(b"0") + b" " + name + b"\0" + bytes.fromhex(sha.decode())
    words = ["git", "-C", str(place), "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    return subprocess.run(words, input=raw, capture_output=True, check=True).stdout.decode().strip()


def test_what_is_no_repository_or_no_branch_is_refused_with_what_there_is(tmp_path: Path) -> None:
    place = repository_at(tmp_path / "repo")
    with pytest.raises(LocalReadError, match="has no branch 'prod'; it has main"):
        write_commit(local(place), "prod", tmp_path)
    with pytest.raises(LocalReadError, match="is not a git repository"):
        write_commit(local(tmp_path), "main", tmp_path)
    with pytest.raises(LocalReadError, match="has no branch"):
        write_commit(local(place), "--upload-pack=touch", tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("octo/shop", False), (".", True), ("./shop", True), ("/srv/shop", True), ("~/shop", True)],
)
def test_a_place_is_told_from_a_name(name: str, expected: bool) -> None:  # noqa: FBT001
    assert is_local_repository(name) is expected


@both_eras
async def test_deploy_ships_the_commit_and_says_which(
    era: Era, data_dir: Path, tmp_path: Path
) -> None:
    place = repository_at(tmp_path / "repo")
    call = {"project_id": f"commit-{era}", "branch": "main"}
    async with working_in(tmp_path, era, data_dir=data_dir) as agent:
        deployed = await agent.call("Deploy", **call, repository="./repo")
        assert "committed" in deployed["health"]["page"]
        assert deployed["source"]["commit"] == git(place, "rev-parse", "main")
        refused = await agent.refusal("Deploy", **call, repository="/etc")
        assert "outside of the allowed directories" in refused
