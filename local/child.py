"""Child processes that cannot outlive this one: their standard input is a pipe from it.

The pipe closes when this process ends, even of SIGKILL. Each child ends when its standard input does.
"""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from local.errors import LocalError

START_SECONDS = 60.0


async def start(
    name: str,
    *command: str,
    until: bytes,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Process, bytes]:
    """Start a child that Ctrl-C does not reach; return it and its output up to a text. Raises LocalError."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, cwd=folder, env=environment, start_new_session=True, limit=2**20
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    printed = b""
    try:
        async with asyncio.timeout(START_SECONDS):
            printed = await process.stdout.readuntil(until)
    except asyncio.IncompleteReadError:
        raise LocalError(f"{name} ended as it started") from None
    except TimeoutError:
        raise LocalError(f"{name} did not start within {START_SECONDS:.0f} seconds") from None
    finally:
        if not printed:
            await end(process)
    return process, printed


async def end(process: Process, seconds: float = 1.0) -> None:
    """Close the child's standard input, and kill the child if it is still there after so many seconds."""
    assert process.stdin is not None  # noqa: S101 - `start` makes the pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
