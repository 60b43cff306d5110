"""Services: databases and caches that outlive deployments, their bindings and backups."""
