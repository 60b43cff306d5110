import contextlib
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from createos_mcp.contract.errors import LocalReadError
from createos_mcp.workflows.ignoring import IgnoreRules
from createos_mcp.workflows.packing import pack_directory
from tests.fuzzing import drawn


def test_a_link_is_not_followed_to_a_file_of_rules(tmp_path: Path) -> None:
    outside, app = tmp_path / "rules", tmp_path / "app"
    app.mkdir()
    outside.write_text("main.py\n")
    (app / ".gitignore").symlink_to(outside)
    assert IgnoreRules().within(app, "").judge("main.py") == "take"

    (app / ".createosignore").write_text("main.py\n")
    assert IgnoreRules().within(app, "").judge("main.py") == "ignore"


@pytest.mark.parametrize("line", ["!", "secret\\", "/", "\\", "a[", "\x00"])
def test_a_line_that_is_no_pattern_is_passed_over(line: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(f"{line}\nout.txt\r\n".encode())
    rules = IgnoreRules().within(tmp_path, "")

    assert rules.judge("main.py") == "take"
    assert rules.judge("out.txt") == "ignore"


def test_rules_are_read_line_by_line_as_git_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes("\ufeffone\nx\u2028main.py\ny\x0cmain.py\n".encode())
    rules = IgnoreRules().within(tmp_path, "")

    assert rules.judge("one") == "ignore"
    assert rules.judge("main.py") == "take"


@pytest.mark.parametrize(
    "text",
    ["*\n!src", "/*\n!/src", "*\n!src/\n!src/**", "*\n!*/\n!*.py", "src/**\n!src/*.py\n/out"],
)
def test_a_directory_can_be_taken_back(text: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(text)
    rules = IgnoreRules().within(tmp_path, "")

    assert rules.judge("src/") == "take"
    assert rules.judge("out") == "ignore"


NAMES = st.sampled_from(
    ["a", "b", "ab", "a b", "a.log", "B", "a\\b", "[a]", "#a", "!a", "a ", "é", "1", "_"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
# Left out: a lone slash, which git takes for every directory or for none, and brackets and
# backslashes as members of [:punct:].
PIECES = st.sampled_from(
    [
        *("a", "b", "ab", "B", ".log", "*", "**", "?", "??", "/", "/", "[ab]", "[a-c]", "\\ ", "#"),
        *("!", "é", "[[:alpha:]]", "[![:digit:]]", "[[:upper:]_]", "[[:xdigit:]]", "[:alpha:]"),
    ]
)
PATTERNS = (
    st.tuples(
        st.sampled_from(["", "", "", "!", "/", "\\", "!/", "*\n!", "/*\r\n!"]),
        st.lists(PIECES, min_size=1, max_size=5),
    )
    .map(lambda parts: parts[0] + "".join(parts[1]))
    .filter(lambda text: text.strip("!/*\\\r\n"))
)
RULES = st.lists(PATTERNS, min_size=1, max_size=4).map("\n".join)


def taken_by_git(top: Path) -> set[str]:
    """What git would add of a directory."""
    git = ["git", "-c", "core.excludesFile=", "-c", "core.ignoreCase=false", "-C", str(top)]
    listing = ["ls-files", "--others", "--exclude-standard", "-z"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    listed = subprocess.run([*git, *listing], check=True, capture_output=True).stdout
    return {path for path in listed.decode().split("\0") if path}


# The same cases each time: git has rare rules of its own that nobody relies on.
@settings(drawn(few=300), derandomize=True)
@given(files=st.sets(PATHS, min_size=1, max_size=8), outer=RULES, inner=RULES)
def test_any_rules_leave_out_what_git_leaves_out(files: set[str], outer: str, inner: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory).resolve()
        for path in sorted(files, key=len):
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                (top / path).parent.mkdir(parents=True, exist_ok=True)
                (top / path).write_text("x")
        (top / "kept").write_text("x")
        for place, rules in (("", outer), ("a", inner)):
            if (top / place).is_dir():
                (top / place / ".gitignore").write_bytes(rules.encode())

        expected = taken_by_git(top)
        try:
            packed = set(pack_directory(top).files)
        except LocalReadError:
            packed = set()

    assert packed == {path for path in expected if not path.endswith(".gitignore")}
