"""The platform's own entry point: `python -m createos_mcp.platform '{"data_dir": "..."}'`."""

import argparse
import contextlib
import logging
import os
import sys
from pathlib import Path

import anyio

from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.service import serve_platform

AUTOGROUP = Path("/proc/self/autogroup")
BEFORE_APPS = "-10"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Serve until the process is told to end.

    Returns:
        0 after a stop that was asked for, 1 when the platform could not start.
    """
    parser = argparse.ArgumentParser(prog="createos-mcp platform", description=__doc__)
    parser.add_argument("config", type=PlatformConfig.from_json, help="PlatformConfig as JSON")
    config: PlatformConfig = parser.parse_args().config
    os.umask(0o077)
    go_before_apps()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        anyio.run(serve_platform, config, dict(os.environ), backend_options=LOOP_OPTIONS)
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def go_before_apps() -> None:
    """Let this process have the processor before apps, each of which has a session of its own.

    A session's niceness is that of its autogroup, which its children leave with a session of
    their own: see sched(7). Only root may raise it, and not every kernel has it.
    """
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(BEFORE_APPS)


if __name__ == "__main__":
    sys.exit(main())
