"""The platform's own entry point: `python -m createos_mcp.platform --data-dir DIR`."""

import argparse
import logging
import os
import sys
from pathlib import Path

import anyio

from createos_mcp.platform.config import PlatformConfig
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.service import serve

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Serve until the process is told to end.

    Returns:
        0 after a stop that was asked for, 1 when the platform could not start.
    """
    parser = argparse.ArgumentParser(prog="createos-mcp platform", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--api-port", type=int, default=0)
    parser.add_argument("--gateway-port", type=int, default=0)
    parser.add_argument("--dns-servers", default="", help="addresses, separated by commas")
    parser.add_argument("--isolation", choices=("auto", "none"), default="auto")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    config = PlatformConfig(
        data_dir=DataDir(chosen.data_dir),
        api_port=chosen.api_port,
        gateway_port=chosen.gateway_port,
        dns_servers=tuple(filter(None, chosen.dns_servers.split(","))),
        isolation=chosen.isolation,
    )
    try:
        anyio.run(serve, config, dict(os.environ))
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
