import base64
import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from createos_mcp.platform.build import archive
from createos_mcp.platform.build.archive import (
    UploadRefusedError,
    pack_zip,
    unpack_zip,
    write_base64_files,
    write_text_files,
)
from tests.fuzzing import drawn
from tests.platform.platforms import zip_of

HOSTILE_PATHS = {
    "": "empty",
    "  ": "empty",
    "../up.txt": "'..'",
    "a/../../up.txt": "'..'",
    "a/..": "'..'",
    "./a.txt": "'.'",
    "a//b.txt": "empty segments",
    "a/": "empty segments",
    "/etc/passwd": "relative",
    "\\\\host\\share": "relative",
    "a\\..\\b": "relative",
    "C:/windows": "relative",
    "a\x00b": "control",
    "a\nb": "control",
    "x" * 256: "too long",
    "/".join(["x" * 200] * 6): "too long",
    "\ud800.txt": "not valid text",
}


def everything_below(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


@pytest.mark.parametrize(("path", "reason"), HOSTILE_PATHS.items(), ids=map(ascii, HOSTILE_PATHS))
def test_a_path_that_is_no_plain_file_below_the_upload_is_refused(
    path: str, reason: str, tmp_path: Path
) -> None:
    files = [{"path": "good.txt", "content": "x"}, {"path": path, "content": "x"}]
    with pytest.raises(UploadRefusedError, match=reason):
        write_text_files(files, tmp_path / "sources" / "one")
    assert everything_below(tmp_path / "sources") == []


@pytest.mark.parametrize(
    "paths",
    [
        ("a.txt", "a.txt"),
        ("A.txt", "a.txt"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("Dir/x", "dir/y"),
        ("straße", "STRASSE"),
    ],
)
def test_paths_that_meet_on_some_file_system_are_refused(
    paths: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(UploadRefusedError, match="conflicts with"):
        write_text_files([{"path": path, "content": ""} for path in paths], tmp_path / "one")
    assert everything_below(tmp_path) == []


def test_files_are_written_as_they_came(tmp_path: Path) -> None:
    files = {"src/ä b.js": "let x = 1\r\n", "empty": "", ".env": "A=1"}
    write_text_files([{"path": p, "content": c} for p, c in files.items()], tmp_path / "one")
    for path, content in files.items():
        assert (tmp_path / "one" / path).read_bytes() == content.encode()


def test_no_files_and_too_many_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UploadRefusedError, match="at least one"):
        write_text_files([], tmp_path / "one")
    many = [{"path": f"{n}.txt", "content": ""} for n in range(101)]
    with pytest.raises(UploadRefusedError, match="zip"):
        write_text_files(many, tmp_path / "one")


@pytest.mark.parametrize("content", ["not base64!", "YWJj\x00", "YWJ"])
def test_what_is_not_base64_is_refused_by_its_path(content: str, tmp_path: Path) -> None:
    with pytest.raises(UploadRefusedError, match=r"logo\.png.*base64"):
        write_base64_files([{"path": "logo.png", "content": content}], tmp_path / "one")
    assert everything_below(tmp_path) == []


def test_base64_may_be_wrapped_in_lines(tmp_path: Path) -> None:
    wrapped = base64.encodebytes(bytes(200)).decode()
    write_base64_files([{"path": "zeros", "content": wrapped}], tmp_path / "one")
    assert (tmp_path / "one" / "zeros").read_bytes() == bytes(200)


def link_entry() -> bytes:
    return one_entry("link", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)


def device_entry() -> bytes:
    return one_entry("device", b"", mode=stat.S_IFCHR | 0o666)


def fifo_entry() -> bytes:
    return one_entry("pipe", b"", mode=stat.S_IFIFO | 0o666)


def one_entry(name: str, content: bytes, *, mode: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = mode << 16
        archive.writestr(entry, content)
    return packed.getvalue()


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(30_000_000))
    return packed.getvalue()


def lying_bomb() -> bytes:
    """A bomb whose headers claim that it unpacks to 10 bytes."""
    content = bytearray(bomb())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = struct.pack("<I", 10)
    return bytes(content)


def encrypted() -> bytes:
    content = bytearray(zip_of({"a.txt": "x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def wrong_checksum() -> bytes:
    content = bytearray(zip_of({"a.txt": "content that is long enough"}))
    content[content.index(b"content that")] ^= 1
    return bytes(content)


def only_folders() -> bytes:
    return zip_of({"a/": "", "b/": ""})


def truncated() -> bytes:
    return zip_of({"a.txt": "x" * 1000})[:-40]


def escaping() -> bytes:
    return zip_of({"good.txt": "x", "../../escaped.txt": "x"})


def absolute() -> bytes:
    return zip_of({"/etc/cron.d/x": "x"})


def twice() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "1")
        archive.writestr("A.txt", "2")
    return packed.getvalue()


def empty() -> bytes:
    return b""


def nonsense() -> bytes:
    return b"PK\x05\x06 nonsense"


def too_large() -> bytes:
    return bytes(60 * 2**20)


HOSTILE_ZIPS: dict[Callable[[], bytes], str] = {
    link_entry: "link or device",
    device_entry: "link or device",
    fifo_entry: "link or device",
    bomb: "200 times",
    lying_bomb: "not a zip|200 times",
    encrypted: "encrypted",
    wrong_checksum: "not a zip",
    only_folders: "no file",
    truncated: "not a zip",
    escaping: "'..'",
    absolute: "relative",
    twice: "conflicts with",
    empty: "not a zip",
    nonsense: "not a zip",
    too_large: "50 MB",
}


@pytest.mark.parametrize(("make", "reason"), HOSTILE_ZIPS.items())
def test_a_hostile_zip_is_refused_with_nothing_written(
    make: Callable[[], bytes], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UploadRefusedError, match=reason):
        unpack_zip(make(), tmp_path / "sources" / "one")
    assert everything_below(tmp_path / "sources") == []


def test_a_zip_keeps_its_files_and_which_of_them_run(tmp_path: Path) -> None:
    script = one_entry("run.sh", b"#!/bin/sh\n", mode=stat.S_IFREG | 0o755)
    unpack_zip(script, tmp_path / "one")
    assert (tmp_path / "one" / "run.sh").stat().st_mode & stat.S_IXUSR
    unpack_zip(zip_of({"a/b.txt": "b", "c.txt": "c"}), tmp_path / "two")
    assert (tmp_path / "two" / "a" / "b.txt").read_text() == "b"


def test_a_folder_around_everything_is_left_out(tmp_path: Path) -> None:
    unpack_zip(zip_of({"app/index.html": "x", "app/css/a.css": "y"}), tmp_path / "one")
    assert (tmp_path / "one" / "index.html").read_text() == "x"


def test_what_was_packed_unpacks_to_the_same(tmp_path: Path) -> None:
    files = {"a.txt": "a", "b/c.bin": "c" * 10_000}
    unpack_zip(zip_of(files), tmp_path / "one")
    unpack_zip(pack_zip(tmp_path / "one"), tmp_path / "two")
    assert {
        file.relative_to(tmp_path / "two").as_posix(): file.read_text()
        for file in (tmp_path / "two").rglob("*")
        if file.is_file()
    } == files


def test_entries_share_one_limit_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 100)

    unpack_zip(zip_of({"a": "x" * 50, "b": "y" * 50}), tmp_path / "fits")
    with pytest.raises(UploadRefusedError, match="unpack"):
        unpack_zip(zip_of({"a": "x" * 50, "b": "y" * 51}), tmp_path / "does-not")

    assert not (tmp_path / "does-not").exists()


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A zip of odd names, with some bytes of it changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([0, 8, 12, 14]))) as packed:
        names = st.text(min_size=1, max_size=12) | st.sampled_from(list(HOSTILE_PATHS))
        for name in draw(st.lists(names.filter(is_encodable), max_size=4)):
            packed.writestr(name, draw(st.binary(max_size=60)))
    data = bytearray(file.getvalue())
    for _ in range(draw(st.integers(0, 5))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


def is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name.partition("\0")[0])


@drawn(few=500)
@given(content=archives() | st.binary(max_size=300))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_archive_is_unpacked_below_its_target_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "inner", "target")
        target.parent.mkdir()
        try:
            unpack_zip(content, target)
        except UploadRefusedError as error:
            assert str(error)
            assert not target.exists()
        else:
            assert all(path.is_file() or path.is_dir() for path in everything_below(target))
            assert not [path for path in everything_below(target) if path.is_symlink()]
        assert {path.name for path in Path(directory).iterdir()} == {"inner"}
        assert {path.name for path in target.parent.iterdir()} <= {"target"}
