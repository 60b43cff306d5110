"""The requests of MCP: tools, resources, prompts, completions, subscriptions."""
