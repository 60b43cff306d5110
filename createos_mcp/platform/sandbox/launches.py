"""How a launcher is started: the words of its command line, and the directory that it works in."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import createos_mcp

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from createos_mcp.platform.sandbox.launcher import main; main(sys.argv[2:])"
)
"""The launcher's interpreter sees neither variables nor site packages."""


TO_STARTER = "-"
"""Where a log file would be named: the output goes to who started the launcher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """One start of a launcher; see `launcher.py` for what its flags do."""

    run_dir: Path
    log: str
    """A file, or `TO_STARTER`."""
    words: Sequence[str] = ()
    network: bool = False
    outbound: bool = True
    """Whether an own network has a way out, where one can be made."""
    relays: Sequence[str] = ()
    """`5432=/a/socket`."""
    tls: Sequence[str] = ()
    """`5432=/a/certificate.pem`."""
    pass_to: Sequence[str] = ()
    """`5432=/a/directory`."""
    handover: str | None = None
    """`5432=/a/directory`."""
    slirp: str | None = None
    forbidden: Sequence[str] = ()
    permitted: Sequence[str] = ()
    filter_file: Path | None = None
    write: Sequence[Path] = ()
    """What it may write where Landlock takes bubblewrap's place."""
    read: Sequence[Path] = ()
    resolver_file: Path | None = None
    groups: Sequence[Path] = ()
    launcher_groups: Sequence[Path] = ()
    memory_mb: int | None = None
    with_parent: bool = False
    nice: int = 0


def write_run_dir(run_dir: Path, variables: Mapping[str, str]) -> None:
    """Make a launcher's directory anew, with the variables of what it starts."""
    shutil.rmtree(run_dir, ignore_errors=True)
    run_dir.mkdir(mode=0o700, parents=True)
    descriptor = os.open(run_dir / "environ.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dict(variables), file)


def launch_words(launch: Launch) -> tuple[str, ...]:
    """The command that starts it."""
    single = {
        "network": "own" if launch.network else None,
        "slirp": launch.slirp,
        "handover": launch.handover,
        "forbid": ",".join(launch.forbidden),
        "permit": ",".join(launch.permitted),
        "filter": launch.filter_file,
        "resolver": launch.resolver_file,
        "memory-mb": launch.memory_mb,
        "nice": launch.nice,
        "with-parent": "yes" if launch.with_parent else None,
    }
    repeated = {
        "group": launch.groups,
        "launcher-group": launch.launcher_groups,
        "relay": launch.relays,
        "tls": launch.tls,
        "pass-to": launch.pass_to,
        "write": launch.write,
        "read": launch.read,
    }
    flags = [f"--{name}={value}" for name, value in single.items() if value]
    flags += [f"--{name}={path}" for name, paths in repeated.items() for path in paths]
    root = str(Path(createos_mcp.__file__).parents[1])
    python = (sys.executable, "-IS", "-c", _START, root)
    return (*python, str(launch.run_dir), launch.log, *flags, "--", *launch.words)
