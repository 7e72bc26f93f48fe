"""The worker process: loads the app into Microsoft's Python worker runtime and invokes its functions.

It takes requests from standard input and ends when that does, so it cannot outlive the host.
"""

import asyncio
import logging
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from local import frames
from local.app_code import is_app_code
from local.frames import Hello, Reply, Request
from local.runtime import App

DRAIN_SECONDS = 5.0
"""How long invocations may go on after the host has let go."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which lets invocations end
    requests, replies = _take_streams()
    _configure_logging()
    asyncio.run(_serve(requests, replies))
    logging.shutdown()
    # As in the cloud, where the process is simply ended: the app's connections stay open all its life.
    os._exit(0)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take the protocol's streams away from the app, whose print() goes to standard error instead."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return requests, replies


def _configure_logging() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("azure").setLevel(logging.WARNING)
    # azure-functions tells every app without HTTP triggers, through the root logger, that it has none.
    logging.getLogger().addFilter(lambda record: not str(record.msg).startswith("Auth level is not applied"))


async def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    try:
        with _quiet("azure.functions"):  # it logs what it raises as well
            app = App(Path.cwd())
    except BaseException as error:  # the app may raise anything, SystemExit included
        _send(replies, Hello([], _explain(error, Path.cwd())))
        return
    _send(replies, Hello(list(app.functions)))
    loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def start(request: Request) -> None:
        task = asyncio.create_task(_answer(replies, request, app))
        running.add(task)
        task.add_done_callback(running.discard)

    await asyncio.to_thread(_read, requests, lambda request: loop.call_soon_threadsafe(start, request))
    if running:
        await asyncio.wait(running, timeout=DRAIN_SECONDS)


def _read(requests: BinaryIO, start: Callable[[Request], object]) -> None:
    """Pass on requests; once the host lets go, see that this process ends whatever the app does."""
    while request := frames.read(requests, Request):
        start(request)
    deadline = threading.Timer(DRAIN_SECONDS + 1, os._exit, (1,))
    deadline.daemon = True
    deadline.start()


@contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


def _explain(error: BaseException, folder: Path) -> str:
    """Return the error after the app's own lines that led to it."""
    if isinstance(error, ImportError) and isinstance(error.__context__, ImportError):
        error = error.__context__  # without the page of advice on the cloud that the runtime appends
    frames_of_app = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if is_app_code(Path(frame.filename), folder)
    ]
    lines = [
        f"  {Path(frame.filename).relative_to(folder)}:{frame.lineno}: {frame.line}"
        for frame in frames_of_app
    ]
    return "\n".join([*lines, "".join(traceback.format_exception_only(error)).rstrip()])


async def _answer(replies: BinaryIO, request: Request, app: App) -> None:
    try:
        error = await app.invoke(request.function, request.event)
    except BaseException as failure:  # SystemExit in a function is that function's failure, not the worker's
        error = repr(failure)
    _send(replies, Reply(request.id, error))


def _send(replies: BinaryIO, message: Hello | Reply) -> None:
    with suppress(BrokenPipeError):  # the host was killed; the requests end next
        replies.write(frames.encode(message))
        replies.flush()


if __name__ == "__main__":
    main()
