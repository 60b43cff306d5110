"""The local platform as the command line and the backend see it: found, started, stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import say, say_progress
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import PlatformNotStartedError, UserRefusedError
from createos_mcp.contract.platform_settings import PlatformSettings
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import PlatformError, StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.settings.settings import Settings


def locate_platform(invocation: Invocation) -> ApiTarget:
    """Where the platform is; starts it when it does not run. Blocks until it answers.

    Raises:
        PlatformNotStartedError: It did not come up.
    """
    config = config_of(invocation.settings)
    if daemon.find_running(config.data_dir) is None:
        say_progress("Starting the local platform ...")
    try:
        address = daemon.ensure_running(config, invocation.environ)
    except StartupError as error:
        raise PlatformNotStartedError(str(error), str(config.data_dir.log_file)) from error
    return ApiTarget(base_url=address.api_url, credentials=Credentials(api_key=address.api_key))


def config_of(settings: Settings) -> PlatformConfig:
    """How the settings set the platform up."""
    chosen = {row.name: getattr(settings.platform, row.name) for row in fields(PlatformSettings)}
    return PlatformConfig(data_dir=DataDir(settings.platform_dir), **chosen)


@contextmanager
def explained() -> Iterator[None]:
    """Say in a sentence what the platform's own parts refuse to the owner of the machine.

    Raises:
        UserRefusedError: They do.
    """
    try:
        yield
    except PlatformError as error:
        raise UserRefusedError(str(error)) from error


def stop_command(invocation: Invocation) -> int:
    """Stop the platform and its apps."""
    stopped = daemon.stop_platform(config_of(invocation.settings))
    say("The platform has stopped." if stopped else "The platform was not running.")
    return 0
