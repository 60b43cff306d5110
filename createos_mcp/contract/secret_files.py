"""Secret files: what is never deployed, told by its name or by what it holds.

The names and marks are facts from the rules of gitleaks (MIT) and detect-secrets (Apache-2.0), and
from the documentation of the tools that write such files.
"""

import json
import re
from collections.abc import Mapping

from pathspec import GitIgnoreSpec

from createos_mcp.contract.values import Json

SECRET_NAMES = GitIgnoreSpec.from_lines(
    (
        ".env", ".env.*", "*.env", ".envrc", ".flaskenv", ".dev.vars",
        "!.env.example", "!.env.sample", "!.env.template", "!.env.dist", "!.env.defaults",
        "!example.env", "!sample.env",
        "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc",
        "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
        ".netrc", "_netrc", ".pgpass", ".my.cnf", ".git-credentials", ".vault-token", ".htpasswd",
        ".ssh/", ".aws/", ".gnupg/", ".azure/", ".gcloud/", ".oci/", ".kube/",
        ".docker/config.json", ".dockercfg", ".terraform/",
        "terraform.tfvars", "*.auto.tfvars", "*.tfstate", "*.tfstate.*",
        "application_default_credentials.json", "credentials.tfrc.json", "master.key",
        "secrets.toml", "*.ovpn", ".terraformrc",
    )
)  # fmt: skip
"""Compared in lower case; what is public by its kind is brought back by its content below."""

TOKEN_FILES: Mapping[str, re.Pattern[bytes]] = {
    ".npmrc": re.compile(rb"_(?:authToken|auth|password)\s*=\s*(?!\$\{)\S"),
    ".yarnrc.yml": re.compile(rb"npmAuth(?:Token|Ident):\s*(?![\"']?\$\{)\S"),
    ".pypirc": re.compile(rb"password\s*[=:]\s*\S"),
    "pip.conf": re.compile(rb"://[^\s/:@]+:[^\s/@]+@"),
    "nuget.config": re.compile(rb"ClearTextPassword", re.IGNORECASE),
    "auth.json": re.compile(rb"\"(?:github-oauth|http-basic|bearer)\""),
    "bunfig.toml": re.compile(rb"token\s*=\s*\"(?!\$)"),
}
"""Files that are for a build, and secret only when a token stands in them."""

PUBLIC_MARKS = (b"-----BEGIN CERTIFICATE", b"-----BEGIN PUBLIC KEY", b"-----BEGIN PGP PUBLIC")
PRIVATE_MARK = re.compile(
    rb"-----BEGIN (?:[A-Z0-9 ]* )?PRIVATE KEY(?: BLOCK)?-----\s+[A-Za-z0-9+/=\r\n:, -]{64}"
)
MARK_BYTES = 64 * 1024
"""How far a file is looked through; keys stand at the beginning of theirs."""

CREDENTIAL_TYPES = {"service_account", "authorized_user", "external_account"}
KEY_KINDS = (".pem", ".asc", ".key")


def is_secret_name(path: str) -> bool:
    """Whether a path from the top, with `/` after a directory, is one of a secret."""
    return bool(SECRET_NAMES.match_file(path.lower()))


def is_secret(path: str, content: bytes) -> bool:
    """Whether a file is a secret, by its name and by what it holds."""
    name = path.rpartition("/")[2].lower()
    head = content[:MARK_BYTES]
    if PRIVATE_MARK.search(head):
        return True
    if is_secret_name(path):
        is_public = name.endswith(KEY_KINDS) and any(mark in head for mark in PUBLIC_MARKS)
        return not is_public
    tokens = TOKEN_FILES.get(name)
    if tokens is not None and tokens.search(head):
        return True
    return name.endswith(".json") and _holds_credentials(content)


def _holds_credentials(content: bytes) -> bool:
    """Of Google's clouds: a key of a service, or of a user who signed in."""
    if b"private_key" not in content and b"refresh_token" not in content:
        return False
    try:
        read: Json = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and read.get("type") in CREDENTIAL_TYPES
