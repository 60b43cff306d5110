"""Starts the server of a bundle; fields that were left empty in its form are no settings."""

import os
import sys

from createos_mcp.cli.cli import main

PREFIX = "CREATEOS_"
UNFILLED = "${user_config."


def drop_empty_fields() -> None:
    """Take out what the host hands over for a field without a value."""
    for name, value in list(os.environ.items()):
        if name.startswith(PREFIX) and (not value.strip() or value.startswith(UNFILLED)):
            del os.environ[name]


if __name__ == "__main__":
    drop_empty_fields()
    sys.exit(main())
