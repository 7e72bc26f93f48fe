"""A certificate for this machine: storage in Azure speaks TLS alone, which not all clients pay for alike."""

import tempfile
from atexit import register
from functools import cache
from pathlib import Path

import certifi

from tests.certificate import make_certificate


@cache
def certificate() -> Path:
    """Make the certificate and its key, in one file that goes with this process."""
    folder = tempfile.TemporaryDirectory()
    register(folder.cleanup)
    return make_certificate(Path(folder.name))


@cache
def authorities() -> Path:
    """Return the authorities that clients trust: those of the web, so that they are as many, and this one."""
    path = certificate().with_name("authorities.pem")
    path.write_text(Path(certifi.where()).read_text() + certificate().read_text())
    return path
