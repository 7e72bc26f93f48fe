"""Starts the worker process, hands it events, and replaces it when the code of the app changes."""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Self

import aiohttp

from local import child
from local.errors import LocalError
from local.ports import HOST
from local.project import snapshot
from local.web_server import Report

DRAIN_SECONDS = 5.0
"""How long invocations may go on after their worker has been replaced or the stack ends."""

POLL_SECONDS = 1.0


class Worker:
    """One worker process."""

    def __init__(self, process: Process, port: int, functions: Sequence[str]) -> None:
        self.process = process
        self.functions = functions
        self._running: set[asyncio.Task[str | None]] = set()
        self._http = aiohttp.ClientSession(
            f"http://{HOST}:{port}",
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    @classmethod
    async def start(cls, project_dir: Path, environment: Mapping[str, str]) -> Self:
        """Start a process that has loaded the app. Raises LocalError."""
        command = (sys.executable, "-B", "-m", "local.worker")
        process, greeting = await child.start(
            "the worker", *command, until=b"\n", folder=project_dir, environment=environment
        )
        error, port, functions = json.loads(greeting)
        if error:
            await child.end(process)
            raise LocalError(error)
        return cls(process, port, functions)

    def invoke(self, function: str, event: str) -> asyncio.Task[str | None]:
        """Start an invocation now; the result is the error's text if it fails."""
        task = asyncio.create_task(self._invoke(function, event))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def stop(self) -> None:
        """Let the invocations end, for a few seconds, then the process."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        await child.end(self.process)
        await self._http.close()

    async def _invoke(self, function: str, event: str) -> str | None:
        try:
            async with self._http.post(f"/{function}", data=BytesIO(event.encode())) as response:
                error: str | None = await response.json()
                return error
        except aiohttp.ClientError:
            return "the worker ended before the function did"


class ReloadingWorker:
    """The worker of the code as it is now."""

    def __init__(
        self, project_dir: Path, environment: Callable[[], Mapping[str, str]], report: Report
    ) -> None:
        self.error: str | None = None
        """Why the app does not load."""
        self._project_dir = project_dir
        self._environment = environment
        self._report = report
        self._lock = asyncio.Lock()
        self._worker: Worker | None = None
        self._code: object = None
        self._retired: list[asyncio.Task[None]] = []

    async def current(self) -> Worker | None:
        """Return a running worker of the current code, or None if that does not load."""
        async with self._lock:
            if self._worker is not None and self._worker.process.returncode is not None:
                self._report(f"the worker (process {self._worker.process.pid}) ended: starting another")
                self._retire()
            code = snapshot(self._project_dir)
            if code != self._code or (self._worker is None and self.error is None):
                await self._replace(code)
            return self._worker

    async def loaded(self) -> Worker:
        """Wait until the app loads, for as long as it takes to put it right."""
        while True:
            if worker := await self.current():
                return worker
            await asyncio.sleep(POLL_SECONDS)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Replace the worker soon after the code changes, not at the next event, until the context ends."""
        watcher = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            self._retire()
            await asyncio.gather(*self._retired)

    async def _watch(self) -> None:
        while True:
            await self.current()
            await asyncio.sleep(POLL_SECONDS)

    async def _replace(self, code: object) -> None:
        is_reload = self._code is not None and code != self._code
        self._retire()
        self._code, self.error = code, None
        try:
            self._worker = await Worker.start(self._project_dir, self._environment())
        except LocalError as error:
            self.error = str(error)
            self._report(f"the app does not load; events are answered 404 until it does:\n{error}")
            return
        if is_reload:
            self._report("the code changed: reloaded")

    def _retire(self) -> None:
        if self._worker is not None:
            self._retired.append(asyncio.create_task(self._worker.stop()))
            self._worker = None
