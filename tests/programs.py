"""Programs that some tests need and a machine may lack."""

import os
import shutil

import pytest

REQUIRED = "TEST_REQUIRE_"
"""`TEST_REQUIRE_NGINX=1` runs what needs nginx and fails without it; `TEST_REQUIRE_ALL=1` is for
all programs, and makes every skipped test a failed one."""


def is_required(program: str) -> bool:
    """Whether a test that lacks the program has to fail instead of being skipped."""
    return any(os.environ.get(REQUIRED + name) for name in ("ALL", program.upper()))


def needs(program: str) -> pytest.MarkDecorator:
    """A mark for tests that are skipped where a program is not installed."""
    return pytest.mark.skipif(
        shutil.which(program) is None and not is_required(program),
        reason=f"{program} is not installed",
    )
