"""Container engines: what runs images next to the processes that run files."""
