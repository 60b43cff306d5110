"""The text of a .env file: read whole, or refused by line number; no value is ever repeated."""

from collections.abc import Sequence
from io import StringIO


class EnvTextError(Exception):
    """Lines cannot be read; the values in them stay where they are.

    Attributes:
        lines: Their numbers.
    """

    def __init__(self, lines: Sequence[int]) -> None:
        numbers = ", ".join(map(str, lines))
        super().__init__(f"cannot be read in line {numbers}; write NAME=value there")
        self.lines = lines


def read_env_text(text: str) -> dict[str, str]:
    """The variables of a text, filled in from nothing else.

    Raises:
        EnvTextError: A line cannot be read, which may be half of a secret.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - most sessions need no time for it

    rows = list(parse_stream(StringIO(text)))
    wrong = [row.original.line for row in rows if row.error]
    if wrong:
        raise EnvTextError(wrong)
    return {row.key: row.value for row in rows if row.key and row.value is not None}
