from createos_mcp.contract.values import Json
from createos_mcp.platform.pages.charts import HEIGHT, WIDTH, draw


def point(at: int, **counts: int) -> Json:
    all_counts = {
        f"status{name}": counts.get(f"s{name}", 0) for name in ("2xx", "3xx", "4xx", "5xx")
    }
    return {"timestamp": at, "count": sum(all_counts.values()), **all_counts}


def test_a_bar_is_a_stack_with_the_errors_at_its_foot() -> None:
    chart = draw([point(600, s2xx=6, s5xx=2)], start=0, end=3599, width_s=60)
    (bar,) = chart.bars
    assert [(part.name, part.count) for part in bar.parts] == [("5xx", 2), ("2xx", 6)]
    assert (bar.parts[0].y, bar.parts[0].height) == (HEIGHT * 6 / 8, HEIGHT * 2 / 8)
    assert (bar.parts[1].y, bar.parts[1].height) == (0, HEIGHT * 6 / 8)
    assert (bar.x, bar.width) == (WIDTH / 6, WIDTH / 60 - 1)
    assert (chart.peak, chart.total) == (8, 8)


def test_every_bar_lies_within_the_chart() -> None:
    points = [point(at, s2xx=1) for at in range(960, 4561, 60)]
    chart = draw(points, start=990, end=4590, width_s=60)
    assert all(0 <= bar.x <= bar.x + bar.width <= WIDTH for bar in chart.bars)


def test_a_few_requests_do_not_fill_the_chart_and_none_draw_none() -> None:
    assert draw([], start=0, end=60, width_s=1).bars == []
    (bar,) = draw([point(0, s2xx=1)], start=0, end=60, width_s=1).bars
    assert bar.parts[0].height == HEIGHT / 4
