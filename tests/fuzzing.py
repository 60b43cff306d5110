"""How many cases the tests draw that look for inputs nobody thought of."""

import os

from hypothesis import HealthCheck, settings

FEW = 1_000


def drawn(*, few: int = FEW, parts: int = 1) -> settings:
    """`FUZZ_CASES=100000` draws as many, as `.ci/run` does; without it, few.

    Args:
        few: How many without it.
        parts: How many tests share them.
    """
    return settings(
        max_examples=int(os.environ.get("FUZZ_CASES", few)) // parts,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
