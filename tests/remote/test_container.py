"""The container's files, as far as they can be tried without a container."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import httpx2
import pytest
import yaml
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.apis import fake_api
from tests.eventually import eventually_now
from tests.programs import needs
from tests.remote.servers import ID, KEY, PATIENCE_S, Served, served

ROOT = Path(__file__).parent.parent.parent
PLACE = "/opt/createos-mcp"

READ_ONLY = (
    "bwrap",
    "--die-with-parent",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
)
NOT_ROOT = ("--unshare-user", "--uid", "10001", "--gid", "10001", "--")

needs_caddy = needs("caddy")


def instructions() -> list[tuple[str, str]]:
    """`[("FROM", "python:3.13-slim AS build"), ("WORKDIR", "/src"), ...]`."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, rest) for word, rest in pairs]


def told(word: str) -> str:
    """What the last instruction of this kind says."""
    return [rest for kind, rest in instructions() if kind == word][-1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_hadolint_finds_nothing_wrong_with_the_dockerfile(tmp_path: Path) -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    subprocess.run([hadolint, str(ROOT / "Dockerfile")], check=True)
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /tmp && sudo true\n")
    assert subprocess.run([hadolint, str(bad)], check=False, capture_output=True).returncode == 1


def test_the_image_runs_as_nobody_in_particular_with_two_stages_and_a_probe() -> None:
    kinds = [kind for kind, _ in instructions()]
    assert kinds.count("FROM") == 2
    assert told("USER") == "10001:10001"
    assert "/healthz" in told("HEALTHCHECK")
    assert json.loads(told("ENTRYPOINT")) + json.loads(told("CMD")) == ["createos-mcp", "serve"]


def copied(source: Path) -> None:
    """What the build sees: only what `.dockerignore` lets through and COPY names."""
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for kind, rest in instructions():
        if kind != "COPY" or rest.startswith("--from"):
            continue
        *names, target = rest.split()
        for name in names:
            assert name in allowed
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, source / target, ignore=ignored)
            else:
                shutil.copy(ROOT / name, source / target)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage leaves, made by its own steps in a clean directory."""
    root = tmp_path_factory.mktemp("image")
    source = root / "src"
    source.mkdir()
    copied(source)
    place = root / "opt"
    clean = {"PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin", "HOME": str(root)}
    passed_on = {
        n: v for n, v in os.environ.items() if n.lower().startswith(("pip_", "ssl", "http"))
    }
    for kind, rest in instructions():
        if kind == "RUN":
            step = rest.replace(PLACE, str(place))
            subprocess.run(
                ["sh", "-ec", step], cwd=source, check=True, env={**passed_on, **clean}, timeout=500
            )
    return place


def environment(built: Path, port: int) -> Mapping[str, str]:
    """What ENV says, at another place and port."""
    pairs = (pair.split("=", 1) for pair in told("ENV").split())
    values = {name: value.replace(PLACE, str(built)) for name, value in pairs}
    values["PATH"] = values["PATH"].replace("$PATH", "/usr/bin:/bin")
    return {**values, "CREATEOS_SERVE_PORT": str(port)}


@needs("bwrap")
@pytest.mark.examples
def test_the_build_steps_make_a_server_that_runs_read_only_and_not_as_root(built: Path) -> None:
    port = free_port()
    own = {"CREATEOS_SERVE_PUBLIC_URL": "https://mcp.example.com"}
    env = {**environment(built, port), **own}
    command = [*json.loads(told("ENTRYPOINT")), *json.loads(told("CMD"))]
    probe = json.loads(told("HEALTHCHECK").partition("CMD ")[2])

    def is_healthy() -> bool:
        done = subprocess.run(
            probe, env=env, check=False, capture_output=True, executable=built / "bin/python3"
        )
        return done.returncode == 0

    assert not is_healthy()
    with subprocess.Popen([*READ_ONLY, *NOT_ROOT, *command], env=env, stdout=-3) as process:
        try:
            eventually_now(lambda: is_healthy() or process.poll() is not None)
            assert process.poll() is None
            answer = httpx2.post(
                f"http://127.0.0.1:{port}/mcp", headers={"Host": "mcp.example.com"}
            )
            assert answer.status_code == 401
            with urlopen(f"http://127.0.0.1:{port}/healthz") as page:
                assert page.status == 200
        finally:
            process.terminate()


def test_compose_runs_the_image_read_only_behind_caddy() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    server, caddy = services["createos-mcp"], services["caddy"]
    assert server["read_only"]
    assert server["cap_drop"] == ["ALL"]
    assert "ports" not in server
    assert caddy["ports"] == ["80:80", "443:443"]
    assert "reverse_proxy createos-mcp:8080" in (ROOT / "Caddyfile").read_text()


OPTIONS = """{{
    admin off
    skip_install_trust
    grace_period 1s
    http_port {http_port}
}}
"""
"""For a caddy that is not alone on its machine and trusted by nobody else."""


@contextmanager
def caddy_before(server: Served, root: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Caddy as compose.yaml runs it, with a certificate of its own making."""
    port = free_port()
    text = (ROOT / "Caddyfile").read_text().replace("createos-mcp:8080", f"127.0.0.1:{server.port}")
    file = root / "Caddyfile"
    file.write_text(OPTIONS.format(http_port=free_port()) + text)
    env = {
        "MCP_HOST": f"localhost:{port}",
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "XDG_DATA_HOME": str(root / "data"),
        "XDG_CONFIG_HOME": str(root / "config"),
    }
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]
    certificate = root / "data/caddy/pki/authorities/local/root.crt"
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            eventually_now(lambda: certificate.exists() and shakes_hands(port, certificate))
            yield f"https://localhost:{port}", ssl.create_default_context(cafile=certificate)
        finally:
            process.terminate()


def shakes_hands(port: int, certificate: Path) -> bool:
    """Whether Caddy has its certificate: it listens, with an alert for an answer, before that."""
    try:
        trust = ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:  # it is being written
        return False
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port)) as plain,
        trust.wrap_socket(plain, server_hostname="localhost"),
    ):
        return True
    return False


@needs_caddy
async def test_clients_reach_the_server_through_caddy_and_tls(tmp_path: Path) -> None:
    flags = ("--serve-trusted-proxies", "127.0.0.1")
    headers = {"X-Api-Key": KEY}
    with (
        fake_api() as api,
        served(api.url, *flags) as server,
        caddy_before(server, tmp_path) as (address, trust),
    ):
        async with httpx2.AsyncClient(headers=headers, verify=trust, timeout=PATIENCE_S) as by_tls:
            transport = streamable_http_client(f"{address}/mcp", http_client=by_tls)
            async with Client(transport) as client:
                result = await client.call_tool("GetProject", {"project_id": ID})
                assert result.structured_content == {"id": "p1"}
                offered = await client.call_tool("UploadDeploymentZip", {"project_id": ID})
            assert offered.structured_content is not None
            url = offered.structured_content["uploadUrl"]
            assert url.startswith(f"{address}/uploads/")
            assert (await by_tls.put(url, content=b"zip")).status_code == 200
            assert (await by_tls.get(f"{address}/metrics")).status_code == 404

        def trusting(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> httpx2.AsyncClient:
            return httpx2.AsyncClient(headers=headers, verify=trust, timeout=timeout, auth=auth)

        stream = sse_client(f"{address}/sse", headers=headers, httpx_client_factory=trusting)
        async with Client(stream) as client:
            result = await client.call_tool("GetProject", {"project_id": ID})
            assert result.structured_content == {"id": "p1"}
