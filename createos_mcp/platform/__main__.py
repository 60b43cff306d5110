"""The platform's own entry point: `python -m createos_mcp.platform --data-dir DIR`."""

import argparse
import logging
import os
import sys
from functools import partial
from pathlib import Path

import anyio

from createos_mcp.platform.config import PlatformConfig, choices, read_choice
from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.paths import DataDir
from createos_mcp.platform.service import serve_platform

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Serve until the process is told to end.

    Returns:
        0 after a stop that was asked for, 1 when the platform could not start.
    """
    parser = argparse.ArgumentParser(prog="createos-mcp platform", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    for flag, choice in choices().items():
        parser.add_argument(flag, type=partial(read_choice, choice), default=choice.default)
    chosen = vars(parser.parse_args())
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    config = PlatformConfig(**{**chosen, "data_dir": DataDir(chosen["data_dir"])})
    try:
        anyio.run(serve_platform, config, dict(os.environ))
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
