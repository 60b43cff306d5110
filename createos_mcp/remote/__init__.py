"""The same server for a whole team: over HTTP, with each caller's own credentials."""
