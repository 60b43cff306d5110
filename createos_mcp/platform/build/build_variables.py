"""Variables of builds: what they get of the platform's own, and what is usual for them."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import uv

from createos_mcp.platform.build.toolchains import Toolchain

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
VENV = ".venv"

PASSED_ON = re.compile(
    r"(https?|no|all)_proxy|ssl_cert_(file|dir)|node_extra_ca_certs|requests_ca_bundle|pip_cert"
    r"|curl_ca_bundle|pip_(extra_)?index_url|uv_((default|extra)_)?index(_url)?|uv_system_certs"
    r"|npm_config_(registry|cafile)|goproxy|gosumdb|lang",
    re.IGNORECASE,
)
"""Variables by which package managers reach their registries; a build gets no others."""

CACHES: Mapping[str, str] = {
    "npm_config_cache": "npm",
    "UV_CACHE_DIR": "uv",
    "PIP_CACHE_DIR": "pip",
    "GOMODCACHE": "go/mod",
    "GOCACHE": "go/build",
    "CARGO_HOME": "cargo",
    "BUN_INSTALL_CACHE_DIR": "bun",
    "YARN_CACHE_FOLDER": "yarn",
    "npm_config_store_dir": "pnpm",
    "XDG_CACHE_HOME": "xdg",
}
"""Where package managers keep what they have fetched, below the cache directory."""

DEFAULTS: Mapping[str, str] = {
    "CI": "1",
    "UV_LINK_MODE": "copy",
    "UV_COMPILE_BYTECODE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "NO_UPDATE_NOTIFIER": "1",
    # A browser for tests, and hooks for commits, are of no use to a version.
    "CYPRESS_INSTALL_BINARY": "0",
    "HUSKY": "0",
    # What tools would tell their makers.
    "DO_NOT_TRACK": "1",
    "ASTRO_TELEMETRY_DISABLED": "1",
    "GATSBY_TELEMETRY_DISABLED": "1",
    "NEXT_TELEMETRY_DISABLED": "1",
    "NUXT_TELEMETRY_DISABLED": "1",
    "WRANGLER_SEND_METRICS": "false",
}
"""Below those of the project."""


def running_environ(top: Path, directory: str, toolchain: Toolchain) -> dict[str, str]:
    """Variables by which commands of builds and apps find their programs."""
    root = top / directory
    own = [root / VENV / "bin"] if toolchain.python is not None else []
    tools = [Path(uv.find_uv_bin()).parent] if toolchain.python is not None else []
    above = (place for place in (root, *root.parents) if place.is_relative_to(top))
    local = [place / "node_modules" / ".bin" for place in above]
    path = [*own, *toolchain.path, *local, *SYSTEM_PATH, *tools]
    environ = {"PATH": ":".join(map(str, path)), **(toolchain.environ or {})}
    if toolchain.python is not None:
        environ |= {"VIRTUAL_ENV": str(root / VENV), "PYTHONUNBUFFERED": "1"}
    return environ


def system_trust() -> dict[str, str]:
    """Let uv and npm trust whom the system trusts, as pip does: a company's own authority, too."""
    bundle = ssl.get_default_verify_paths().cafile
    return {"UV_SYSTEM_CERTS": "1", "NODE_EXTRA_CA_CERTS": bundle} if bundle else {}
