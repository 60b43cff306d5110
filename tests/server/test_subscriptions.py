import anyio
import mcp_types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ResourceUpdated

from createos_mcp.contract.values import Json
from createos_mcp.server.server import build_server
from tests.agents import agent, listening, remote_agent, serving
from tests.apis import FakeApi
from tests.eventually import until

ID = "3f0c9a52-0000-4000-8000-000000000001"
PATH = f"/v1/projects/{ID}/deployments/{ID}"
URI = f"createos://projects/{ID}/deployments/{ID}"
PATIENCE_S = 20

# The client says so of what the second era has no more.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

QUIET_S = 2.5
"""Longer than the pause between two looks."""


def show(api: FakeApi, status: str) -> None:
    api.data[PATH] = {"id": ID, "status": status}


def looks(api: FakeApi) -> int:
    return api.sent("GET").count(PATH)


async def until_looked(api: FakeApi) -> None:
    await until(lambda: looks(api))


async def has_stopped(api: FakeApi) -> bool:
    """Whether nobody looks any more, after what was under way."""
    await anyio.sleep(0.2)
    before = looks(api)
    await anyio.sleep(QUIET_S)
    return looks(api) == before


async def test_a_stream_tells_of_a_new_state_and_ends_with_its_client() -> None:
    async with remote_agent("auto") as here:
        show(here.api, "building")
        assert not here.api.asked
        async with here.client.listen(resource_subscriptions=[URI]) as stream:
            await until_looked(here.api)
            show(here.api, "deployed")
            with anyio.fail_after(PATIENCE_S):
                event = await anext(aiter(stream))
        assert event == ResourceUpdated(uri=URI)
        assert await has_stopped(here.api)


@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_subscriber_of_the_first_era_is_told_until_it_unsubscribes(transport: str) -> None:
    told = anyio.Event()

    async def hear(message: Json) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            assert message.params.uri == URI
            told.set()

    async with serving() as (offer, api):
        server = build_server(offer)
        show(api, "building")
        if transport == "memory":
            async with Client(server, mode="legacy", message_handler=hear) as client:
                await follow(client, api, told)
        else:
            async with (
                listening(server) as address,
                Client(
                    streamable_http_client(f"{address}/mcp"), mode="legacy", message_handler=hear
                ) as client,
            ):
                await follow(client, api, told)


async def follow(client: Client, api: FakeApi, told: anyio.Event) -> None:
    await client.subscribe_resource(URI)
    await client.subscribe_resource(URI)
    await until_looked(api)
    show(api, "deployed")
    with anyio.fail_after(PATIENCE_S):
        await told.wait()
    await client.unsubscribe_resource(URI)
    assert await has_stopped(api)


async def test_what_never_changes_may_be_subscribed_to_and_is_not_looked_at() -> None:
    async with agent("legacy") as here:
        await here.client.subscribe_resource("test://watched-resource")
        await here.client.subscribe_resource("createos://quotas")
        await here.client.unsubscribe_resource("createos://quotas")
        await here.client.unsubscribe_resource("createos://never")
        assert await has_stopped(here.api)
        assert here.api.asked == []
