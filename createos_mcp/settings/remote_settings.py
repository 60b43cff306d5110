"""The rows of the table of settings that only `createos-mcp serve` reads."""

from dataclasses import dataclass, field

from createos_mcp.settings.setting_rows import (
    MAX_PORT,
    address,
    base_path,
    comma_separated,
    host_pattern,
    network,
    number,
    origin_pattern,
    read_switch,
    row,
    sealing_key,
    text,
    whole_number,
)

_BYTES = 10_000_000_000


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """How a server for many callers listens, whom it serves and what it takes."""

    serve_host: str = field(
        default="127.0.0.1", metadata=row(text, "Address to listen at; 0.0.0.0 is all of them.")
    )
    serve_port: int = field(
        default=8080,
        metadata=row(whole_number(0, MAX_PORT), "Port to listen at; 0 takes a free one."),
    )
    serve_base_path: str = field(
        default="", metadata=row(base_path, "Path before /mcp and all others.", shown="/")
    )
    serve_public_url: str | None = field(
        default=None,
        metadata=row(
            address,
            "The server's address as callers see it, without the base path.",
            shown="as a request names it",
        ),
    )
    serve_allowed_hosts: tuple[str, ...] = field(
        default=(),
        metadata=row(
            comma_separated(host_pattern),
            "Host headers that are answered, such as mcp.example.com or localhost:*.",
            shown="that of the public URL, and this machine's own names on loopback",
        ),
    )
    serve_allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=row(
            comma_separated(origin_pattern),
            "Web pages that may call, such as https://app.example.com.",
            shown="pages of this machine on loopback, otherwise none",
        ),
    )
    serve_trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=row(
            comma_separated(network),
            "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
            shown="none",
        ),
    )
    serve_share_key: bool = field(
        default=False,
        metadata=row(
            read_switch, "Act with this server's own key for callers who bring none.", shown="false"
        ),
    )
    serve_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            text,
            "What callers without a key send as bearer token to use the shared one.",
            secret=True,
        ),
    )
    serve_metrics_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            text,
            "Bearer token for /metrics; without one it answers on loopback only.",
            secret=True,
        ),
    )
    serve_stateless: bool = field(
        default=False,
        metadata=row(
            read_switch, "Keep no sessions, for several replicas at one address.", shown="false"
        ),
    )
    serve_state_keys: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=row(
            comma_separated(sealing_key),
            "Keys of at least 32 characters that seal what callers bring back; the first seals, "
            "all open. The same on all replicas.",
            secret=True,
            shown="one made at each start",
        ),
    )
    serve_max_request_bytes: int = field(
        default=8_000_000,
        metadata=row(whole_number(1_000, _BYTES), "Size from which a request is refused."),
    )
    serve_max_upload_bytes: int = field(
        default=52_428_800,
        metadata=row(
            whole_number(1_000, _BYTES), "Size from which a zip at an upload address is refused."
        ),
    )
    serve_body_timeout_s: float = field(
        default=30.0,
        metadata=row(number("seconds", 3600), "Limit for a silence within a request's body."),
    )
    serve_idle_timeout_s: int = field(
        default=30,
        metadata=row(whole_number(1, 3600), "How long a connection without a request stays open."),
    )
    serve_session_idle_s: int = field(
        default=300,
        metadata=row(
            whole_number(1, 86_400),
            "How long an unused session is kept; who comes later is served without one.",
        ),
    )
    serve_stop_timeout_s: int = field(
        default=30,
        metadata=row(whole_number(0, 3600), "How long calls in flight may take at the end."),
    )
    serve_calls_per_minute: int = field(
        default=1_200, metadata=row(whole_number(1, 10_000_000), "Requests of one key in a minute.")
    )
    serve_max_in_flight: int = field(
        default=100,
        metadata=row(whole_number(1, 100_000), "Requests of one key that are served at one time."),
    )
    serve_otlp_endpoint: str | None = field(
        default=None,
        metadata=row(
            address,
            "Where OpenTelemetry traces go, such as http://localhost:4318/v1/traces; needs the "
            "extra `otel`.",
            shown="nowhere",
        ),
    )
    oauth_issuer: str | None = field(
        default=None,
        metadata=row(
            address,
            "Authorization server whose access tokens are accepted.",
            shown="none; bearer tokens are checked by the API alone",
        ),
    )
    oauth_audience: str | None = field(
        default=None,
        metadata=row(text, "What `aud` of a token must hold.", shown="the public URL of /mcp"),
    )
    oauth_scopes: tuple[str, ...] = field(
        default=(),
        metadata=row(comma_separated(text), "Scopes that a token must have.", shown="none"),
    )
    oauth_jwks_url: str | None = field(
        default=None,
        metadata=row(
            address, "Where the issuer's keys are.", shown="as the issuer's metadata says"
        ),
    )
    oauth_introspection_url: str | None = field(
        default=None,
        metadata=row(
            address, "Where the issuer tells about tokens that are no JWT (RFC 7662).", shown="none"
        ),
    )
    oauth_client_id: str | None = field(
        default=None,
        metadata=row(text, "This server's name at the introspection address.", shown="none"),
    )
    oauth_client_secret: str | None = field(
        default=None,
        repr=False,
        metadata=row(text, "This server's password there.", secret=True),
    )
