"""An address whose app sleeps: the first request wakes it, and all of them wait."""

import aiohttp
import anyio
import httpx2
import pytest
from aiohttp import web

from tests.platform.gateway.visits import named, recorded, visit_websocket, visit_with_upload
from tests.platform.gateways import OWNER, entrance, free_port, instance_on, serving


async def test_all_requests_wait_for_one_waking_and_are_served() -> None:
    woken = 0
    go_on = anyio.Event()
    answers: list[str] = []
    async with serving(named("one")) as one, entrance() as way:

        async def wake() -> None:
            nonlocal woken
            woken += 1
            await go_on.wait()
            way.gateway.publish(way.site.route_id, [one])

        async def ask(client: httpx2.AsyncClient) -> None:
            answers.append((await client.get(f"{way.address}/whoami")).text)

        way.gateway.hold(way.site.route_id, wake)
        async with httpx2.AsyncClient() as client, aiohttp.ClientSession() as session:
            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(ask, client)
                    tasks.start_soon(visit_websocket, session, way.address)
                    tasks.start_soon(visit_with_upload, session, way.address)
                    while not woken:
                        await anyio.sleep(0.001)
                    assert way.gateway.idle_s([way.site.route_id]) == 0
                    assert answers == []
                    go_on.set()

    assert (answers, woken) == (["one"] * 5, 1)
    assert sorted(status for _, status, _ in way.recorded) == [101, *[200] * 6]


async def test_nothing_is_woken_before_somebody_asks() -> None:
    async with entrance() as way:

        async def wake() -> None:
            raise AssertionError("nobody asked")

        way.gateway.hold(way.site.route_id, wake)
        await anyio.wait_all_tasks_blocked()


async def test_a_client_that_gives_up_does_not_end_the_waking() -> None:
    go_on = anyio.Event()
    async with serving(named("one")) as one, entrance() as way:
        begun = anyio.Event()

        async def wake() -> None:
            begun.set()
            await go_on.wait()
            way.gateway.publish(way.site.route_id, [one])

        way.gateway.hold(way.site.route_id, wake)
        with anyio.fail_after(10):
            async with httpx2.AsyncClient() as hasty, anyio.create_task_group() as tasks:
                tasks.start_soon(hasty.get, f"{way.address}/whoami")
                await begun.wait()
                tasks.cancel_scope.cancel()
            await anyio.wait_all_tasks_blocked()
            go_on.set()
            await recorded(way, 1)
            async with httpx2.AsyncClient() as patient:
                answer = await patient.get(f"{way.address}/whoami")

    assert answer.text == "one"
    assert way.recorded == [(OWNER, 499, "/whoami"), (OWNER, 200, "/whoami")]


async def test_a_waking_that_fails_is_a_503_and_the_next_request_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0
    async with serving(named("one")) as one, entrance() as way, httpx2.AsyncClient() as client:

        async def wake() -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise OSError("no memory left")
            way.gateway.publish(way.site.route_id, [one])

        way.gateway.hold(way.site.route_id, wake)
        with anyio.fail_after(10):
            failed = await client.get(way.address)
            served = await client.get(f"{way.address}/whoami")

    assert (failed.status_code, "could not be started" in failed.text) == (503, True)
    assert failed.headers["retry-after"]
    assert "no memory left" in caplog.text
    assert served.text == "one"


async def test_a_site_that_is_withdrawn_while_it_wakes_tells_the_reason() -> None:
    async with entrance() as way, httpx2.AsyncClient() as client:

        async def wake() -> None:
            way.gateway.make_unavailable(way.site.route_id, "The app crashed.", retry_after_s=7)

        way.gateway.hold(way.site.route_id, wake)
        answer = await client.get(way.address)

    assert (answer.status_code, answer.json()["data"]) == (503, "The app crashed.")
    assert answer.headers["retry-after"] == "7"


async def test_a_site_that_is_closed_while_it_wakes_lets_go_of_its_requests() -> None:
    async with entrance() as way, httpx2.AsyncClient() as client:

        async def wake() -> None:
            await way.gateway.close(way.site.route_id)

        way.gateway.hold(way.site.route_id, wake)
        answer = await client.get(way.address)

    assert answer.status_code == 503


async def test_waiting_has_an_end() -> None:
    async with entrance(wake_timeout_s=0.05) as way, httpx2.AsyncClient() as client:
        way.gateway.hold(way.site.route_id, anyio.sleep_forever)
        with anyio.fail_after(10):
            answer = await client.get(way.address)

    assert (answer.status_code, "in time" in answer.text) == (503, True)
    assert answer.headers["retry-after"]


async def test_idle_time_counts_from_the_end_of_the_last_request() -> None:
    now = 100.0
    go_on = anyio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/slow", slow)
    async with serving(app) as one, entrance(clock=lambda: now) as way:

        def idle_s() -> float:
            return way.gateway.idle_s([way.site.route_id])

        way.gateway.publish(way.site.route_id, [one])
        now = 105.0
        assert idle_s() == 5
        async with httpx2.AsyncClient() as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.get, f"{way.address}/slow")
            with anyio.fail_after(10):
                while idle_s() != 0:
                    await anyio.sleep(0.001)
                go_on.set()
        now = 112.0
        assert idle_s() == 7
        async with aiohttp.ClientSession() as session:
            way.gateway.publish(way.site.route_id, [instance_on(free_port())])
            await session.get(way.address)
        assert idle_s() == 0


async def test_host_names_come_and_go_and_lead_where_the_site_leads() -> None:
    async with serving(named("one")) as one, entrance() as way, httpx2.AsyncClient() as client:

        async def status_at(host: str) -> int:
            address = f"http://127.0.0.1:{way.gateway.port}/whoami"
            return (await client.get(address, headers={"Host": host})).status_code

        way.gateway.publish(way.site.route_id, [one])
        way.gateway.set_domains(way.site.route_id, ("shop.example", "www.shop.example"))
        assert await status_at("shop.example") == await status_at("WWW.shop.example:80") == 200
        assert await status_at("production-app.localhost") == 200
        way.gateway.set_domains(way.site.route_id, ())
        assert await status_at("shop.example") == 404
        await way.gateway.close(way.site.route_id)
        assert await status_at("shop.example") == 404
