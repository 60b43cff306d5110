"""A sandbox with a directory for an app, and what came of hostile code in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from createos_mcp.contract.values import Json
from createos_mcp.platform.build.visible_parts import python_parts
from createos_mcp.platform.run.project_users import FIRST_UID
from createos_mcp.platform.sandbox.addresses import own_addresses
from createos_mcp.platform.sandbox.launches import Launch, launch_words, write_run_dir
from createos_mcp.platform.sandbox.sandbox import Confinement, Sandbox

HOSTILE = Path(__file__).with_name("hostile.py")
PYTHON = Path(sys.executable).resolve()
OPEN_PYTHON = Path(shutil.which("python3", path="/usr/bin:/usr/local/bin") or PYTHON)
"""One that any user may run: root's own is often closed to others."""
UID = FIRST_UID + 7

REFUSED = {
    "Operation not permitted",
    "Permission denied",
    "Function not implemented",
    "Address family not supported by protocol",
    "Read-only file system",
    "Socket type not supported",
}

PRIVATE = (
    "127.0.0.1",
    "10.0.2.2",
    "10.1.2.3",
    "172.17.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "fd00::1",
    "::ffff:10.1.2.3",
)


class Cell:
    """One sandbox with a directory for its app, and what came of a run in it."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.root, self.sandbox = root, sandbox
        self.app, self.run_dir, self.log = root / "app", root / "run", root / "log"
        self.app.mkdir(parents=True)
        shutil.copy(HOSTILE, self.app)
        self.own()

    @property
    def python(self) -> Path:
        """The interpreter that the app can run."""
        return PYTHON if self.sandbox.bwrap else OPEN_PYTHON

    def own(self) -> None:
        """Give the files to the project's user, where there is one."""
        if self.sandbox.own_user:
            for place in (self.app, *self.app.rglob("*")):
                os.chown(place, UID, UID, follow_symlinks=False)

    def launch(
        self, command: Sequence[str], variables: Mapping[str, str] | None = None, **changes: Json
    ) -> Launch:
        place = self.sandbox.place_of(self.app)
        given = {"PATH": f"{PYTHON.parent}:/usr/bin:/bin", "HOME": str(place)}
        given["TMPDIR"] = str(place / self.sandbox.temporary)
        write_run_dir(self.run_dir, {**given, **(variables or {})})
        confinement = Confinement(
            app=self.app,
            directory=changes.pop("directory", "."),
            toolchain=python_parts(PYTHON),
            uid=UID if self.sandbox.own_user else None,
        )
        launch = Launch(
            run_dir=self.run_dir, log=str(self.log), network=True, forbidden=own_addresses()
        )
        return replace(self.sandbox.launch(command, confinement, launch), **changes)

    def run(self, command: Sequence[str], **options: Json) -> str:
        """What a command printed, without the times of its lines."""
        words = launch_words(self.launch(command, **options))
        done = subprocess.run(
            words, env={}, capture_output=True, text=True, timeout=90, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return "\n".join(line.partition(" ")[2] for line in lines)

    @property
    def place(self) -> Path:
        """Where the app sees its directory."""
        return self.sandbox.place_of(self.app)

    @property
    def exit_code(self) -> str:
        return (self.run_dir / "exit").read_text()

    def attack(self, **given: Json) -> Json:
        """What the hostile program says became of its attempts."""
        options = {name: given.pop(name) for name in ("variables_of_app",) if name in given}
        printed = self.run(
            [str(self.python), str(self.place / "hostile.py"), json.dumps(given)],
            variables=options.get("variables_of_app"),
        )
        told = next(line for line in printed.splitlines() if line.startswith("TOLD"))
        return json.loads(told.removeprefix("TOLD"))
