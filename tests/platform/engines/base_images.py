"""Stand-ins for the official images that builds begin with.

They are Debian, with the toolchains that the platform itself fetches, and with this machine's
certificates: its registries may have one of its own.
"""

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
from anyio import to_thread

from createos_mcp.platform.build.toolchains import Toolchain, Toolchains
from tests.platform.engines.daemons import DockerDaemon

_PACKAGES = ("ca-certificates", "gcc", "libc6-dev", "python3", "python3-pip", "python3-venv")
_RUNTIMES = {"node": "node:22", "golang": "golang:1.24", "rust": "rust:1.70", "bun": "bun:latest"}
_PLACE = "/opt/toolchain"
_NEEDED_BY_NO_BUILD = ("toolchain/share", "toolchain/libexec", "toolchain/lib/rustlib/src")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_READ_BY = (
    "CARGO_HTTP_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "SSL_CERT_FILE", "npm_config_cafile",
)  # fmt: skip


async def make_base_images(engine: DockerDaemon, directory: Path) -> Mapping[str, str]:
    """Images for the runtimes of all examples.

    Args:
        engine: Builds them, and has them from then on.
        directory: Holds what is fetched.
    """
    debian = "bases/debian:1"
    toolchains: dict[str, Toolchain] = {}

    async def fetch_toolchains() -> None:
        fetched = Toolchains(directory=directory, environ={**os.environ, "PATH": os.defpath})
        installed = Toolchains(directory=directory, environ=os.environ)
        for family, runtime in _RUNTIMES.items():
            place = installed if family == "rust" else fetched
            toolchains[family] = await place.provide(runtime, _unheard)

    async def import_debian() -> None:
        changes = [f"ENV {name}={_CERTIFICATES}" for name in _READ_BY]
        flags = [part for change in changes for part in ("--change", change)]
        content = await to_thread.run_sync(_debian, directory)
        engine.docker("import", *flags, "-", debian, stdin=content)

    async with anyio.create_task_group() as both:
        both.start_soon(fetch_toolchains)
        both.start_soon(import_debian)
    images = {"python": debian, "static": debian}
    for family, toolchain in toolchains.items():
        images[family] = f"bases/{family}:1"
        (tree,) = [bind.path for bind in toolchain.visible]
        path = ":".join(f"{_PLACE}/{one.relative_to(tree)}" for one in toolchain.path)
        text = f'FROM {debian}\nCOPY toolchain {_PLACE}\nENV PATH="{path}:$PATH"\n'
        engine.docker("build", "--tag", images[family], "-", stdin=_context(text, tree))
    return images


async def _unheard(_: Sequence[str]) -> None:
    return


def _debian(directory: Path) -> bytes:
    """The files of a small Debian, for which PyPI is as good as its own packages."""
    archive = directory / "debian.tar"
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
    hooks = [
        'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
        f'cp {_CERTIFICATES} "$1"{_CERTIFICATES}',
        'ln -s python3 "$1"/usr/bin/python',
    ]
    asked = [f"--customize-hook={hook}" for hook in hooks]
    done = subprocess.run(
        [*command, *asked, "bookworm", str(archive)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return archive.read_bytes()


def _context(dockerfile: str, tree: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
        archive.add(tree, "toolchain", filter=_without_texts)
    return packed.getvalue()


def _without_texts(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.startswith(_NEEDED_BY_NO_BUILD) else entry
