"""Two platforms behind a load balancer, as docs/scale.md says."""

import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from textwrap import dedent

import anyio
import httpx2

from tests.eventually import eventually_now
from tests.platform.gateways import free_port
from tests.platform.platforms import ANSWERING, running_platform
from tests.programs import needs

ROOT = Path(__file__).parents[3]
REQUESTS = 60


def documented(*gateways: int) -> tuple[str, int]:
    """The Caddyfiles of the page in one, for gateways of this machine; and the balancer's port."""
    page = (ROOT / "docs/scale.md").read_text()
    machine, balancer = map(dedent, re.findall(r"```caddyfile\n(.*?)```", page, re.DOTALL))
    port = free_port()
    sites = [balancer.replace("shop.example.com", f"http://:{port}")]
    for number, gateway in enumerate(gateways, 1):
        own = free_port()
        sites[0] = sites[0].replace(f"192.168.7.{number}:8000", f"127.0.0.1:{own}")
        site = machine.replace(":8000", f":{own}").replace("192.168.7.1", "127.0.0.1")
        sites.append(site.replace("127.0.0.1:8080", f"127.0.0.1:{gateway}"))
    return "\n".join(["{\n\tadmin off\n\tauto_https off\n}", *sites]), port


@contextmanager
def caddy(text: str, port: int, root: Path) -> Iterator[None]:
    file = root / "Caddyfile"
    file.write_text(text)
    environ = {"HOME": str(root), "XDG_DATA_HOME": str(root), "XDG_CONFIG_HOME": str(root)}
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]
    with (root / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        eventually_now(lambda: _listens(port), bool)
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs("caddy")
async def test_an_app_deployed_to_two_platforms_goes_on_when_one_of_them_ends(
    tmp_path: Path,
) -> None:
    pages: Counter[str] = Counter()
    async with running_platform(tmp_path / "one") as one, AsyncExitStack() as other:
        two = await other.enter_async_context(running_platform(tmp_path / "two"))
        for api, greeting in ((one, "one"), (two, "two")):
            variables = {"GREETING": greeting}
            deployment = await api.deploy({"main.py": ANSWERING}, "shop", runEnvs=variables)
            assert deployment["status"] == "deployed", await api.build_log(deployment)
        text, port = documented(one.gateway_port, two.gateway_port)
        with caddy(text, port, tmp_path):
            async with httpx2.AsyncClient(trust_env=False) as client:
                address = f"http://127.0.0.1:{port}/"
                for number in range(REQUESTS):
                    if number == REQUESTS // 2:
                        assert set(pages) == {"one", "two"}
                        await other.aclose()
                    with anyio.fail_after(20):
                        answer = await client.get(address, timeout=20)
                    assert answer.status_code == 200, answer.text
                    pages[answer.text] += 1
    assert pages["one"] > REQUESTS // 2
