"""The worker process: loads the app into Microsoft's Python worker runtime and invokes its functions.

It prints one line: why the app does not load, or the port on which it takes invocations by HTTP, and the
functions. It ends when its standard input does, so it cannot outlive the process that started it.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TextIO

from aiohttp import web

from local.ports import HOST
from local.project import is_app_code
from local.runtime import App


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which lets invocations end
    parent = _take_streams()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("acs_events").disabled = True  # the parent prints a line for each event
    # azure-functions tells every app without HTTP triggers, through the root logger, that it has none.
    logging.getLogger().addFilter(lambda record: not str(record.msg).startswith("Auth level is not applied"))
    asyncio.run(_serve(parent))


def _take_streams() -> TextIO:
    """Return standard output, which the app's print() no longer reaches, and end when standard input does."""
    parent = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(os.dup(0),), daemon=True).start()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return parent


def _end_with(stream: int) -> None:
    """End this process, whatever the app does, when the stream ends. Azure ends workers in this way too."""
    os.read(stream, 1)
    sys.stderr.flush()
    os._exit(0)


async def _serve(parent: TextIO) -> None:
    runtime_log = logging.getLogger("azure.functions")
    runtime_log.disabled = True  # it logs what it raises as well
    try:
        app = App(Path.cwd())
    except BaseException as error:  # the app may raise anything, SystemExit included
        print(json.dumps([_explain(error, Path.cwd()), 0, []]), file=parent, flush=True)
        return
    runtime_log.disabled = False

    async def invoke(request: web.Request) -> web.Response:
        """Answer null, or the error's text if the function fails."""
        try:
            error = await app.invoke(request.match_info["function"], await request.text())
        except BaseException as failure:  # SystemExit fails the function, not the worker
            error = repr(failure)
        return web.json_response(error)

    served = web.Application(client_max_size=0)  # no limit: the host has one
    served.add_routes([web.post("/{function}", invoke)])
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(json.dumps([None, runner.addresses[0][1], [*app.functions]]), file=parent, flush=True)
    await asyncio.Event().wait()


def _explain(error: BaseException, folder: Path) -> str:
    """Return the error after the app's own lines that led to it."""
    if isinstance(error, ImportError) and isinstance(error.__context__, ImportError):
        error = error.__context__  # without the page of advice on the cloud that the runtime appends
    lines = [
        f"  {Path(frame.filename).relative_to(folder)}:{frame.lineno}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if is_app_code(Path(frame.filename), folder)
    ]
    # A recursion has a thousand.
    return "\n".join([*lines[-20:], "".join(traceback.format_exception_only(error)).rstrip()])


if __name__ == "__main__":
    main()
