import os
from collections.abc import Generator

import pytest

from tests.programs import is_required


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a test that was is a test that failed."""
    report = yield
    if report.skipped and is_required("all"):
        report.outcome = "failed"
    return report


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are processors: for half of their time, tests wait."""
    return (os.cpu_count() or 1) * 2


@pytest.fixture(scope="session", autouse=True)
def files_are_the_owners_alone() -> None:
    """Tests make files as the platform's process does."""
    os.umask(0o077)
