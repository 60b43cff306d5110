import tomllib

import pytest

from createos_mcp.cli.install.toml_text import remove_table, set_entries
from createos_mcp.contract.errors import ConfigTextError

PATH = ("mcp_servers", "createos")
ENTRIES = {"command": "uvx", "args": ["createos-mcp"]}

CODEX = """\
# My model
model = "o3"   # the big one

[mcp_servers.github]
command = 'npx'
args = ["-y", "server"] # keep

[profiles.fast]
model = "mini"
"""


def test_a_new_table_follows_and_nothing_else_moves() -> None:
    changed = set_entries(CODEX, PATH, ENTRIES)
    assert changed.startswith(CODEX + "\n[mcp_servers.createos]\n")
    assert tomllib.loads(changed)["mcp_servers"]["createos"] == ENTRIES


@pytest.mark.parametrize(
    "text",
    [
        "",
        CODEX,
        CODEX.rstrip("\n"),
        CODEX.replace("\n", "\r\n"),
        "mcp_servers = {}\n",
        'mcp_servers.a.command = "x"\n[z]\nq = 1\n',
        "[mcp_servers]\n[mcp_servers.a]\nx = 1\n[other]\nb = 2\n[mcp_servers.b]\ny = 1\n",
    ],
)
def test_the_table_comes_and_goes_in_every_form_that_toml_has(text: str) -> None:
    before = tomllib.loads(text)
    changed = set_entries(text, PATH, ENTRIES)
    servers = before.get("mcp_servers", {})
    assert tomllib.loads(changed) == {**before, "mcp_servers": {**servers, "createos": ENTRIES}}
    without = tomllib.loads(remove_table(changed, PATH))
    assert {"mcp_servers": {}, **without} == {"mcp_servers": {}, **before}


def test_a_table_that_is_there_keeps_its_other_entries() -> None:
    text = '[mcp_servers.createos]\ncommand = "old" # mine\nenabled = false\n\n[a]\nb = 1\n'
    changed = set_entries(text, PATH, {"command": "uvx"})
    assert changed == text.replace('"old"', '"uvx"')


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert remove_table(CODEX, PATH) == CODEX
    assert remove_table("", PATH) == ""


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('a = 1\nb = "x\n', 2, "control"),
        ("a = 1\n[b\n", 2, "unexpected"),
        ("mcp_servers = 3\n", 1, "table"),
        ("[mcp_servers]\ncreateos = 1\n", 1, "table"),
    ],
)
def test_malformed_toml_is_refused_with_its_line(text: str, line: int, word: str) -> None:
    with pytest.raises(ConfigTextError, match=f"(?i){word}") as refused:
        set_entries(text, PATH, ENTRIES)
    assert refused.value.line == line


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_new_table_has_the_line_ends_of_the_file(end: str) -> None:
    text = set_entries(CODEX.replace("\n", end), PATH, ENTRIES)

    assert text.count(end) == text.count("\n")
    assert tomllib.loads(text)["mcp_servers"]["createos"] == ENTRIES
