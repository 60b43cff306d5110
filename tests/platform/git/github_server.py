"""GitHub's API as the npm package `emulate` serves it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml

from createos_mcp.contract.values import Json
from tests.eventually import eventually_now
from tests.programs import is_required

PACKAGES = ("node@22", "emulate@0.12.2")


def install_emulate(place: Path) -> Path:
    """Fetch it, with the Node that it needs; the directory of both."""
    npm = shutil.which("npm")
    if npm is None and not is_required("npm"):
        pytest.skip("npm is not installed")
    assert npm is not None
    words = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(place), *PACKAGES]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place / "node_modules"


@contextmanager
def github_server(
    modules: Path,
    tokens: Mapping[str, str],
    repository: str,
    *,
    apps: Sequence[Mapping[str, Json]] = (),
    oauth_apps: Sequence[Mapping[str, Json]] = (),
) -> Iterator[str]:
    """Its address; `tokens` lead to the names of users, and `repository` is `owner/name`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    owner, name = repository.split("/")
    seed = {
        "tokens": {token: {"login": login, "scopes": ["repo"]} for token, login in tokens.items()},
        "github": {
            "users": [{"login": login, "name": login} for login in {*tokens.values(), owner}],
            "repos": [{"owner": owner, "name": name, "private": True, "auto_init": True}],
            "apps": list(apps),
            "oauth_apps": list(oauth_apps),
        },
    }
    file = modules.parent / f"seed-{port}.yaml"
    file.write_text(yaml.safe_dump(seed))
    program = [str(modules / ".bin" / "node"), str(modules / "emulate" / "dist" / "index.js")]
    words = [*program, "--service", "github", "--port", str(port), "--seed", str(file)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {next(iter(tokens))}"}

    def answers() -> bool:
        try:
            return httpx2.get(f"{address}/user", headers=headers).status_code == 200
        except httpx2.HTTPError:
            return False

    try:
        eventually_now(answers)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
