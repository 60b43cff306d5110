"""What both halves read: operations, errors, the catalog and its schema files, validation."""
