import base64
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from createos_mcp.contract.errors import InvalidArgumentsError, LocalReadError
from createos_mcp.workflows.packing import pack_directory, pack_files


def fill(top: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return top


def test_a_pack_holds_neither_secrets_nor_dependencies_nor_what_is_ignored(tmp_path: Path) -> None:
    top = fill(
        tmp_path,
        {
            "main.py": "1",
            "src/app.js": "2",
            ".gitignore": "*.log\n!keep.log\nbuild/\n/top.txt\n",
            ".createosignore": "docs/\n",
            "a.log": "",
            "keep.log": "",
            "build/out.js": "",
            "docs/readme.md": "",
            "top.txt": "",
            "src/top.txt": "3",
            ".git/config": "",
            "node_modules/x/index.js": "",
            "src/node_modules/y.js": "",
            ".venv/bin/python": "",
            "src/__pycache__/a.pyc": "",
            ".env": "A=1",
            ".env.production": "A=1",
            "src/.env.local": "A=1",
            "server.pem": "",
            "id_rsa": "",
            "id_rsa.pub": "",
            ".ssh/known_hosts": "",
        },
    )
    pack = pack_directory(top)
    assert sorted(pack.files) == ["keep.log", "main.py", "src/app.js", "src/top.txt"]
    assert set(pack.excluded_secrets) == {
        ".env", ".env.production", "src/.env.local", "server.pem", "id_rsa", "id_rsa.pub", ".ssh",
    }  # fmt: skip


def test_rules_of_an_inner_directory_win_over_those_above_it(tmp_path: Path) -> None:
    top = fill(
        tmp_path,
        {
            ".gitignore": "*.txt\n",
            "inner/.gitignore": "!*.txt\n/only-here.md\n",
            "a.txt": "",
            "inner/b.txt": "",
            "inner/only-here.md": "",
            "inner/deep/only-here.md": "",
        },
    )
    assert sorted(pack_directory(top).files) == ["inner/b.txt", "inner/deep/only-here.md"]


def test_no_rule_brings_a_secret_back(tmp_path: Path) -> None:
    top = fill(tmp_path, {".createosignore": "!.env\n!*.pem\n", ".env": "", "a.pem": "", "b": ""})
    assert list(pack_directory(top).files) == ["b"]


def test_a_link_that_leads_out_refuses_the_directory(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", {"secret.txt": "secret"})
    top = fill(tmp_path / "app", {"main.py": ""})
    (top / "data").symlink_to(outside)
    with pytest.raises(LocalReadError, match=r"data points outside .*\.createosignore"):
        pack_directory(top)
    (top / ".createosignore").write_text("/data\n")
    assert list(pack_directory(top).files) == ["main.py"]


def test_a_link_to_a_file_within_is_the_file(tmp_path: Path) -> None:
    top = fill(tmp_path, {"main.py": "hello"})
    (top / "same.py").symlink_to(top / "main.py")
    assert pack_directory(top).files["same.py"] == b"hello"


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1")
    with pytest.raises(LocalReadError, match="no files that are not ignored"):
        pack_directory(tmp_path)


def test_text_goes_as_files_and_bytes_as_a_zip() -> None:
    text = pack_files([{"path": "a.txt", "content": "ü"}])
    assert (text.form, text.as_text()) == ("files", [{"path": "a.txt", "content": "ü"}])
    raw = base64.b64encode(b"\xff\x00").decode()
    mixed = pack_files(
        [{"path": "a.txt", "content": "ü"}, {"path": "b", "content": raw, "base64": True}]
    )
    assert mixed.form == "zip"
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(mixed.as_zip()))) as archive:
        assert archive.read("b") == b"\xff\x00"
        assert archive.read("a.txt").decode() == "ü"


def test_a_hundred_files_go_one_by_one_and_one_more_as_a_zip() -> None:
    rows = [{"path": f"{number}.txt", "content": ""} for number in range(101)]
    assert (pack_files(rows[:100]).form, pack_files(rows).form) == ("files", "zip")


def test_a_file_that_is_not_base64_is_named() -> None:
    with pytest.raises(InvalidArgumentsError, match=r"files\[0\].content: not base64"):
        pack_files([{"path": "a", "content": "?", "base64": True}])


def test_a_text_with_a_nul_character_goes_as_bytes() -> None:
    held = base64.b64encode(b"a\0b").decode()
    row = {"path": "a", "content": held, "base64": True}

    assert pack_files([row]).form == "zip"


def test_what_can_be_run_stays_so_and_goes_as_a_zip(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("#!/bin/sh\n")
    (tmp_path / "start.sh").chmod(0o755)
    (tmp_path / "main.py").write_text("")
    pack = pack_directory(tmp_path)
    assert pack.form == "zip"
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(pack.as_zip()))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {"start.sh": 0o755, "main.py": 0o644}


def test_a_link_that_leads_nowhere_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    (tmp_path / "old").symlink_to("gone")
    pack = pack_directory(tmp_path)
    assert set(pack.files) == {"main.py"}
    assert pack.describe()["danglingLinks"] == ["old"]


def test_a_link_to_a_directory_within_is_that_directory(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/a.py").write_text("a")
    (tmp_path / "web").symlink_to("shared")
    assert set(pack_directory(tmp_path).files) == {"shared/a.py", "web/a.py"}
    (tmp_path / "shared/loop").symlink_to(tmp_path)
    with pytest.raises(LocalReadError, match="a directory that holds it"):
        pack_directory(tmp_path)


KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA" * 8
WITHHELD = {
    ".ENV": "A=1",
    "deep/er/.env.production": "A=1",
    "Production.env": "A=1",
    "certs/server.KEY": "x",
    "notes.txt": KEY,
    "config/gcp.json": '{"type": "service_account", "private_key": "x"}',
    "adc.json": '{"type": "authorized_user", "refresh_token": "x"}',
    ".npmrc": "//registry.example/:_authToken=abc",
    ".pypirc": "[pypi]\npassword = x",
    ".netrc": "machine a",
    ".git-credentials": "https://a:b@c",
    ".docker/config.json": "{}",
    ".kube/config": "x",
    "infra/terraform.tfvars": "x",
    "infra/a.tfstate.backup": "x",
    ".vault-token": "x",
    ".aws/credentials": "x",
    "key.jks": "x",
}
TAKEN = {
    ".env.example": "A=",
    ".env.sample": "A=",
    "ca.pem": "-----BEGIN CERTIFICATE-----\nMII",
    "sub/.npmrc": "registry=https://registry.example/\n//r/:_authToken=${NPM_TOKEN}",
    "package.json": '{"type": "module"}',
    "docs.md": "-----BEGIN PRIVATE KEY----- is how a key begins",
    "environment.ts": "export const env = 1",
}


@pytest.mark.parametrize(("path", "content"), WITHHELD.items(), ids=WITHHELD)
def test_a_secret_is_withheld_and_named(path: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(content)
    pack = pack_directory(tmp_path)
    assert set(pack.files) == {"main.py"}
    (named,) = pack.describe()["withheld"]
    assert path.startswith(named)
    assert "SetEnvironmentVariables" in pack.describe()["withheldHint"]


@pytest.mark.parametrize(("path", "content"), TAKEN.items(), ids=TAKEN)
def test_what_only_looks_like_a_secret_is_taken(path: str, content: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(content)
    assert set(pack_directory(tmp_path).files) == {path}


def test_a_secret_is_withheld_through_a_link_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    (tmp_path / ".env").write_text("A=1")
    (tmp_path / "settings").symlink_to(".env")
    assert set(pack_directory(tmp_path).files) == {"main.py"}
