"""Output that comes faster than anyone reads it."""

import pytest

from createos_mcp.platform.sandbox.launcher_output import BURST_BYTES, RATE_BYTES_S, Pace


def test_a_burst_is_read_at_once() -> None:
    pace = Pace()
    pace.take(BURST_BYTES)
    assert pace.wait_s() == 0


def test_a_flood_waits_until_the_rate_allows_it() -> None:
    pace = Pace()
    pace.take(BURST_BYTES + 2 * RATE_BYTES_S)
    assert pace.wait_s() == pytest.approx(2, abs=0.1)
