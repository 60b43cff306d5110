"""The settings_rules of a server: what its settings mean together, and which of them do not fit."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from urllib.parse import urlsplit

from createos_mcp.client.target import is_loopback
from createos_mcp.contract.errors import SettingError
from createos_mcp.remote.host_check import Names
from createos_mcp.settings.settings import Settings

OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def check_settings(settings: Settings) -> None:
    """Refuse what would be unsafe or could not work.

    Raises:
        SettingError: Two settings do not fit together; it says which, and the ways out.
    """
    for name, (is_wrong, reason) in _CONFLICTS.items():
        if is_wrong(settings):
            raise SettingError(name, reason)


def names_of(settings: Settings) -> Names:
    """Hosts and origins that are answered, as they were given or else as narrow as can be."""
    is_local = is_loopback(settings.serve_host)
    return Names(
        hosts=settings.serve_allowed_hosts or tuple(_hosts(settings, is_local=is_local)),
        origins=settings.serve_allowed_origins or tuple(_own_origins() if is_local else ()),
    )


def _hosts(settings: Settings, *, is_local: bool) -> Iterator[str]:
    if settings.serve_public_url:
        yield urlsplit(settings.serve_public_url).netloc
    if is_local:
        yield from OWN_HOSTS
        yield from (f"{host}:*" for host in OWN_HOSTS)


def _own_origins() -> Iterator[str]:
    for host in OWN_HOSTS:
        yield f"http://{host}"
        yield f"http://{host}:*"


def _has_own_key(settings: Settings) -> bool:
    return bool(settings.api_key or settings.access_token)


def _is_unguarded(settings: Settings) -> bool:
    is_open = not is_loopback(settings.serve_host) and not settings.serve_token
    return settings.serve_share_key and is_open


def _is_nameless(settings: Settings) -> bool:
    named = settings.serve_allowed_hosts or settings.serve_public_url
    return not is_loopback(settings.serve_host) and not named


def _has_lonely_oauth(settings: Settings) -> bool:
    given = (getattr(settings, f.name) for f in fields(settings) if f.name.startswith("oauth_"))
    return settings.oauth_issuer is None and any(given)


def _has_lonely_client(settings: Settings) -> bool:
    client = settings.oauth_client_id or settings.oauth_client_secret
    return bool(client) and settings.oauth_introspection_url is None


_CONFLICTS: Mapping[str, tuple[Callable[[Settings], bool], str]] = {
    "CREATEOS_API_KEY": (
        lambda s: _has_own_key(s) and not s.serve_share_key,
        "serve uses each caller's own key; unset it, or set CREATEOS_SERVE_SHARE_KEY=true",
    ),
    "CREATEOS_SERVE_SHARE_KEY": (
        _is_unguarded,
        "anyone could use the key; set CREATEOS_SERVE_TOKEN, which callers then send",
    ),
    "CREATEOS_SERVE_TOKEN": (
        lambda s: bool(s.serve_token) and not s.serve_share_key,
        "it grants the shared key, but no key is shared; set CREATEOS_SERVE_SHARE_KEY=true",
    ),
    "CREATEOS_SERVE_ALLOWED_HOSTS": (
        _is_nameless,
        "set it to the hosts that callers use for this server, or set CREATEOS_SERVE_PUBLIC_URL",
    ),
    "CREATEOS_SERVE_STATE_KEYS": (
        lambda s: s.serve_stateless and not s.serve_state_keys and s.serve_workers == 1,
        "stateless replicas need the same keys; generate one with `openssl rand -hex 32`",
    ),
    "CREATEOS_SERVE_WORKERS": (
        lambda s: s.serve_workers > 1 and not (s.serve_stateless and sys.platform == "linux"),
        "several workers need Linux and keep no sessions; set CREATEOS_SERVE_STATELESS=true",
    ),
    "CREATEOS_OAUTH_ISSUER": (
        _has_lonely_oauth,
        "other CREATEOS_OAUTH_ settings are set; set the issuer too",
    ),
    "CREATEOS_OAUTH_INTROSPECTION_URL": (
        _has_lonely_client,
        "a client ID or secret is set, which only introspection uses; set this URL too",
    ),
}
"""What is wrong when the test holds, and what to do."""
