"""One module per resource of the REST API; each maps operation names to handlers."""
