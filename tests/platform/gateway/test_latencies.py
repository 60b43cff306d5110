from createos_mcp.platform.gateway.latencies import ENVIRONMENTS_KEPT, KEPT, KEPT_S, Latencies


def test_a_share_of_the_requests_was_answered_within_the_quantile() -> None:
    latencies = Latencies(lambda: 0.0)
    for hundredths in range(100, 0, -1):
        latencies.record("one", hundredths / 100)
    assert latencies.quantile("one", 0.5) == 0.51
    assert latencies.quantile("one", 0.95) == 0.96
    assert latencies.quantile("one", 1) == 1.0


def test_what_is_older_than_an_hour_counts_no_more() -> None:
    now = 0.0
    latencies = Latencies(lambda: now)
    latencies.record("one", 9.0)
    now = KEPT_S + 1
    assert latencies.quantile("one", 0.5) is None
    latencies.record("one", 1.0)
    assert latencies.quantile("one", 0.95) == 1.0


def test_what_is_remembered_is_bounded() -> None:
    latencies = Latencies(lambda: 0.0)
    for number in range(KEPT + 10):
        latencies.record("busy", float(number < 10))
    assert latencies.quantile("busy", 1) == 0.0
    for number in range(ENVIRONMENTS_KEPT):
        latencies.record(f"other-{number}", 1.0)
    assert latencies.quantile("busy", 0.5) is None
    assert latencies.quantile("unknown", 0.5) is None
