"""The local platform: the CreateOS REST API, for real, on one machine."""
