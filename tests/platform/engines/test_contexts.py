"""Which files a Dockerfile's build is given."""

import tarfile
from pathlib import Path

import pytest

from createos_mcp.platform.engines.contexts import find_dockerfile, pack_context

FILES = (
    "Dockerfile", "README.md", "docs/guide.md", "src/main.py", "src/secret.env", "secret.env",
    "node_modules/a/index.js", "build/out.txt", "build/keep.txt",
)  # fmt: skip

CASES = {
    "no file": (None, set(FILES)),
    "a file": ("secret.env", {*FILES} - {"secret.env"}),
    "a pattern is rooted": ("*.md", {*FILES} - {"README.md"}),
    "at any depth": ("**/*.env", {*FILES} - {"secret.env", "src/secret.env"}),
    "a directory": ("node_modules", {*FILES} - {"node_modules/a/index.js"}),
    "a directory with slashes": ("/node_modules/", {*FILES} - {"node_modules/a/index.js"}),
    "taken back": ("build\n!build/keep.txt", {*FILES} - {"build/out.txt"}),
    "the last one counts": ("!secret.env\nsecret.env", {*FILES} - {"secret.env"}),
    "everything but": ("*\n!src", {"Dockerfile", "src/main.py", "src/secret.env"}),
    "comments and dots": ("# README.md\n./secret.env\n.\n..\n", {*FILES} - {"secret.env"}),
    "the Dockerfile itself stays": ("Dockerfile", set(FILES)),
}


def files_in(top: Path) -> set[str]:
    with pack_context(top, "Dockerfile") as packed, tarfile.open(fileobj=packed) as archive:
        return {entry.name for entry in archive if entry.isreg()} - {".dockerignore"}


@pytest.mark.parametrize(("rules", "kept"), CASES.values(), ids=CASES)
def test_files_are_left_out_as_docker_leaves_them_out(
    rules: str | None, kept: set[str], tmp_path: Path
) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    if rules is not None:
        (tmp_path / ".dockerignore").write_text(rules)
    assert files_in(tmp_path) == kept


def test_a_link_stays_a_link_and_leads_to_nothing_outside(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (tmp_path / "outside").write_text("secret")
    (app / "Dockerfile").write_text("FROM scratch\n")
    (app / "link").symlink_to(tmp_path / "outside")
    (app / "directory").symlink_to(tmp_path)
    with pack_context(app, "Dockerfile") as packed, tarfile.open(fileobj=packed) as archive:
        kinds = {entry.name: entry.issym() for entry in archive}
    assert kinds == {"Dockerfile": False, "link": True, "directory": True}


def test_a_link_is_no_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("FROM scratch\n")
    (tmp_path / "Dockerfile").symlink_to(tmp_path / "other")
    assert find_dockerfile(tmp_path) is None
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    assert find_dockerfile(tmp_path) == "Containerfile"


def test_files_have_the_modes_of_a_checkout_whatever_theirs_are_here(tmp_path: Path) -> None:
    modes = {"page.html": 0o600, "run.sh": 0o700, "src": 0o700, "src/main.py": 0o640}
    (tmp_path / "src").mkdir()
    for name, mode in modes.items():
        if name != "src":
            (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    with pack_context(tmp_path, None) as packed, tarfile.open(fileobj=packed) as archive:
        found = {entry.name: entry.mode for entry in archive}
    assert found == {"page.html": 0o644, "run.sh": 0o755, "src": 0o755, "src/main.py": 0o644}
