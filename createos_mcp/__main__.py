"""`python -m createos_mcp` is `createos-mcp`."""

import sys

from createos_mcp.cli.cli import main

if __name__ == "__main__":
    sys.exit(main())
