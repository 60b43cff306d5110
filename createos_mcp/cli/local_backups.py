"""Backups of the whole local platform, from the command line."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx2

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.local import config_of, explained
from createos_mcp.cli.terminal import say
from createos_mcp.contract.errors import UserRefusedError
from createos_mcp.platform import archives, copies, daemon
from createos_mcp.platform.build.toolchains import Toolchains
from createos_mcp.platform.paths import DataDir

_BACKUP_TIMEOUT_S = 1800.0


def back_up_command(invocation: Invocation) -> int:
    """Write everything into one encrypted archive; services that run are backed up first.

    Raises:
        UserRefusedError: There is no platform yet, or the archive cannot be written.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    if not data_dir.database.exists():
        raise UserRefusedError(f"there is no platform in {data_dir.root} yet")
    file = Path(given["file"]).absolute()
    state = daemon.find_running(data_dir)
    with explained():
        if state is not None:
            _back_up_services(state.api_url, data_dir.key_file.read_text().strip())
        recipient = given.get("recipient")
        if recipient is None:
            key_file = _key_file(file)
            recipient = archives.new_identity(key_file)
            say(f"Key: {key_file}. Keep it elsewhere; without it nobody opens the archive.")
        archives.write_archive(data_dir, file, recipient)
    say(f"Archive: {file} ({file.stat().st_size / 2**20:.1f} MB).")
    return 0


def restore_command(invocation: Invocation) -> int:
    """Bring back what an archive holds, into a data directory that holds no platform.

    Raises:
        UserRefusedError: The directory holds one, or the archive or copy cannot be read.
    """
    given = invocation.given
    data_dir = config_of(invocation.settings).data_dir
    if Path(given["file"]).is_dir() or "://" in given["file"]:
        return _restore_copy(invocation, data_dir)
    file = Path(given["file"]).absolute()
    identity = Path(given.get("identity") or _key_file(file))
    with explained():
        services = archives.read_archive(file, identity, data_dir)
    say(f"Restored to {data_dir.root}, with {services} services.")
    say("Start it: createos-mcp platform start")
    return 0


def _restore_copy(invocation: Invocation, data_dir: DataDir) -> int:
    given, environ = invocation.given, invocation.environ
    place = given["file"] if "://" in given["file"] else str(Path(given["file"]).absolute())
    keys = given.get("keys")
    toolchains = Toolchains(directory=data_dir.toolchains, environ=environ)

    async def read() -> None:
        await copies.read_copy(
            place,
            Path(keys) if keys else None,
            data_dir,
            fetch=lambda package: toolchains.library(package, _say_lines),
            environ=environ,
        )

    with explained():
        anyio.run(read)
    say(f"Restored to {data_dir.root} from {place}.")
    say("Start it where the lost machine's names lead: createos-mcp platform start")
    return 0


async def _say_lines(lines: Sequence[str]) -> None:
    for line in lines:
        say(line)


def _key_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.key")


def _back_up_services(api_url: str, key: str) -> None:
    answer = httpx2.post(
        f"{api_url}/service-backups", headers={"X-Api-Key": key}, timeout=_BACKUP_TIMEOUT_S
    )
    if answer.is_error:
        raise UserRefusedError(f"a service could not be backed up: {answer.json()['data']}")
