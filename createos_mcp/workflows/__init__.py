"""Workflows: tools that take several operations to do their work, one module each."""
