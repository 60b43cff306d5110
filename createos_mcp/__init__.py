"""MCP server and local platform for CreateOS."""
