"""Commits of a repository on this machine: their files, and nothing of its working tree.

Only git's plumbing runs: it reads objects, and starts no filter, hook or monitor that a repository
may name.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from createos_mcp.contract.errors import LocalReadError

MAX_BYTES = 200 * 2**20
_TIMEOUT_S = 120
_LINK, _EXECUTABLE = "120000", "100755"
_NAMED = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalRepository:
    """A repository on this machine, and how git is run in it.

    Args:
        place: Its working tree, or itself if it is bare.
        environ: This process's variables, of which git sees where programs and the home are.
    """

    place: Path
    environ: Mapping[str, str] = field(repr=False)

    def ask(self, *words: str, given: bytes = b"") -> bytes | None:
        """What a command prints; None where it fails.

        Raises:
            LocalReadError: Git is missing, or took too long.
        """
        kept = {name: self.environ[name] for name in ("PATH", "HOME") if name in self.environ}
        environ = {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        command = ("git", "-C", str(self.place), "-c", "core.fsmonitor=false", *words)
        try:
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                check=False,
                env=environ,
                timeout=_TIMEOUT_S,
            )
        except FileNotFoundError as error:
            raise LocalReadError("repository", "git is not installed here") from error
        except subprocess.TimeoutExpired as error:
            raise LocalReadError("repository", "git took too long") from error
        return None if done.returncode else done.stdout


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    mode: str
    kind: str
    sha: str
    size: int
    path: str


def is_local_repository(name: str) -> bool:
    """Whether a repository is named by its place on this machine, and not as `owner/repo`."""
    return name.startswith((".", "/", "~"))


def write_commit(repository: LocalRepository, branch: str, target: Path) -> str:
    """Write the files of a branch's newest commit into a directory; the commit.

    Raises:
        LocalReadError: There is no such repository or branch, or it is too large.
    """
    if not any((repository.place / name).exists() for name in (".git", "HEAD")):
        raise LocalReadError("repository", f"{repository.place} is not a git repository")
    sha = repository.ask("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
    if sha is None:
        told = repository.ask("for-each-ref", "--format=%(refname:short)", "refs/heads") or b""
        names = ", ".join(told.decode(errors="replace").split()[:_NAMED]) or "no branch"
        raise LocalReadError(
            "branch", f"{repository.place} has no branch {branch!r}; it has {names}"
        )
    commit = sha.decode().strip()
    entries = list(_entries(repository, commit))
    if sum(entry.size for entry in entries) > MAX_BYTES:
        raise LocalReadError("branch", f"its files are more than {MAX_BYTES // 2**20} MB")
    blobs = [entry for entry in entries if entry.kind == "blob"]
    for entry, content in zip(blobs, _contents(repository, blobs), strict=True):
        file = target / entry.path
        # Git makes no such tree, but somebody else could have.
        if ".." in Path(entry.path).parts or not _lies_inside(file, target):
            raise LocalReadError("branch", f"{entry.path!r} leads out of the commit")
        file.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK:
            file.symlink_to(os.fsdecode(content))
            continue
        file.write_bytes(content)
        if entry.mode == _EXECUTABLE:
            file.chmod(0o755)
    return commit


def _lies_inside(file: Path, target: Path) -> bool:
    return file.resolve().is_relative_to(target.resolve()) and not file.is_symlink()


def _entries(repository: LocalRepository, commit: str) -> Iterator[_Entry]:
    listed = repository.ask("ls-tree", "-r", "-z", "-l", "--full-tree", commit) or b""
    for row in filter(None, os.fsdecode(listed).split("\0")):
        facts, path = row.split("\t", 1)
        mode, kind, sha, size = facts.split()
        yield _Entry(
            mode=mode, kind=kind, sha=sha, size=int(size) if size.isdigit() else 0, path=path
        )


def _contents(repository: LocalRepository, blobs: list[_Entry]) -> Iterator[bytes]:
    asked = "".join(f"{entry.sha}\n" for entry in blobs).encode()
    told = repository.ask("cat-file", "--batch", given=asked) or b""
    at = 0
    for _ in blobs:
        end = told.index(b"\n", at)
        size = int(told[at:end].split()[2])
        yield told[end + 1 : end + 1 + size]
        at = end + size + 2
