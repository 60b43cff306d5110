"""The two eras of the protocol: with a handshake, and without."""

from typing import Literal, TypeAlias

import pytest

Era: TypeAlias = Literal["legacy", "auto"]

ERAS: tuple[Era, ...] = ("legacy", "auto")

both_eras = pytest.mark.parametrize("era", ERAS)

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "by-hand", "version": "1"},
}
"""What a client of the first era says first."""
