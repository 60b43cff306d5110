"""Values: untyped JSON, and what it is called where it has a meaning."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value. The one alias through which untyped JSON enters the code."""

Arguments: TypeAlias = dict[str, Json]
"""A call's arguments, flat: `{"project_id": "...", "uniqueName": "...", "since-seconds": 60}`."""

Schema: TypeAlias = Mapping[str, Json]
"""A JSON Schema of the portable subset that `catalog` enforces."""

MASK = "********"
"""Stands for a secret, wherever one is not shown."""
