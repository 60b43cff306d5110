"""Prompt files: TOML between two lines of `+++`, then a text with places for arguments."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from createos_mcp.contract.errors import CatalogError
from createos_mcp.contract.operations import PromptArgument, PromptRow

PLACE = re.compile(r"\{\{(\w+)\}\}")
"""Where a prompt's text takes an argument."""

_FENCE = "+++\n"


def read_prompt(root: Path, file: Path) -> PromptRow:
    """Read one prompt: TOML between two lines of `+++`, then its text.

    Raises:
        CatalogError: It cannot be read, or its places are not its arguments.
    """
    label = file.relative_to(root).as_posix()
    try:
        _, head, text = file.read_text(encoding="utf-8").split(_FENCE, 2)
        facts = tomllib.loads(head)
        arguments = tuple(map(_read_argument, facts.get("arguments", ())))
        row = PromptRow(
            name=file.stem,
            title=facts["title"],
            description=facts["description"],
            arguments=arguments,
            text=text.strip(),
        )
    except KeyError as error:
        raise CatalogError(label, f"missing {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise CatalogError(label, str(error)) from error
    for name in set(PLACE.findall(text)) ^ {argument.name for argument in arguments}:
        raise CatalogError(label, f"{name!r} is not both an argument and a place in the text")
    return row


def _read_argument(entry: Mapping[str, str]) -> PromptArgument:
    return PromptArgument(
        name=entry["name"], description=entry["description"], default=entry.get("default")
    )
