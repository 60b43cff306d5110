"""Requests over time as bars: the numbers of an SVG that a template writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from createos_mcp.contract.values import Json

WIDTH = 720
HEIGHT = 160
CLASSES = (("5xx", "bad"), ("4xx", "busy"), ("3xx", "idle"), ("2xx", "ok"))
"""From the bottom up: errors are never hidden behind what went well."""

LEAST_PEAK = 4
"""A few requests do not fill the chart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StackPart:
    """One class of status in a bar."""

    name: str
    tone: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What came in one span of time."""

    start: int
    """Unix seconds."""
    x: float
    width: float
    count: int
    parts: Sequence[StackPart]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """All bars, and what the tallest one would count."""

    bars: Sequence[Bar]
    peak: int
    start: int
    end: int
    total: int


def draw(points: Sequence[Mapping[str, Json]], *, start: int, end: int, width_s: int) -> Chart:
    """The chart of a window.

    Args:
        points: As GetProjectEnvironmentAnalyticsRequestsOverTime tells them.
        start: First second.
        end: Last second.
        width_s: Seconds that a point stands for.
    """
    peak = max([LEAST_PEAK, *(point["count"] for point in points)])
    first = start - start % width_s
    spans = max((end - first) // width_s + 1, 1)
    step = WIDTH / spans
    bars = []
    for point in points:
        x = (point["timestamp"] - first) // width_s * step
        bars.append(
            Bar(
                start=point["timestamp"],
                x=round(x, 1),
                width=round(max(step - 1, 1), 1),
                count=point["count"],
                parts=_stack(point, peak),
            )
        )
    total = sum(point["count"] for point in points)
    return Chart(bars=bars, peak=peak, start=start, end=end, total=total)


def _stack(point: Mapping[str, Json], peak: int) -> list[StackPart]:
    parts, y = [], float(HEIGHT)
    for name, shade in CLASSES:
        count = point[f"status{name}"]
        if count:
            height = HEIGHT * count / peak
            y -= height
            parts.append(
                StackPart(
                    name=name, tone=shade, count=count, y=round(y, 1), height=round(height, 1)
                )
            )
    return parts
