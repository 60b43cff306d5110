"""Sealing: secrets that the platform has to use later, unreadable in its database alone."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from createos_mcp.platform.errors import StorageError


class Sealer:
    """Seals and unseals with a key in a file of its own.

    A copy of the database without that file tells nothing of what is sealed in it.

    Args:
        key_file: Made, for its owner alone, when it is needed for the first time.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file

    def ensure_key(self) -> None:
        """Make the key now, so that it can be kept elsewhere before anything is sealed."""
        self._key()

    def seal(self, secret: str) -> str:
        """The secret as it may be stored."""
        return Fernet(self._key()).encrypt(secret.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """The secret that was sealed.

        Raises:
            StorageError: The key is not the one that it was sealed with.
        """
        try:
            return Fernet(self._key()).decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise StorageError(self._key_file, "it is not the key of this database") from error

    def _key(self) -> bytes:
        try:
            return self._key_file.read_bytes()
        except FileNotFoundError:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(self._key_file, flags, 0o600), "wb") as file:
                file.write(Fernet.generate_key())
            return self._key_file.read_bytes()
