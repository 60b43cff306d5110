"""What a launcher is given: flags, and the variables of what it starts."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence


def read_file(path: str) -> bytes:
    """All of a file."""
    with open(path, "rb") as file:
        return file.read()


def read_variables(run_dir: str) -> bytes:
    """The app's variables as lines for the shell; their file is gone afterwards."""
    place = os.path.join(run_dir, "environ.json")
    with open(place) as file:
        variables = json.load(file)
    os.unlink(place)
    return "".join(
        f"export {name}={shlex.quote(text)}\n" for name, text in variables.items()
    ).encode()


def read_flags(given: Sequence[str]) -> dict[str, list[str]]:
    """Values of `--name=value` by name."""
    flags: dict[str, list[str]] = {}
    for name, _, value in (text.removeprefix("--").partition("=") for text in given):
        flags.setdefault(name, []).append(value)
    return flags


def by_port(flags: Mapping[str, Sequence[str]], name: str) -> dict[str, str]:
    """What a flag says of each port: `{"5432": "/a/socket"}`."""
    return dict(value.split("=", 1) for value in flags.get(name, ()))
