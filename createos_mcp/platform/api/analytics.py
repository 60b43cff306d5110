"""How much traffic an environment got."""

from collections.abc import Mapping
from dataclasses import dataclass

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.errors import InvalidRequestError
from createos_mcp.platform.gateway.traffic import (
    SECONDS_PER_DAY,
    SECONDS_PER_MINUTE,
    Traffic,
    Window,
)

# As the cloud answers without `start` and `end`.
DEFAULT_WINDOW_S = 3600
FIRST_ERROR = 400
# One point a minute for two hours, or half a minute for the default window: enough for a chart.
MAX_POINTS = 120

POINT_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200)
"""Seconds that one point may stand for; whole days beyond them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalyticsQuery:
    """Whose traffic, and when."""

    traffic: Traffic
    environment_id: str
    window: Window


async def read_query(request: ApiRequest) -> AnalyticsQuery:
    """What a call wants to know.

    Raises:
        NotFoundError: The project has no such environment.
        InvalidRequestError: The window is not one.
    """
    environment = await request.environment()
    traffic = request.services.traffic
    return AnalyticsQuery(
        traffic=traffic, environment_id=environment.id, window=window_of(request.arguments, traffic)
    )


def window_of(arguments: Mapping[str, Json], traffic: Traffic) -> Window:
    """From `start` to `end`, both included; by default the last hour.

    Raises:
        InvalidRequestError: A bound is negative, the end lies before the start, or the window is
            longer than counts are kept.
    """
    end = arguments.get("end", traffic.now_s())
    start = arguments.get("start", max(end - DEFAULT_WINDOW_S, 0))
    for name, value in (("start", start), ("end", end)):
        if value < 0:
            raise InvalidRequestError(f"{name}: must not be negative (Unix seconds).")
    if end < start:
        given = "end" if "end" in arguments else "start"
        raise InvalidRequestError(f"{given}: the window ends ({end}) before it starts ({start}).")
    if end - start > traffic.retention_s:
        days = traffic.retention_s // SECONDS_PER_DAY
        raise InvalidRequestError(f"start: at most {days} days before the end, which is {end}.")
    return Window(start=start, end=end)


def width_of(window: Window) -> int:
    """The smallest width of a point with which the window has at most 120 of them."""
    fitting = (w for w in POINT_WIDTHS_S if window.end // w - window.start // w < MAX_POINTS)
    days = (window.end - window.start) // (MAX_POINTS - 1) // SECONDS_PER_DAY + 1
    return next(fitting, days * SECONDS_PER_DAY)


async def get_overall_requests(request: ApiRequest) -> Json:
    """How many requests, and how they went."""
    question = await read_query(request)
    return _overall(await _statuses(question))


async def get_distribution(request: ApiRequest) -> Json:
    """How many requests for each status, the most frequent first."""
    question = await read_query(request)
    return _distribution(await _statuses(question))


async def get_success_percentage(request: ApiRequest) -> Json:
    """Which share of the answers was no error."""
    question = await read_query(request)
    return {"successPercentage": _success(await _statuses(question))}


async def get_rpm(request: ApiRequest) -> Json:
    """Requests per minute: most in one minute of the clock, and average over the window."""
    return await _rpm(await read_query(request))


async def get_top_paths(request: ApiRequest) -> Json:
    """The ten paths that were asked for most."""
    return await _top_paths(await read_query(request))


async def get_top_error_paths(request: ApiRequest) -> Json:
    """The ten paths that failed most, by status."""
    return await _top_error_paths(await read_query(request))


async def get_requests_over_time(request: ApiRequest) -> Json:
    """At most 120 points of equal width; those without requests are left out."""
    question = await read_query(request)
    points = await question.traffic.points(
        question.environment_id, question.window, width_s=width_of(question.window)
    )
    return [
        {
            "timestamp": timestamp,
            "count": sum(counts.values()),
            **{f"status{digit}xx": counts.get(digit, 0) for digit in (2, 3, 4, 5)},
        }
        for timestamp, counts in points.items()
    ]


async def get_summary(request: ApiRequest) -> Json:
    """All figures but those over time."""
    question = await read_query(request)
    statuses = await _statuses(question)
    return {
        "overallRequests": _overall(statuses),
        "requestDistribution": _distribution(statuses),
        "rpm": await _rpm(question),
        "successPercentage": _success(statuses),
        "topHitPaths": await _top_paths(question),
        "topErrorPaths": await _top_error_paths(question),
    }


async def _statuses(question: AnalyticsQuery) -> Mapping[int, int]:
    return await question.traffic.statuses(question.environment_id, question.window)


def _overall(statuses: Mapping[int, int]) -> Json:
    def of_class(digit: int) -> int:
        return sum(count for status, count in statuses.items() if status // 100 == digit)

    return {
        "total": sum(statuses.values()),
        "success": of_class(2),
        "client": of_class(4),
        "server": of_class(5),
    }


def _distribution(statuses: Mapping[int, int]) -> Json:
    return [{"status": str(status), "count": count} for status, count in statuses.items()]


def _success(statuses: Mapping[int, int]) -> float:
    """0 to 100; 0 when there were no requests, so that silence does not look like success."""
    total = sum(statuses.values())
    good = sum(count for status, count in statuses.items() if status < FIRST_ERROR)
    return 100 * good / total if total else 0


async def _rpm(question: AnalyticsQuery) -> Json:
    window = question.window
    total = sum((await _statuses(question)).values())
    minutes = max(window.end - window.start, 1) / SECONDS_PER_MINUTE
    peak = await question.traffic.peak(question.environment_id, window)
    return {"peak": peak, "average": total / minutes}


async def _top_paths(question: AnalyticsQuery) -> Json:
    rows = await question.traffic.top_paths(question.environment_id, question.window)
    return [{"path": row["path"], "count": row["count"]} for row in rows]


async def _top_error_paths(question: AnalyticsQuery) -> Json:
    rows = await question.traffic.top_error_paths(question.environment_id, question.window)
    return [
        {"path": row["path"], "status": str(row["status"]), "count": row["count"]} for row in rows
    ]


HANDLERS: Handlers = {
    "GetProjectEnvironmentAnalytics": get_summary,
    "GetProjectEnvironmentAnalyticsOverallRequests": get_overall_requests,
    "GetEnvAnalyticsReqDistribution": get_distribution,
    "GetProjectEnvironmentAnalyticsRPM": get_rpm,
    "GetProjectEnvironmentAnalyticsSuccessPercentage": get_success_percentage,
    "GetProjectEnvironmentAnalyticsTopHitPaths": get_top_paths,
    "GetProjectEnvironmentAnalyticsTopErrorPaths": get_top_error_paths,
    "GetProjectEnvironmentAnalyticsRequestsOverTime": get_requests_over_time,
}
