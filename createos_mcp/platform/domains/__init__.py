"""Names of custom domains, and the DNS records that prove them."""
