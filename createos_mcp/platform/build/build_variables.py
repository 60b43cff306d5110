"""Variables of builds: what they get of the platform's own, and what is usual for them."""

import re
from collections.abc import Mapping

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
