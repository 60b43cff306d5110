from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from createos_mcp.platform.cron.schedules import Schedule
from createos_mcp.platform.errors import InvalidRequestError
from tests.fuzzing import drawn

START = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)
"""A Monday."""


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("* * * * *", "2026-01-05T12:01:00"),
        ("*/15 * * * *", "2026-01-05T12:15:00"),
        ("0 9 * * MON-FRI", "2026-01-06T09:00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 L * *", "2026-01-31T00:00:00"),
        ("0 0 13 * 5", "2026-01-09T00:00:00"),
        ("*/10 * * * * *", "2026-01-05T12:00:40"),
        ("30 0 12 * * *", "2026-01-06T12:00:30"),
        ("@hourly", "2026-01-05T13:00:00"),
        ("@daily", "2026-01-06T00:00:00"),
        ("@weekly", "2026-01-11T00:00:00"),
        ("@monthly", "2026-02-01T00:00:00"),
        ("@yearly", "2027-01-01T00:00:00"),
    ],
)
def test_an_expression_stands_for_moments_in_utc(expression: str, first: str) -> None:
    assert Schedule(expression).after(START) == datetime.fromisoformat(first).replace(tzinfo=UTC)


def test_another_zone_is_no_other_moment() -> None:
    elsewhere = START.astimezone(datetime.fromisoformat("2026-01-05T00:00:00+05:30").tzinfo)
    assert Schedule("0 * * * *").after(elsewhere) == START.replace(hour=13, minute=0, second=0)


@pytest.mark.parametrize("expression", ["* * * * *", "* * * * * *", "0 */6 * * *", "@hourly"])
def test_the_latest_moment_is_the_one_before_the_next(expression: str) -> None:
    schedule = Schedule(expression)
    moment = schedule.after(START)
    assert schedule.latest(moment) == moment
    assert schedule.latest(moment + timedelta(milliseconds=1)) == moment
    assert schedule.latest(moment - timedelta(milliseconds=1)) < moment
    assert schedule.after(schedule.latest(moment)) > moment


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "0 fields"),
        ("every minute", "2 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * *", "out of range"),
        ("*/0 * * * *", "step"),
        ("a * * * *", "acceptable"),
        ("H * * * *", "H and R"),
        ("R(1-2) * * * *", "H and R"),
        ("h * * * *", "H and R"),
        ("0 r(1-2) * * *", "H and R"),
        ("@reboot", "not a cron expression"),
        ("@every 5m", "not a cron expression"),
        ("0 0 31 2 *", "never"),
        ("0 0 31 4,6,9,11 *", "never"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^schedule: .*'\*/5 \* \* \* \*'") as refusal:
        Schedule(expression)
    assert reason in str(refusal.value)


FIELDS = st.sampled_from(
    [
        *"*0123456789-,/#LW?@",
        "*/5",
        "1-5",
        "MON",
        "JAN",
        "L",
        "5L",
        "1#2",
        "60",
        "-1",
        "99999999",
        "",
    ]
)


@drawn()
@given(
    expression=st.lists(
        st.lists(FIELDS, min_size=1, max_size=3).map("".join), min_size=4, max_size=7
    ).map(" ".join)
    | st.text(max_size=40)
)
def test_any_expression_is_a_schedule_or_refused_with_its_reason(expression: str) -> None:
    try:
        schedule = Schedule(expression)
    except InvalidRequestError as error:
        assert str(error)
    else:
        first = schedule.after(START)
        assert first > START
        assert schedule.latest(first) == first
