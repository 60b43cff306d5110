"""What of a sandbox works on this machine, found out by trying it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from createos_mcp.platform.sandbox import landlock, seccomp_filter
from createos_mcp.platform.sandbox.launches import Launch, launch_words, write_run_dir
from createos_mcp.platform.sandbox.network import RESOLVER
from createos_mcp.platform.sandbox.sandbox import (
    INSIDE_USER,
    LANDLOCK,
    NOTHING,
    SHARING_FILTER,
    Confinement,
    Sandbox,
    write_readable,
)

TRIAL_TIMEOUT_S = 10


MEASURES = ("files", "processes", "network", "outbound", "system calls", "memory", "cpu")
"""What is kept apart or limited; `gaps_of` names those that are not."""


def gaps_of(sandbox: Sandbox, *, has_groups: bool) -> Mapping[str, str]:
    """Every measure that does not hold on this machine, and why."""
    gaps = dict(sandbox.missing)
    if not has_groups:
        reason = "control groups cannot be made by this user"
        gaps["memory"] = f"{reason}; it is watched four times a second"
        gaps["cpu"] = f"{reason}; it is not limited"
    return gaps


def detect_sandbox(isolation: str, directory: Path) -> Sandbox:
    """Find out what works here, by trying it: each measure that fails is dropped alone.

    Args:
        isolation: `auto` takes bubblewrap where it works, `none` never does.
        directory: Where the filter and the resolver's address are kept, for the platform alone.
    """
    is_root = os.geteuid() == 0
    if isolation == NOTHING:
        return Sandbox(name=NOTHING, is_root=is_root, missing={"files": "it is turned off"})
    bwrap = shutil.which("bwrap") if isolation == "auto" else None
    filter_file, resolver_file = directory / "filter.bpf", directory / "resolv.conf"
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    write_readable(resolver_file, f"nameserver {RESOLVER}\n".encode())
    if seccomp_filter.is_supported():
        write_readable(filter_file, seccomp_filter.build_filter())
        sharing = seccomp_filter.build_filter(allowed={"shmget"})
        write_readable(directory / SHARING_FILTER, sharing)
    whole = Sandbox(
        name="bubblewrap" if bwrap else LANDLOCK,
        bwrap=bwrap,
        slirp=shutil.which("slirp4netns"),
        own_network=True,
        filter_file=filter_file if seccomp_filter.is_supported() else None,
        resolver_file=resolver_file,
        accounts=directory if bwrap else None,
        no_nested_users=bwrap is not None,
        is_root=is_root,
    )
    reason = "bubblewrap is not installed"
    if bwrap:
        found, reason = _first_that_works(whole, directory)
        if found is not None:
            return found
        reason = f"bubblewrap does not work: {reason}"
    return _without_bubblewrap(replace(whole, bwrap=None, name=LANDLOCK), directory, reason)


def _without_bubblewrap(whole: Sandbox, directory: Path, reason: str) -> Sandbox:
    if landlock.version():
        found, said = _first_that_works(whole, directory)
        if found is not None:
            gaps = {"processes": f"{reason}; apps see the machine's processes", **found.missing}
            return replace(found, missing=gaps)
        reason = f"{reason}, and Landlock does not work either: {said}"
    else:
        reason = f"{reason}, and this kernel has no Landlock"
    return Sandbox(name=NOTHING, is_root=whole.is_root, missing={"files": reason})


def _first_that_works(whole: Sandbox, directory: Path) -> tuple[Sandbox | None, str]:
    """Drop one measure after the other until a trial succeeds; what was said when none does."""
    missing: dict[str, str] = {}
    if whole.filter_file is None:
        missing["system calls"] = "there is no filter for this kind of machine"
    if whole.slirp is None:
        missing["outbound"] = "slirp4netns is not installed"
    candidates = [whole]
    if whole.no_nested_users and not whole.is_root:
        candidates.append(replace(whole, no_nested_users=False))
    candidates.append(
        replace(whole, slirp=None, own_network=False, no_nested_users=False, resolver_file=None)
    )
    reason = ""
    for candidate in candidates:
        works, outbound, reason = _try_sandbox(candidate, directory)
        if works:
            if candidate.slirp is not None and not outbound:
                missing["outbound"] = reason or "slirp4netns could not open the network"
            if not candidate.own_network:
                missing["network"] = "network namespaces are not available"
            slirp = candidate.slirp if outbound else None
            return replace(candidate, slirp=slirp, missing=missing), ""
    return None, reason


def _try_sandbox(sandbox: Sandbox, directory: Path) -> tuple[bool, bool, str]:
    """Run `true` through the whole chain: whether it worked, with a way out, and what was said."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="trial-") as place:
        # As releases are: a project's own user passes through and sees no names.
        Path(place).chmod(0o711)
        app, run_dir = Path(place, "app"), Path(place, "run")
        app.mkdir()
        user = INSIDE_USER if sandbox.is_root else None
        if user is not None:
            os.chown(app, user, user)
        write_run_dir(run_dir, {})
        launch = sandbox.launch(
            ["/bin/true"],
            Confinement(app=app, uid=user),
            Launch(run_dir=run_dir, log="-", network=True),
        )
        try:
            done = subprocess.run(
                launch_words(launch),
                capture_output=True,
                timeout=TRIAL_TIMEOUT_S,
                check=False,
                env={},
                text=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, False, str(error)
        said = (done.stderr or done.stdout).strip().splitlines()
        exit_file, outbound = run_dir / "exit", run_dir / "outbound"
        works = exit_file.exists() and exit_file.read_text() == "0"
        return works, outbound.exists() and outbound.read_text() == "yes", said[-1] if said else ""
