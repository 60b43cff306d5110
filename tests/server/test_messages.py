import json

import pytest
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from createos_mcp.contract.values import Json
from createos_mcp.server.messages import (
    MAX_DEPTH,
    MalformedMessage,
    find_id,
    read_message,
    refuse_overlong,
)


def refused(text: str) -> MalformedMessage:
    message = read_message(text.encode())
    assert isinstance(message, MalformedMessage), message
    return message


def test_a_request_a_notification_and_an_answer_are_read() -> None:
    assert isinstance(read_message(b'{"jsonrpc":"2.0","id":1,"method":"ping"}'), JSONRPCRequest)
    assert isinstance(read_message(b'{"jsonrpc":"2.0","method":"n"}'), JSONRPCNotification)
    assert isinstance(read_message(b'{"jsonrpc":"2.0","id":1,"result":{}}'), JSONRPCResponse)


@pytest.mark.parametrize("half", ["\\ud83d", "\\udc00x", "\\uD83D\\uD83D"])
def test_halves_of_characters_are_mended_in_names_and_values(half: str) -> None:
    text = f'{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"{half}":["{half}"]}}}}'
    message = read_message(text.encode())
    assert isinstance(message, JSONRPCRequest)
    ((name, (value,)),) = (message.params or {}).items()
    assert "\ufffd" in name
    assert name == value


def test_whole_characters_in_escapes_stay() -> None:
    text = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\\ud83d\\ude80 NaN"}}'
    message = read_message(text)
    assert isinstance(message, JSONRPCRequest)
    assert message.params == {"a": "\U0001f680 NaN"}


def test_bytes_that_are_no_text_are_mended() -> None:
    message = read_message(b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\xff"}}')
    assert isinstance(message, JSONRPCRequest)
    assert message.params == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"jsonrpc":"2.0","id":5,"method":5}', "method is not a string."),
        ('{"jsonrpc":"2.0","id":5,"method":"m","params":[]}', "params is not an object."),
        ('{"jsonrpc":"1.0","id":5,"method":"m"}', 'jsonrpc is not "2.0".'),
        ('{"jsonrpc":"2.0","id":5}', "method is not a string."),
    ],
)
def test_a_refusal_has_the_id_and_says_what_is_wrong(text: str, reason: str) -> None:
    error = {"code": -32600, "message": reason}
    assert refused(text).replies == [{"jsonrpc": "2.0", "id": 5, "error": error}]


@pytest.mark.parametrize(
    ("given", "told"), [("1.5", 1.5), ("true", True), ("null", None), ("[1]", None), ("{}", None)]
)
def test_an_id_that_is_none_is_refused(given: str, told: Json) -> None:
    message = refused(f'{{"jsonrpc":"2.0","id":{given},"method":"ping"}}')
    assert message.reason == "id is neither a string nor an integer."
    assert message.ids == (told,)


def test_a_batch_is_refused_with_the_id_of_each_request() -> None:
    ping = {"jsonrpc": "2.0", "method": "ping"}
    batch = [
        {**ping, "id": 1},
        ping,
        {**ping, "id": "b"},
        {"jsonrpc": "2.0", "result": {}, "id": 3},
    ]
    assert refused(json.dumps(batch)).ids == (1, "b")
    assert refused("[]").ids == (None,)


def test_answers_and_notifications_that_are_malformed_get_no_answer() -> None:
    assert refused('{"jsonrpc":"2.0","id":3,"result":"text"}').replies == []
    assert refused('{"jsonrpc":"2.0","method":"n","params":5}').replies == []


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> str:
        return '{"jsonrpc":"2.0","method":"m","params":' + '{"a":' * depth + "1" + "}" * depth

    fits = read_message((nested(MAX_DEPTH - 60) + ',"id":4}').encode())
    assert isinstance(fits, JSONRPCRequest)
    for depth in (MAX_DEPTH, 100_000):
        assert refused(nested(depth) + ',"id":4}').ids == (4,)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"params":{"id":1},"id":2', 2),
        ('{"id":"a\\"b","x"', 'a"b'),
        ('{"x":"\\"id\\":1"', None),
        ('{"id" : -3}', -3),
        ('{"id":1.5}', None),
        ('{"id":true}', None),
        ('{"x":"id","y":7}', None),
        ("[1,2", None),
        ("", None),
    ],
)
def test_an_id_is_found_in_what_is_no_json(text: str, found: Json) -> None:
    assert find_id(text) == found


def test_an_overlong_message_is_refused_by_what_was_kept_of_it() -> None:
    assert refuse_overlong(b'{"id":1,"params":{"a":"xx', b'xx"}}', 10).ids == (1,)
    assert refuse_overlong(b'{"params":{"a":"xx', b'xx"}, "id" : "z" } ', 10).ids == ("z",)
    assert refuse_overlong(b'{"params":{"a":"xx', b'xx","id":3}}', 10).ids == (None,)
