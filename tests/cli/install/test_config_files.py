from pathlib import Path

import pytest

from createos_mcp.cli.install.config_files import read_config, replace_config
from createos_mcp.contract.errors import ConfigFileError


def test_a_file_that_changes_after_it_was_shown_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    shown = read_config(file)
    file.write_text('{"a": 1}')
    with pytest.raises(ConfigFileError, match="changed in the meantime"):
        replace_config(file, shown, "{}")
    assert file.read_text() == '{"a": 1}'
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigFileError, match="cannot be"):
        replace_config(tmp_path / "file" / "mcp.json", "", "{}")
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
