"""A certificate for this machine: storage in Azure speaks TLS alone, which not all clients pay for alike."""

import ipaddress
import tempfile
from atexit import register
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.ports import HOST


@cache
def certificate() -> Path:
    """Make the certificate and its key, in one file that goes with this process."""
    folder = tempfile.TemporaryDirectory()
    register(folder.cleanup)
    return make_certificate(Path(folder.name))


def make_certificate(folder: Path) -> Path:
    """Make a certificate and its key, in one file in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@cache
def authorities() -> Path:
    """Return the authorities that clients trust: those of the web, so that they are as many, and this one."""
    path = certificate().with_name("authorities.pem")
    path.write_text(Path(certifi.where()).read_text() + certificate().read_text())
    return path
