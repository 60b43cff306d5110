"""Who calls a remote server, and whether the platform or an issuer accepts them."""
