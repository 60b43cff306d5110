"""The REST API: one module per resource; each maps operation names to handlers."""
