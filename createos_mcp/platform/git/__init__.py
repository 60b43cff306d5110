"""Git repositories that this machine hosts: pushed to over HTTP, built by commit."""
