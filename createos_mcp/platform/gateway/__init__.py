"""From an address to an app."""
