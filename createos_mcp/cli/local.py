"""The local platform as the command line and the backend see it: found, started, stopped."""

from pathlib import Path

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.terminal import say
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import PlatformNotStartedError
from createos_mcp.platform import daemon
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.settings.settings import Settings

LOG_LINES = 200


def locate_platform(invocation: Invocation) -> ApiTarget:
    """Where the platform is; starts it when it does not run. Blocks until it answers.

    Raises:
        PlatformNotStartedError: It did not come up.
    """
    config = config_of(invocation.settings)
    try:
        address = daemon.ensure_running(config, invocation.environ)
    except StartupError as error:
        raise PlatformNotStartedError(str(error), str(config.data_dir.log_file)) from error
    return ApiTarget(base_url=address.api_url, credentials=Credentials(api_key=address.api_key))


def config_of(settings: Settings) -> PlatformConfig:
    """How the settings set the platform up."""
    return PlatformConfig(
        data_dir=DataDir(settings.platform_dir),
        api_port=settings.platform_api_port,
        gateway_port=settings.platform_gateway_port,
        sleep_after_s=settings.platform_sleep_after_s,
        max_deployed=settings.platform_max_deployed,
        builds_at_once=settings.platform_builds_at_once,
        logs_kept_days=settings.platform_logs_kept_days,
        dns_servers=settings.platform_dns_servers,
    )


def stop_command(invocation: Invocation) -> int:
    """Stop the platform and its apps."""
    stopped = daemon.stop_platform(config_of(invocation.settings))
    say("The platform has stopped." if stopped else "The platform was not running.")
    return 0


def show_log(invocation: Invocation) -> int:
    """Show the end of the platform's own log, or of what a deployment printed.

    A deployment's logs are kept for some time after it was stopped or deleted.
    """
    data_dir = config_of(invocation.settings).data_dir
    deployment_id = invocation.given.get("deployment")
    if deployment_id is not None:
        return _show_logs_of(deployment_id, data_dir)
    if not data_dir.log_file.exists():
        say(f"The platform has not run yet; its log will be {data_dir.log_file}.")
        return 0
    _show_end(data_dir.log_file)
    return 0


def _show_logs_of(deployment_id: str, data_dir: DataDir) -> int:
    known = {directory.name: directory for directory in data_dir.logs.glob("*")}
    if deployment_id not in known:
        say(f"No logs are kept of a deployment {deployment_id!r}. Kept are those of:")
        for name in sorted(known):
            say(f"  {name}")
        return 1
    for file in sorted(known[deployment_id].rglob("*.log")):
        say(f"== {file.relative_to(data_dir.logs)}")
        _show_end(file)
    return 0


def _show_end(log_file: Path) -> None:
    for line in log_file.read_text(errors="replace").splitlines()[-LOG_LINES:]:
        say(line)
