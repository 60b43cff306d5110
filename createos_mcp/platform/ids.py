"""Ids of rows, and of the files that belong to them."""

import uuid


def new_id() -> str:
    """A fresh id."""
    return str(uuid.uuid4())
