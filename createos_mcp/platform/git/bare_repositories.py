"""Bare repositories on disk: made, looked into, and written out commit by commit."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from createos_mcp.platform.errors import GitFailedError
from createos_mcp.platform.git.git_commands import more_configuration, run_git

MAX_TREE_BYTES = 500 * 2**20
MAX_TREE_ENTRIES = 20_000
_HOOK = """#!/bin/sh
# Tells the platform that branches have changed, and prints what it does about them.
cat > /dev/null
[ -n "$CREATEOS_TELL" ] || exit 0
echo pushed > "/dev/fd/$CREATEOS_TELL" && exec cat "/dev/fd/$CREATEOS_HEAR"
"""
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_LFS_POINTER_BYTES = 1024
_SUBMODULE = "160000"
_HEADS = "refs/heads/"

FindModule: TypeAlias = Callable[[str], Path | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """What is told of a commit."""

    sha: str
    author: str
    message: str
    """Its first line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEntry:
    """One entry of a commit's tree, `src/index.js`."""

    mode: str
    kind: str
    """`blob`, `tree` or `commit`."""
    sha: str
    size: int | None
    path: str


class BareRepository:
    """One repository; its methods wait for git, and are called in threads."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def create(self, default_branch: str) -> None:
        """Make it, without commits."""
        self.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        branch = f"--initial-branch={default_branch}"
        run_git(self.place, ("init", "--quiet", "--bare", "--template=", branch))
        hooks = self.place / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / "post-receive").write_text(_HOOK)
        (hooks / "post-receive").chmod(0o755)

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.place, ignore_errors=True)

    def branches(self) -> dict[str, str]:
        """Name to commit."""
        told = run_git(self.place, ("for-each-ref", "--format=%(objectname) %(refname)", _HEADS))
        pairs = (line.split(" ", 1) for line in told.splitlines())
        return {name.removeprefix(_HEADS): sha for sha, name in pairs}

    def fetch(self, url: str, *, header: str) -> None:
        """Take over the branches of another repository, and forget those that it has no more.

        Of each branch the newest commit alone is taken, however long its history is.

        Args:
            url: Where it is.
            header: Sent to that address alone; it is in no file and on no command line.

        Raises:
            GitFailedError: It cannot be reached, or does not accept the header.
        """
        # A git that was killed leaves its lock; one fetch at a time is under way.
        (self.place / "shallow.lock").unlink(missing_ok=True)
        words = ("fetch", "--quiet", "--depth=1", "--prune", "--no-tags", "--force", url,
                 f"+{_HEADS}*:{_HEADS}*")  # fmt: skip
        run_git(
            self.place,
            words,
            GIT_ALLOW_PROTOCOL="https:http",
            **more_configuration({f"http.{url}.extraHeader": header}),
        )

    def set_default_branch(self, name: str) -> None:
        """Lead clones to a branch."""
        run_git(self.place, ("symbolic-ref", "HEAD", f"{_HEADS}{name}"))

    def commit(self, sha: str) -> Commit:
        """What a commit says of itself."""
        told = run_git(self.place, ("show", "--no-patch", "--format=%H%n%an%n%s", sha, "--"))
        full, author, message, *_ = [*told.split("\n"), "", ""]
        return Commit(sha=full, author=author[:255], message=message[:1000])

    def changed(self, before: str, after: str, folder: str) -> bool:
        """Whether anything below a folder differs between two commits."""
        told = run_git(self.place, ("diff", "--name-only", before, after, "--", folder or "."))
        return bool(told.strip())

    def tree(self, treeish: str) -> list[TreeEntry]:
        """Files of a commit or tree, at any depth."""
        words = ("ls-tree", "-z", "-l", "-r", treeish, "--")
        entries = []
        for row in filter(None, run_git(self.place, words).split("\0")):
            facts, path = row.split("\t", 1)
            mode, kind, sha, size = facts.split()
            entries.append(
                TreeEntry(
                    mode=mode,
                    kind=kind,
                    sha=sha,
                    size=None if size == "-" else int(size),
                    path=path,
                )
            )
        return entries

    def commit_files(self, directory: Path, branch: str, message: str) -> None:
        """Make the files of a directory the first commit of a branch.

        Raises:
            GitFailedError: The branch is there, or git cannot write.
        """
        index = self.place / f"index-{secrets.token_hex(8)}"
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "createos"), ("EMAIL", "createos@localhost"))
        }
        places = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(directory)}
        try:
            add = ("-C", str(directory), "add", "--all", "--force", ".")
            run_git(self.place, add, **places)
            tree = run_git(self.place, ("write-tree",), **places).strip()
        finally:
            index.unlink(missing_ok=True)
        made = run_git(self.place, ("commit-tree", "-m", message, tree), **identity).strip()
        run_git(self.place, ("update-ref", f"{_HEADS}{branch}", made, "0" * 40))

    def write_out(self, sha: str, target: Path, find_module: FindModule) -> list[str]:
        """Write a commit's files below a directory made for it.

        Links that lead out of the directory are left out. Nothing of the repository's own
        configuration takes part.

        Args:
            sha: The commit.
            target: What is made, whole or not at all.
            find_module: Tells where the repository of a submodule's address is.

        Returns:
            What whoever reads the build log should know.

        Raises:
            GitFailedError: It is too large, or has a submodule from elsewhere.
        """
        draft = target.with_name(f"{target.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        try:
            self.fill(sha, draft)
            for path, commit, place in self._submodules(sha, find_module):
                BareRepository(place).fill(commit, draft / path)
            notes = [*_leave_out_links(draft), *_pointers(draft)]
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return notes

    def fill(self, sha: str, draft: Path) -> None:
        """Write a commit's own files into a directory, without those of submodules.

        Raises:
            GitFailedError: They are too many or too large.
        """
        entries = self.tree(sha)
        if len(entries) > MAX_TREE_ENTRIES:
            raise GitFailedError(f"the commit has more than {MAX_TREE_ENTRIES} files")
        if sum(entry.size or 0 for entry in entries) > MAX_TREE_BYTES:
            raise GitFailedError(f"the commit's files are more than {MAX_TREE_BYTES // 2**20} MB")
        draft.mkdir(exist_ok=True)
        index = self.place / f"index-{secrets.token_hex(8)}"
        places = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(draft)}
        try:
            run_git(self.place, ("read-tree", sha), **places)
            run_git(self.place, ("checkout-index", "--all", "--force", "--quiet"), **places)
        finally:
            index.unlink(missing_ok=True)

    def _submodules(
        self, sha: str, find_module: FindModule
    ) -> Iterator[tuple[PurePosixPath, str, Path]]:
        """Path, commit and repository of each submodule."""
        found = [entry for entry in self.tree(sha) if entry.mode == _SUBMODULE]
        if not found:
            return
        urls = self._submodule_urls(sha)
        for entry in found:
            url = urls.get(entry.path, "")
            place = find_module(url)
            if place is None:
                raise GitFailedError(
                    f"the submodule {entry.path} comes from {url or 'nowhere'}, which is not this "
                    "platform; push it here and use ../name.git, or copy its files in"
                )
            yield PurePosixPath(entry.path), entry.sha, place

    def _submodule_urls(self, sha: str) -> dict[str, str]:
        words = ("config", "--blob", f"{sha}:.gitmodules", "--list", "-z")
        told = run_git(self.place, words)
        values = dict(row.split("\n", 1) for row in told.split("\0") if "\n" in row)
        return {
            path: values.get(f"{key.removesuffix('.path')}.url", "")
            for key, path in values.items()
            if key.startswith("submodule.") and key.endswith(".path")
        }


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def _leave_out_links(root: Path) -> Sequence[str]:
    """Remove links that lead out of the tree, or nowhere."""
    whole = root.resolve()
    left_out = [
        path.relative_to(root).as_posix()
        for path in _walk(root)
        if path.is_symlink() and not _stays_inside(path, whole)
    ]
    for name in left_out:
        (root / name).unlink()
    return [f"Left out, as a link that leads nowhere here: {name}" for name in sorted(left_out)]


def _stays_inside(link: Path, whole: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(whole)
    except (OSError, RuntimeError):
        return False


def _pointers(root: Path) -> Sequence[str]:
    """What stands for files that Git LFS keeps elsewhere."""
    found = []
    for path in _walk(root):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size < _LFS_POINTER_BYTES:
            with path.open("rb") as file:
                if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                    found.append(path.relative_to(root).as_posix())
    if not found:
        return []
    names = ", ".join(sorted(found)[:10])
    return [f"Git LFS is not served here; these files are pointers, not their content: {names}"]
