"""Git as a program: every call with a constant environment and no configuration but ours."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from createos_mcp.platform.errors import GitFailedError

TIMEOUT_S = 120
INSTALL_GIT = "git is not installed on this machine; on Debian, apt-get install git"
_CONFIGURATION: Mapping[str, str] = {
    # Objects come from strangers; what is malformed is refused at the door.
    "transfer.fsckObjects": "true",
    "receive.maxInputSize": str(256 * 2**20),
    "receive.denyDeleteCurrent": "ignore",
    "core.hooksPath": "hooks",
    "core.attributesFile": os.devnull,
    "core.quotePath": "false",
    "protocol.allow": "never",
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "gc.auto": "2000",
}


def git_environ() -> dict[str, str]:
    """What a git process of the platform sees: nothing of the user's own configuration."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": os.devnull,
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **_numbered(_CONFIGURATION),
    }


def more_configuration(added: Mapping[str, str]) -> dict[str, str]:
    """Variables that add to the constant configuration of one call."""
    return _numbered({**_CONFIGURATION, **added})


def _numbered(configuration: Mapping[str, str]) -> dict[str, str]:
    """Configuration as variables: `GIT_CONFIG_KEY_0=gc.auto`."""
    numbered = {
        name: text
        for number, (key, value) in enumerate(configuration.items())
        for name, text in (
            (f"GIT_CONFIG_KEY_{number}", key),
            (f"GIT_CONFIG_VALUE_{number}", value),
        )
    }
    return {"GIT_CONFIG_COUNT": str(len(configuration)), **numbered}


def run_git(place: Path, words: Sequence[str], **environ: str) -> str:
    """What a git command prints.

    Args:
        place: A bare repository.
        words: The command, `("rev-parse", "HEAD")`.
        environ: Variables beside the constant ones.

    Raises:
        GitFailedError: It failed or took too long; the text is what git said.
    """
    command = ["git", f"--git-dir={place}", *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env={**git_environ(), **environ},
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitFailedError(
            "git is not installed; install it (on Debian: apt-get install git)"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise GitFailedError(f"git {words[0]} took longer than {TIMEOUT_S} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise GitFailedError(said.splitlines()[-1] if said else f"git {words[0]} failed")
    return done.stdout.decode(errors="replace")
