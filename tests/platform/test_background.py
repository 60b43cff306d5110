"""Work in the background: a fault ends it alone, and what has to last begins again."""

import anyio
import pytest

from createos_mcp.platform.background import Background


async def test_work_that_lasts_begins_anew_after_a_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("createos_mcp.platform.background.SHORTEST_PAUSE_S", 0.01)
    begun = 0
    lasts = anyio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise OSError("no space left")
        lasts.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        kept = Background(tasks).keep(work)
        with anyio.fail_after(5):
            await lasts.wait()
            await kept.abandon()
    assert begun == 3
    assert caplog.text.count("which begins again") == 2


async def test_work_that_fails_once_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise OSError("no space left")

    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(5):
            await Background(tasks).start(work).ended.wait()
    assert "internal error in" in caplog.text
