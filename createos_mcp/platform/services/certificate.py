"""The certificate that services show to apps that insist on TLS."""

import contextlib
import datetime as dt
import ipaddress
import os
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAYS = 3650
_NAME, _AUTHORITY = "localhost", "createos-mcp services"
_BEGIN = b"-----BEGIN CERTIFICATE-----"


def ensure_certificate(file: Path) -> Path:
    """A key and its certificate for loopback; made where there is none.

    Args:
        file: PEM, readable by its owner alone. Next to it, as `public_part` says, is the authority
            that has signed it, for everybody; nobody has the key of that any more.
    """
    if not file.exists():
        _write(file, _new_certificate(), 0o600)
    authority = _BEGIN + file.read_bytes().rpartition(_BEGIN)[2]
    public = public_part(file)
    if not public.exists() or public.read_bytes() != authority:
        public.unlink(missing_ok=True)
        _write(public, authority, 0o644)
    return file


def public_part(file: Path) -> Path:
    """What an app has to trust, and may see."""
    return file.with_suffix(".crt")


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file whole; of several at once the first one stays."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        os.fchmod(opened.fileno(), mode)
    with contextlib.suppress(FileExistsError):
        os.link(draft, file)
    Path(draft).unlink()


def _new_certificate() -> bytes:
    """A key, its certificate, and the authority."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (_AUTHORITY, _NAME)
    )
    names = [x509.DNSName(_NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority = (
        _begun(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _begun(name, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    parts = (certificate, authority)
    return private + b"".join(part.public_bytes(serialization.Encoding.PEM) for part in parts)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
    )
