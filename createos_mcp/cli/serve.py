"""The remote endpoint, put together: many callers over HTTP, each with a key of their own."""

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.composition import target_resolver
from createos_mcp.remote.serve import serve_http as serve_callers


def serve_http_command(invocation: Invocation) -> int:
    """Serve until SIGINT or SIGTERM; calls in flight are answered first."""
    return serve_callers(
        invocation.settings, target_resolver(invocation), environ=invocation.environ
    )
