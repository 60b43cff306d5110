"""MCP clients' configurations: read, changed, written."""
