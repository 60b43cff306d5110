"""Apps at their limit of processor time go after the others, on both versions of control groups."""

from pathlib import Path

import pytest

from createos_mcp.platform.run.yielding import Yielding

BUSY, CALM = "busy", "calm"


@pytest.fixture(params=["version 1", "version 2"])
def groups(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where the groups of apps lie."""
    if request.param == "version 2":
        (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
        groups = tmp_path / "createos"
    else:
        groups = tmp_path / "cpu" / "createos"
    for name in (BUSY, CALM):
        (groups / name).mkdir(parents=True)
        report(groups / name, periods=0, cut=0)
        (groups / name / "cpu.idle").write_text("0")
    return groups


def report(group: Path, *, periods: int, cut: int) -> None:
    text = f"nr_periods {periods}\nnr_throttled {cut}\nthrottled_time 0\n"
    (group / "cpu.stat").write_text(text)


def is_idle(group: Path) -> bool:
    return (group / "cpu.idle").read_text() == "1"


def test_an_app_at_its_limit_yields_until_it_is_under_it_again(
    groups: Path, tmp_path: Path
) -> None:
    yielding = Yielding(replica_ids=lambda: (), cgroup_root=tmp_path)
    report(groups / BUSY, periods=10, cut=8)
    report(groups / CALM, periods=10, cut=1)
    yielding.look([BUSY, CALM])
    assert is_idle(groups / BUSY)
    assert not is_idle(groups / CALM)
    report(groups / BUSY, periods=20, cut=11)
    yielding.look([BUSY, CALM])
    assert is_idle(groups / BUSY), "it is still cut now and then"
    report(groups / BUSY, periods=30, cut=12)
    yielding.look([BUSY, CALM])
    assert not is_idle(groups / BUSY)


def test_an_app_that_rests_is_under_its_limit(groups: Path, tmp_path: Path) -> None:
    yielding = Yielding(replica_ids=lambda: (), cgroup_root=tmp_path)
    report(groups / BUSY, periods=10, cut=10)
    yielding.look([BUSY])
    yielding.look([BUSY])
    assert not is_idle(groups / BUSY)


def test_an_app_that_has_ended_is_forgotten(groups: Path, tmp_path: Path) -> None:
    yielding = Yielding(replica_ids=lambda: (), cgroup_root=tmp_path)
    report(groups / BUSY, periods=10, cut=10)
    yielding.look([BUSY])
    yielding.look(["gone"])
    report(groups / BUSY, periods=10, cut=10)
    yielding.look([BUSY])
    assert is_idle(groups / BUSY)
