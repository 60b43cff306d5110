"""Backups of the whole platform from the command line, and back into another directory."""

import json
from pathlib import Path

from tests.cli.launches import run


def test_a_platform_is_written_to_an_archive_and_comes_back_elsewhere(tmp_path: Path) -> None:
    old = {"CREATEOS_DATA_DIR": str(tmp_path / "old")}
    new = {"CREATEOS_DATA_DIR": str(tmp_path / "new")}
    archive = str(tmp_path / "all.age")
    early = run("platform", "backup", archive, **old)
    assert (early.returncode, "there is no platform in" in early.stderr) == (1, True)
    try:
        assert run("platform", "start", **old).returncode == 0
        assert run("platform", "git", "create", "shop", **old).returncode == 0
        made = run("platform", "backup", archive, **old)
        assert (made.returncode, "Keep it elsewhere" in made.stdout) == (0, True), made.stderr
        again = run("platform", "backup", archive, **old)
        assert (again.returncode, "cannot be made" in again.stderr) == (1, True)
    finally:
        run("platform", "stop", **old)
    taken = run("platform", "restore", archive, **old)
    assert (taken.returncode, "contains a platform" in taken.stderr) == (1, True)
    wrong = run("platform", "restore", archive, "--identity", str(tmp_path / "none"), **new)
    assert (wrong.returncode, "has no age key" in wrong.stderr) == (1, True)
    restored = run("platform", "restore", archive, **new)
    assert (restored.returncode, "with 0 services" in restored.stdout) == (0, True)
    listed = run("platform", "git", "list", "--json", **new)
    assert [row["fullName"] for row in json.loads(listed.stdout)] == ["local/shop"]


def test_an_app_of_github_needs_its_number_its_key_and_an_answer(tmp_path: Path) -> None:
    settings = {"CREATEOS_DATA_DIR": str(tmp_path / "data")}
    words = ("platform", "github", "app")
    key = tmp_path / "app.pem"
    key.write_text("no key")
    bare = run(*words, **settings)
    missing = run(*words, "7", "--key-file", str(tmp_path / "none"), **settings)
    unusable = run(*words, "7", "--key-file", str(key), **settings)
    removed = run(*words, "--remove", **settings)
    codes = [one.returncode for one in (bare, missing, unusable, removed)]
    assert codes == [1, 1, 1, 1]
    assert "give the app's ID and --key-file" in bare.stderr
    assert "cannot be read" in missing.stderr
    assert "private key cannot sign" in unusable.stderr
    assert removed.stdout == "There is none.\n"
