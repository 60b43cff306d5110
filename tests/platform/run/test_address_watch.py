import asyncio
import socket
from dataclasses import replace
from pathlib import Path

from createos_mcp.platform.run.address_watch import AddressWatch
from tests.eventually import until
from tests.platform.gateways import instance_on


async def test_launchers_are_told_of_addresses_that_the_machine_gets_later(tmp_path: Path) -> None:
    told: list[bytes] = []
    seen = ["192.0.2.1/32"]

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(4096))
        writer.write(b"forbidden")
        writer.close()

    gone = replace(instance_on(1), run_dir=tmp_path / "gone")
    here = replace(instance_on(2), run_dir=tmp_path)
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(tmp_path / "control"))
    async with await asyncio.start_unix_server(take, sock=control):
        watch = AddressWatch(
            own_addresses=lambda: tuple(seen), instances=lambda: [gone, here], interval_s=0.01
        )
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(0.05)
        assert told == []
        seen += ["192.0.2.7/32", "198.51.100.4/32"]
        await until(lambda: told)
        await asyncio.sleep(0.05)
        running.cancel()
    assert told == [b"forbid 192.0.2.7/32,198.51.100.4/32"]
