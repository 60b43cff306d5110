"""The client of the REST API: where calls go, one request out, one response in."""
