"""The certificate that services show to apps that insist on TLS."""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAYS = 3650
_NAME = "localhost"


def ensure_certificate(file: Path) -> Path:
    """A key and its certificate for loopback, signed by itself; made where there is none.

    Args:
        file: PEM, readable by its owner alone. Next to it, as `public_part` says, is the
            certificate alone, for everybody.
    """
    if not file.exists():
        key, certificate = _new_certificate()
        _write_whole(public_part(file), certificate, 0o644)
        _write_whole(file, key + certificate, 0o600)
    return file


def public_part(file: Path) -> Path:
    """The certificate without its key, which apps may see and trust."""
    return file.with_suffix(".crt")


def _write_whole(file: Path, content: bytes, mode: int) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    draft.touch(0o600)
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(file)


def _new_certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    names = [x509.DNSName(_NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)
