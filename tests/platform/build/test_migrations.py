"""What becomes of a version of Django whose migration fails."""

import subprocess
from pathlib import Path

import pytest

from createos_mcp.platform.build.python_apps import MIGRATE


@pytest.mark.parametrize(
    ("migration", "variables", "expected"),
    [
        ("exit 0", {}, 0),
        ("exit 0", {"DATABASE_URL": "postgres://app"}, 0),
        ("exit 1", {}, 0),
        ("exit 1", {"DATABASE_URL": "postgres://app"}, 1),
    ],
)
def test_it_starts_unless_a_bound_database_was_not_migrated(
    migration: str, variables: dict[str, str], expected: int, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{migration}\n")
    python.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", **variables}
    done = subprocess.run(["sh", "-c", MIGRATE], env=environ, capture_output=True, check=False)
    assert done.returncode == expected
