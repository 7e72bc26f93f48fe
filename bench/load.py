"""Behaviour under load: through the HTTP endpoint and the worker runtime to storage."""

import asyncio
import math
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from azure.storage.queue.aio import QueueClient

from bench.events import sms
from bench.figures import THROUGHPUT, Figure, Samples
from bench.processes import (
    APPS,
    ASYNC_CLIENT,
    DOCUMENTATION,
    OURS,
    SYNC_CLIENT,
    environment,
    null_storage,
)
from local import azurite, host
from local.journal import Journal
from local.ports import HOST, free_block
from local.worker_process import Worker

SUBJECTS = (OURS, DOCUMENTATION, SYNC_CLIENT, ASYNC_CLIENT)
LATENCY = 0.05
"""Seconds; about what storage in Azure takes to answer."""

LONGER = 3
"""How much longer such storage is measured: before the first answers, and after the last events, it idles."""

EVENT_SIZE = 1_300


@dataclass(frozen=True)
class _Load:
    """Requests in flight, and events in each."""

    name: str
    in_flight: int
    batch: int = 1


LOADS = (
    _Load("1 in flight", 1),
    _Load("16 in flight", 16),
    _Load("64 in flight", 64),
    _Load("batches of 100", 1, batch=100),
)


@dataclass(frozen=True)
class _Endpoint:
    """An app behind its HTTP endpoint."""

    case: str
    subject: str
    port: int
    is_slow: bool
    """Whether its storage has the latency."""


async def measure(repetitions: int, seconds: float) -> list[Figure]:
    samples = Samples("load")
    async with _endpoints() as endpoints:
        for endpoint in endpoints:
            await _fire(endpoint.port, LOADS[2], 0)  # to warm up, and to have its connections made
        for _ in range(repetitions):
            for load in LOADS:
                for endpoint in endpoints:
                    window = seconds * LONGER if endpoint.is_slow else seconds
                    latencies, elapsed = await _fire(endpoint.port, load, window)
                    _add(samples, endpoint, load, latencies, elapsed)
    return samples.figures()


@asynccontextmanager
async def _endpoints() -> AsyncIterator[list[_Endpoint]]:
    """Run each app against Azurite and against storage with Azure's latency."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        port = free_block(len(azurite.SERVICES))
        await stack.enter_async_context(azurite.running(port, folder))
        emulated, slow = azurite.connection_string(port), stack.enter_context(null_storage(LATENCY))
        async with QueueClient.from_connection_string(emulated, "acs-sms") as queue:
            await queue.create_queue()
        log = stack.enter_context((folder / "apps.log").open("wb"))
        yield [
            _Endpoint(
                "storage at 50 ms" if storage is slow else "Azurite",
                subject,
                await stack.enter_async_context(_serving(APPS[subject], storage, log.fileno())),
                storage is slow,
            )
            for storage in (emulated, slow)
            for subject in SUBJECTS
        ]


@asynccontextmanager
async def _serving(folder: Path, storage: str, log: int) -> AsyncIterator[int]:
    with _standard_error(log):
        worker = await Worker.start(folder, environment(storage))

    async def current() -> Worker:
        return worker

    try:
        async with host.serving(current, 0, Journal(print)) as port:
            yield port
    finally:
        await worker.stop()


@contextmanager
def _standard_error(file: int) -> Iterator[None]:
    """Let the processes that are started meanwhile log to a file."""
    own = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(own, 2)
        os.close(own)


async def _fire(port: int, load: _Load, seconds: float) -> tuple[list[float], float]:
    """Keep so many requests in flight for a while; their latencies, and how long it took."""
    event = sms(EVENT_SIZE)
    request = _request(event.function, "[" + ",".join([event.text] * load.batch) + "]")
    latencies: list[float] = []
    begin = perf_counter()

    async def lane() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while not latencies or perf_counter() < begin + seconds:
            sent = perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(f"the endpoint answered {answer!r}")
            latencies.append(perf_counter() - sent)
        writer.close()

    async with asyncio.TaskGroup() as lanes:
        for _ in range(load.in_flight):
            lanes.create_task(lane())
    return latencies, perf_counter() - begin


def _request(function: str, body: str) -> bytes:
    """Return an HTTP request as it goes over the wire: a client's own work would be measured too."""
    content = body.encode()
    head = (
        f"POST {host.PATH}?functionName={function} HTTP/1.1\r\nHost: {HOST}\r\n"
        "aeg-event-type: Notification\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _add(samples: Samples, endpoint: _Endpoint, load: _Load, latencies: list[float], elapsed: float) -> None:
    case, subject = f"{endpoint.case}, {load.name}", endpoint.subject
    samples.add(case, THROUGHPUT.metric, "events/s", subject, len(latencies) * load.batch / elapsed)
    latencies.sort()
    for percentile in (50, 95, 99):
        rank = math.ceil(percentile / 100 * len(latencies))
        samples.add(case, f"p{percentile}", "ms", subject, latencies[rank - 1] * 1000)
