"""A process that carries a container's relays, within its network and as long as it lives.

It is started before the container, so that its ports are there when the app first looks for them:
then it reads the container's process from its standard input, and answers `ready` or an error.
"""

import ctypes
import json
import os
import selectors
import sys
from collections.abc import Sequence

from createos_mcp.platform.engines.netns import enter_network
from createos_mcp.platform.sandbox.relays import Relay

READY = "ready"
_SET_DUMPABLE = 4


def main(arguments: Sequence[str]) -> None:
    """Carry the relays that the arguments name: `{"5432": "/path/of/a/socket"}` and a user."""
    ways, uid = json.loads(arguments[0]), int(arguments[1])
    pid = int(sys.stdin.readline() or 0)
    if not pid:
        return
    try:
        selector, ended = _listen(ways, uid, pid)
    except OSError as error:
        _say(str(error))
        return
    _say(READY)
    while ended not in (ready := {key.fd: key.data for key, _ in selector.select()}):
        for act in ready.values():
            act()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _listen(ways: dict[str, str], uid: int, pid: int) -> tuple[selectors.BaseSelector, int]:
    selector = selectors.DefaultSelector()
    ended = os.pidfd_open(pid)
    selector.register(ended, selectors.EVENT_READ)
    # Their folders are opened before the rights to do so are given up.
    places = {int(port): _through_descriptor(place) for port, place in ways.items()}
    enter_network(pid)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # A change of user closes `/proc/self/fd`, which the sockets are reached through.
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1)
    for port, place in places.items():
        Relay(selector, port, place).listen()
    return selector, ended


def _through_descriptor(place: str) -> str:
    directory, name = os.path.split(place)
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    return f"/proc/self/fd/{folder}/./{name}"


if __name__ == "__main__":
    main(sys.argv[1:])
