"""API keys: how they are made, kept as hashes, and told from what is none."""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.platform.errors import UnauthorizedError, UserNameError
from createos_mcp.platform.models import User
from createos_mcp.platform.store.accounts import Accounts

KEY_HEADER = "x-api-key"
KEY_PREFIX = "skp_"
# 256 bits cannot be guessed, so that hashes of keys need no salt and no slow hash.
KEY_BYTES = 32

FIRST_USER = "local"
FIRST_USER_EMAIL = "local@localhost"
FIRST_KEY = "first-key"

_USER_NAME = re.compile(r"[a-zA-Z0-9._-]{1,48}")


def new_key() -> str:
    """A fresh key: `skp_` and 43 characters from 32 random bytes."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> str:
    """What is stored of a key. It is random and long, so that one fast hash is enough."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


async def authenticate(accounts: Accounts, headers: Mapping[str, str]) -> User:
    """Whose request that is.

    Raises:
        UnauthorizedError: No key came, or one that is unknown, revoked or expired.
    """
    key = headers.get(KEY_HEADER)
    if not key:
        raise UnauthorizedError("The request has no API key")
    user = await accounts.user_of_key(hash_of(key))
    if user is None:
        raise UnauthorizedError("The API key is unknown, revoked or expired")
    return user


async def ensure_first_key(accounts: Accounts, key_file: Path) -> None:
    """Make the first user and a key, and write the key where its owner alone can read it.

    A key file that was lost is written again, with a key of its own.
    """
    user = await accounts.ensure_user(name=FIRST_USER, email=FIRST_USER_EMAIL)
    if key_file.exists() and await accounts.user_of_key(hash_of(key_file.read_text().strip())):
        return
    key = new_key()
    await accounts.add_key(
        user_id=user.id,
        name=FIRST_KEY,
        description=None,
        expired_at=None,
        secret_hash=hash_of(key),
    )
    _write_for_owner(key_file, key + "\n")


def check_user_name(name: str) -> None:
    """Refuse what cannot name a user.

    Raises:
        UserNameError: The name is empty, too long, or holds other characters.
    """
    if not _USER_NAME.fullmatch(name):
        raise UserNameError(name)


async def add_account(accounts: Accounts, name: str) -> tuple[User, str]:
    """Make a user, and a key of theirs that is returned here and never again.

    Raises:
        UserNameError: The name is empty, too long, or holds other characters.
        NameTakenError: Another user has it.
    """
    check_user_name(name)
    key = new_key()
    user = await accounts.add_user(
        name=name, email=f"{name}@localhost", key_name=FIRST_KEY, secret_hash=hash_of(key)
    )
    return user, key


def _write_for_owner(file: Path, text: str) -> None:
    draft = file.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    draft.replace(file)
