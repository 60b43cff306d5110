from pathlib import Path

from createos_mcp.workflows.ignoring import IgnoreRules


def test_a_link_is_not_followed_to_a_file_of_rules(tmp_path: Path) -> None:
    outside, app = tmp_path / "rules", tmp_path / "app"
    app.mkdir()
    outside.write_text("main.py\n")
    (app / ".gitignore").symlink_to(outside)
    assert IgnoreRules().within(app, "").judge("main.py") == "take"

    (app / ".createosignore").write_text("main.py\n")
    assert IgnoreRules().within(app, "").judge("main.py") == "ignore"
