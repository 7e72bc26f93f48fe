"""A certificate for the local storage. Storage in Azure requires TLS, whose cost differs between clients."""

import tempfile
from atexit import register
from functools import cache
from pathlib import Path

import certifi

from tests.certificate import make_certificate


@cache
def certificate() -> Path:
    """Make the certificate and its key, in one file that is deleted when this process ends."""
    folder = tempfile.TemporaryDirectory()
    register(folder.cleanup)
    return make_certificate(Path(folder.name))


@cache
def authorities() -> Path:
    """Return the authorities that clients trust: the usual ones, whose number matters, and this one."""
    path = certificate().with_name("authorities.pem")
    path.write_text(Path(certifi.where()).read_text() + certificate().read_text())
    return path
