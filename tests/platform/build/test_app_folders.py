"""The folder of an app: given, told by a file for another host, or the whole upload."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.platform.build.app_folders import find_app_folder
from createos_mcp.platform.errors import BuildFailedError

NETLIFY = '[build]\nbase = "site/"\npublish = "dist"\n'
RENDER = "services:\n- {type: web, runtime: python, rootDir: ./backend}\n"

FOLDERS: dict[str, tuple[Mapping[str, str], str]] = {
    "the base of netlify.toml": ({"netlify.toml": NETLIFY, "site/package.json": "{}"}, "site"),
    "the rootDir of render.yaml": ({"render.yaml": RENDER, "backend/main.py": ""}, "backend"),
    "a folder with a Dockerfile alone": (
        {"render.yaml": RENDER, "backend/Dockerfile": "FROM scratch"},
        "backend",
    ),
    "the top where it is an app itself": (
        {"netlify.toml": NETLIFY, "site/package.json": "{}", "package.json": "{}"},
        ".",
    ),
    "the top where two folders are told": (
        {
            "netlify.toml": NETLIFY,
            "render.yaml": RENDER,
            "site/package.json": "{}",
            "backend/main.py": "",
        },
        ".",
    ),
    "the top where the told folder is no app": ({"netlify.toml": NETLIFY, "site/a.txt": ""}, "."),
    "the top where the told folder leads out": (
        {"netlify.toml": '[build]\nbase = "a/../../b"\n', "b/main.py": ""},
        ".",
    ),
    "the top where the file is none": ({"netlify.toml": "[build", "site/package.json": "{}"}, "."),
}


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(("files", "folder"), FOLDERS.values(), ids=list(FOLDERS))
def test_an_app_is_in_the_folder_that_a_file_for_another_host_tells(
    files: Mapping[str, str], folder: str, tmp_path: Path
) -> None:
    write(tmp_path, files)
    assert find_app_folder(tmp_path, {}) == tmp_path / folder


def test_a_given_folder_wins(tmp_path: Path) -> None:
    write(tmp_path, {"netlify.toml": NETLIFY, "site/package.json": "{}", "docs/index.html": ""})
    assert find_app_folder(tmp_path, {"directoryPath": "/docs/"}) == tmp_path / "docs"


@pytest.mark.parametrize("given", ["nowhere", "../..", "link"])
def test_a_folder_that_the_upload_has_not_is_refused_by_its_name(
    given: str, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/usr")
    with pytest.raises(BuildFailedError, match=f"directoryPath: the upload has no folder '{given}"):
        find_app_folder(tmp_path, {"directoryPath": given})
