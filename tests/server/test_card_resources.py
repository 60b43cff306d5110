import pytest
from mcp import Client
from mcp.client import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.catalog import load_catalog
from createos_mcp.server.card_resources import CARDS, EXTENSION, MEDIA_TYPE
from createos_mcp.server.server import build_server
from tests.agents import serving
from tests.eras import Era, both_eras

DRAWS = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
WITH_CARDS = {
    tool.name: tool.card for tool in load_catalog(local=True).tools if tool.card is not None
}


def test_they_are_named_as_the_sdk_names_them() -> None:
    assert (EXTENSION, MEDIA_TYPE) == (EXTENSION_ID, APP_MIME_TYPE)


@both_eras
async def test_a_host_that_draws_is_told_of_cards_and_reads_them(era: Era) -> None:
    async with (
        serving(is_local=True) as (offer, _),
        Client(build_server(offer), mode=era, extensions=[DRAWS]) as host,
    ):
        tools = (await host.list_tools()).tools
        drawn = {tool.name: (tool.meta or {}).get("ui") for tool in tools if tool.meta}
        assert drawn.keys() == WITH_CARDS.keys()
        for uri in {one["resourceUri"] for one in drawn.values() if one}:
            (content,) = (await host.read_resource(uri)).contents
            assert content.mime_type == APP_MIME_TYPE
            assert uri in CARDS
            assert len(content.text) < 10_000  # type: ignore[union-attr]
            assert "/*" not in content.text  # type: ignore[union-attr]
        with pytest.raises(MCPError):
            await host.read_resource("ui://createos/other.html")


@both_eras
async def test_other_hosts_are_told_of_none_and_lists_have_no_card(era: Era) -> None:
    async with serving(is_local=True) as (offer, _), Client(build_server(offer), mode=era) as host:
        assert not [tool for tool in (await host.list_tools()).tools if tool.meta]
        listed = (await host.list_resources()).resources
    assert not [one for one in listed if str(one.uri).startswith("ui:")]
