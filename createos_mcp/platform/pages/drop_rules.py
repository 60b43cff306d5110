"""What stays behind of a folder that is dropped: the rules of the command line, for a browser."""

import json
import re
from collections.abc import Iterator, Mapping

from pathspec import GitIgnoreSpec

from createos_mcp.contract.ignore_patterns import DIRECTORY_MARK, read_patterns
from createos_mcp.contract.needless_files import DEPENDENCIES, RULE_FILES
from createos_mcp.contract.secret_files import (
    CREDENTIAL_TYPES,
    KEY_KINDS,
    MARK_BYTES,
    PRIVATE_MARK,
    PUBLIC_MARKS,
    SECRET_NAMES,
    TOKEN_FILES,
)


def drop_rules() -> str:
    """The rules as JSON; expressions as JavaScript reads them."""
    return json.dumps(
        {
            "needless": [*_patterns(DEPENDENCIES)],
            "secret": [*_patterns(SECRET_NAMES)],
            "tokens": {name: _expression(found) for name, found in TOKEN_FILES.items()},
            "privateKey": _expression(PRIVATE_MARK),
            "publicMarks": [mark.decode() for mark in PUBLIC_MARKS],
            "keyKinds": KEY_KINDS,
            "credentialTypes": sorted(CREDENTIAL_TYPES),
            "markBytes": MARK_BYTES,
            "ruleFiles": RULE_FILES,
            "directoryMark": DIRECTORY_MARK,
        },
        separators=(",", ":"),
    )


def translate_rules(texts: Mapping[str, bytes]) -> Mapping[str, list[tuple[bool, str]]]:
    """Rule files of a folder, `{"src/": b"*.log"}`, as patterns that its browser matches.

    Matching stays there: a pattern that takes for ever does so for the one who wrote it.
    """
    return {place: [*_patterns(read_patterns(text))] for place, text in texts.items()}


def _patterns(spec: GitIgnoreSpec) -> Iterator[tuple[bool, str]]:
    """Whether a pattern takes a path in or out, and what it matches; the last one wins."""
    for pattern in spec.patterns:
        if pattern.include is not None and pattern.regex is not None:
            # JavaScript's groups have no P: https://tc39.es/ecma262/#prod-GroupSpecifier
            yield pattern.include, pattern.regex.pattern.replace("(?P<", "(?<")


def _expression(pattern: re.Pattern[bytes]) -> tuple[str, str]:
    return pattern.pattern.decode(), "i" if pattern.flags & re.IGNORECASE else ""
