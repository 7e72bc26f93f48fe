"""The host's side of the worker: starts it, hands it events, and replaces it when the app's code changes."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Self

from local import frames
from local.app_code import snapshot
from local.errors import AppNotLoadedError, LocalError
from local.frames import Hello, Reply, Request

START_SECONDS = 60.0
STOP_SECONDS = 7.0
"""A little more than the worker gives its own invocations to end."""

POLL_SECONDS = 1.0


class Worker:
    """One worker process."""

    def __init__(self, process: Process, functions: Collection[str]) -> None:
        self.functions = functions
        self._process = process
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[str | None]] = {}
        self._reader = asyncio.create_task(self._take_replies())

    @classmethod
    async def start(cls, project_dir: Path, environment: Mapping[str, str]) -> Self:
        """Start a process that has loaded the app. Raises AppNotLoadedError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-B", "-m", "local.worker"),
            cwd=project_dir,
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is for the host alone
        )
        try:
            return cls(process, await _greeting(process))
        except BaseException:
            await _end(process, 0)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return not self._reader.done()

    def invoke(self, function: str, event: str) -> asyncio.Future[str | None]:
        """Start an invocation now; the result is the error's text if it fails."""
        result: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        if not self.is_running:
            result.set_result("the worker has ended")
            return result
        number = next(self._ids)
        self._pending[number] = result
        _stdin(self._process).write(frames.encode(Request(number, function, event)))
        return result

    async def stop(self) -> None:
        """Let the invocations end, for a few seconds, then the process."""
        await _end(self._process, STOP_SECONDS)
        await self._reader

    async def _take_replies(self) -> None:
        while reply := await frames.receive(_stdout(self._process), Reply):
            self._settle(reply.id, reply.error)
        for number in list(self._pending):
            self._settle(number, "the worker ended before the function did")

    def _settle(self, number: int, error: str | None) -> None:
        result = self._pending.pop(number)
        if not result.done():  # done: cancelled, as its request was
            result.set_result(error)


class ReloadingWorker:
    """The worker of the code as it is now."""

    def __init__(
        self, project_dir: Path, environment: Callable[[], Mapping[str, str]], report: Callable[[str], None]
    ) -> None:
        self._project_dir = project_dir
        self._environment = environment
        self._report = report
        self._lock = asyncio.Lock()
        self._worker: Worker | None = None
        self._code: object = None
        self._loads = True
        self._retired: set[asyncio.Task[None]] = set()

    async def current(self) -> Worker:
        """Return a running worker of the current code, starting one if need be. Raises AppNotLoadedError."""
        async with self._lock:
            self._retire_dead()
            code = snapshot(self._project_dir)
            if code != self._code or (self._worker is None and self._loads):
                await self._replace(code)
            if self._worker is None:
                raise AppNotLoadedError
            return self._worker

    async def loaded(self) -> Worker:
        """Wait until the app loads, for as long as it takes to put it right."""
        while True:
            with suppress(AppNotLoadedError):
                return await self.current()
            await asyncio.sleep(POLL_SECONDS)

    async def watch(self) -> None:
        """Replace the worker soon after the code changes, so that a mistake shows before the next event."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            async with self._lock:
                self._retire_dead()
                code = snapshot(self._project_dir)
                if self._code is not None and code != self._code:
                    await self._replace(code)

    async def stop(self) -> None:
        async with self._lock:
            self._retire()
        await asyncio.gather(*self._retired)

    async def _replace(self, code: object) -> None:
        is_reload = self._code is not None and code != self._code
        self._retire()
        self._code = code
        try:
            self._worker = await Worker.start(self._project_dir, self._environment())
        except (AppNotLoadedError, LocalError) as error:
            self._loads = False
            self._report(f"the app does not load; events are answered 404 until it does:\n{error}")
            return
        self._loads = True
        if is_reload:
            self._report("the code changed: reloaded")

    def _retire_dead(self) -> None:
        if self._worker is not None and not self._worker.is_running:
            self._report(f"the worker (process {self._worker.pid}) ended: the next event starts another")
            self._retire()

    def _retire(self) -> None:
        if self._worker is not None:
            retirement = asyncio.create_task(self._worker.stop())
            self._retired.add(retirement)
            retirement.add_done_callback(self._retired.discard)
            self._worker = None


@asynccontextmanager
async def reloading(
    project_dir: Path, environment: Callable[[], Mapping[str, str]], report: Callable[[str], None]
) -> AsyncIterator[ReloadingWorker]:
    """Keep a worker of the current code until the context ends."""
    workers = ReloadingWorker(project_dir, environment, report)
    watcher = asyncio.create_task(workers.watch())
    try:
        yield workers
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await workers.stop()


async def _greeting(process: Process) -> Collection[str]:
    """Return the functions that the worker found. Raises AppNotLoadedError."""
    try:
        async with asyncio.timeout(START_SECONDS):
            hello = await frames.receive(_stdout(process), Hello)
    except TimeoutError:
        raise AppNotLoadedError(f"it took longer than {START_SECONDS:.0f} seconds") from None
    if hello is None:
        raise AppNotLoadedError("the worker ended before it had loaded the app")
    if hello.error is not None:
        raise AppNotLoadedError(hello.error)
    return hello.functions


async def _end(process: Process, seconds: float) -> None:
    _stdin(process).close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _stdin(process: Process) -> asyncio.StreamWriter:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    return process.stdin


def _stdout(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    return process.stdout
