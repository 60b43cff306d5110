"""Ports of a platform: those of its last run where none is set, so that addresses stay the same."""

import socket
from dataclasses import replace

import anyio

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.gateway.listeners import bind_loopback
from createos_mcp.platform.state import read_state

_FREED_WITHIN_S, _POLL_S = 2.0, 0.05
"""What was killed a moment ago holds its ports until the last of its threads is gone."""


async def settle_ports(config: PlatformConfig) -> PlatformConfig:
    """Ask for the last run's ports again where none is set, so that addresses stay the same."""
    last = read_state(config.data_dir.state_file)
    if last is None:
        return config
    return replace(
        config,
        api_port=config.api_port or await _if_free(last.api_port),
        gateway_port=config.gateway_port or await _if_free(last.gateway_port),
    )


async def _if_free(port: int) -> int:
    """The port, once nothing listens there, or 0."""
    with anyio.move_on_after(_FREED_WITHIN_S):
        while not _is_free(port):  # noqa: ASYNC110 - a port sends no event
            await anyio.sleep(_POLL_S)
        return port
    return 0


def _is_free(port: int) -> bool:
    try:
        bind_port(port).close()
    except StartupError:
        return False
    return True


def bind_port(port: int) -> socket.socket:
    """A socket on a port of 127.0.0.1.

    Raises:
        StartupError: Something else listens there.
    """
    try:
        return bind_loopback(port)
    except OSError as error:
        reason = f"cannot listen on port {port}: {error.strerror}"
        raise StartupError(reason, "choose another") from error
