"""Child processes that cannot outlive this one: their standard input is a pipe from it.

The pipe closes when this process ends, even of SIGKILL. Each child ends when its standard input does.
"""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


async def start(
    *command: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Process:
    """Start a child whose standard output is a pipe too, and that Ctrl-C in the terminal does not reach."""
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, cwd=folder, env=environment, start_new_session=True
    )


async def end(process: Process, seconds: float) -> None:
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
