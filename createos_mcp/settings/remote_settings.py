"""The rows of the table of settings that only `createos-mcp serve` reads."""

from dataclasses import dataclass, field

from createos_mcp.contract.setting_rows import (
    MAX_PORT,
    address,
    base_path,
    bearer_token,
    comma_separated,
    host_pattern,
    listen_host,
    network,
    number,
    origin_pattern,
    read_switch,
    sealing_key,
    setting,
    text,
    whole_number,
)

_BYTES = 10_000_000_000


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """How a server for many callers listens, whom it serves and what it accepts."""

    serve_host: str = field(
        default="127.0.0.1",
        metadata=setting(
            listen_host, group="server", help="Address to listen on; 0.0.0.0 = all interfaces."
        ),
    )
    serve_port: int = field(
        default=8080,
        metadata=setting(
            whole_number(0, MAX_PORT), group="server", help="Port to listen on; 0 = any free port."
        ),
    )
    serve_base_path: str = field(
        default="",
        metadata=setting(
            base_path,
            group="server",
            help="Path prefix of /mcp and all other endpoints.",
            default_text="/",
        ),
    )
    serve_public_url: str | None = field(
        default=None,
        metadata=setting(
            address,
            group="server",
            help="URL of this server as clients see it, without the base path.",
            default_text="taken from each request",
        ),
    )
    serve_allowed_hosts: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(host_pattern),
            group="server",
            help="Comma-separated Host headers to accept, such as mcp.example.com or localhost:*.",
            default_text="the host of the public URL; on loopback also this machine's own names",
        ),
    )
    serve_allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(origin_pattern),
            group="server",
            help="Comma-separated origins of web pages that may call, such as "
            "https://app.example.com.",
            default_text="on loopback pages of this machine, otherwise none",
        ),
    )
    serve_trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(network),
            group="server",
            help="Comma-separated proxies whose X-Forwarded-For and X-Forwarded-Proto "
            "headers are trusted.",
            default_text="none",
        ),
    )
    serve_share_key: bool = field(
        default=False,
        metadata=setting(
            read_switch,
            group="server",
            help="Use this server's own key for callers who send none.",
            default_text="false",
        ),
    )
    serve_token: str | None = field(
        default=None,
        repr=False,
        metadata=setting(
            bearer_token,
            group="server",
            help="Bearer token that callers without a key send to use the shared key.",
            secret=True,
        ),
    )
    serve_metrics_token: str | None = field(
        default=None,
        repr=False,
        metadata=setting(
            bearer_token,
            group="server",
            help="Bearer token for /metrics. Without one, /metrics is served on loopback only.",
            secret=True,
        ),
    )
    serve_stateless: bool = field(
        default=False,
        metadata=setting(
            read_switch,
            group="server",
            help="Keep no sessions, so that several replicas can serve one address.",
            default_text="false",
        ),
    )
    serve_workers: int = field(
        default=1,
        metadata=setting(
            whole_number(1, 64),
            group="server",
            help="Processes that serve the address together; more than one keep no sessions.",
        ),
    )
    serve_state_keys: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=setting(
            comma_separated(sealing_key),
            group="server",
            help="Comma-separated keys of at least 32 characters that seal state "
            "carried by clients; the first one seals, all of them open. Must be "
            "the same on all replicas.",
            secret=True,
            default_text="a new key at each start",
        ),
    )
    serve_max_request_bytes: int = field(
        default=8_000_000,
        metadata=setting(
            whole_number(1_000, _BYTES),
            group="server",
            help="Maximum size of a request; larger ones are refused.",
        ),
    )
    serve_max_upload_bytes: int = field(
        default=52_428_800,
        metadata=setting(
            whole_number(1_000, _BYTES),
            group="server",
            help="Maximum size of a zip sent to an upload URL.",
        ),
    )
    serve_body_timeout_s: float = field(
        default=30.0,
        metadata=setting(
            number("seconds", 3600),
            group="server",
            help="Maximum time to wait for more of a request body.",
        ),
    )
    serve_idle_timeout_s: int = field(
        default=30,
        metadata=setting(
            whole_number(1, 3600),
            group="server",
            help="Time after which an idle connection is closed.",
        ),
    )
    serve_session_idle_s: int = field(
        default=300,
        metadata=setting(
            whole_number(1, 86_400),
            group="server",
            help="Time after which an unused session is dropped; its client is then "
            "served without one.",
        ),
    )
    serve_stop_timeout_s: int = field(
        default=30,
        metadata=setting(
            whole_number(0, 3600),
            group="server",
            help="Maximum time for calls in flight when the server stops.",
        ),
    )
    serve_calls_per_minute: int = field(
        default=1_200,
        metadata=setting(
            whole_number(1, 10_000_000),
            group="server",
            help="Maximum requests per minute for one key.",
        ),
    )
    serve_max_in_flight: int = field(
        default=100,
        metadata=setting(
            whole_number(1, 100_000),
            group="server",
            help="Maximum concurrent requests for one key.",
        ),
    )
    serve_otlp_endpoint: str | None = field(
        default=None,
        metadata=setting(
            address,
            group="server",
            help="URL that OpenTelemetry traces are sent to, such as "
            "http://localhost:4318/v1/traces; needs the extra `otel`.",
            default_text="none",
        ),
    )
    oauth_issuer: str | None = field(
        default=None,
        metadata=setting(
            address,
            group="oauth",
            help="Authorization server whose access tokens are accepted.",
            default_text="none; bearer tokens are checked by the API alone",
        ),
    )
    oauth_audience: str | None = field(
        default=None,
        metadata=setting(
            text, group="oauth", help="Expected `aud` claim.", default_text="the public URL of /mcp"
        ),
    )
    oauth_scopes: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            comma_separated(text),
            group="oauth",
            help="Comma-separated scopes that a token must have.",
            default_text="none",
        ),
    )
    oauth_jwks_url: str | None = field(
        default=None,
        metadata=setting(
            address,
            group="oauth",
            help="URL of the issuer's signing keys.",
            default_text="from the issuer's metadata",
        ),
    )
    oauth_introspection_url: str | None = field(
        default=None,
        metadata=setting(
            address,
            group="oauth",
            help="Token introspection URL (RFC 7662) for tokens that are not JWTs.",
            default_text="none",
        ),
    )
    oauth_client_id: str | None = field(
        default=None,
        metadata=setting(
            text,
            group="oauth",
            help="OAuth client ID for token introspection.",
            default_text="none",
        ),
    )
    oauth_client_secret: str | None = field(
        default=None,
        repr=False,
        metadata=setting(
            text, group="oauth", help="OAuth client secret for token introspection.", secret=True
        ),
    )
