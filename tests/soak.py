"""Publishes events while storage and the worker fail, and compares the outcomes with the events: `make soak`.

Storage is repeatedly killed and started again, storage hangs, and the worker is killed during deliveries.
Events come in random order, some twice, and those of two functions in batches. At the end every good event
must be in the queue of its family, every bad one in the dead-letter queue, and nothing else anywhere.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import batched, count, groupby
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.eventgrid.aio import EventGridPublisherClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from local import azurite, ports, stack, subscriptions
from local.azurite import Azurite
from local.eventgrid import EventGrid
from local.stack import PROJECT_DIR, Stack
from local.subscriptions import DELIVERED, retry_delay
from shared.payloads import PAYLOADS
from shared.settings import Settings
from tests.events import SAMPLES, sample

PUBLISHABLE = [name for name in SAMPLES if "topic" in sample(name) and "type" not in sample(name)]
"""The samples that Event Grid's own schema allows: all event types, in nearly all shapes."""

BAD_SHARE = 0.05
TWICE_SHARE = 0.05
BATCH = 40
IN_BATCHES = ("chat_message", "membership")
"""The functions that get their events in batches."""
TIME_SCALE = 200.0
"""The first retries come after 50, 150 and 300 ms, and an event expires after seven minutes."""

PAUSE_SECONDS = 2.0
HANG_SECONDS = 7.0
"""Longer than the app waits for one answer from storage."""
DOWN_SECONDS = 20.0
"""Longer than the app tries to write an outcome before it fails the delivery."""
SAVE_SECONDS = 7.0
"""Azurite saves every 5 s."""
SETTLE_SECONDS = 400.0

type Key = tuple[str, str, str]
"""The queue, the source and the id."""


@dataclass(frozen=True)
class Result:
    """What became of the events of a run."""

    published: int
    written: int
    dead_lettered: int
    duplicates: int
    retries: int
    strays: int
    lost: int

    def __str__(self) -> str:
        """Return the figures, with the most important one last."""
        return (
            f"published {self.published}, written {self.written}, dead-lettered {self.dead_lettered}, "
            f"duplicates {self.duplicates}, retries {self.retries}, strays {self.strays}\nlost {self.lost}"
        )


async def soak(events: int, seconds: float, down_seconds: float = DOWN_SECONDS) -> Result:
    """Publish events evenly over some seconds during failures, and compare the outcomes with them.

    `down_seconds` is the time until storage is started again after it was killed.
    """
    reports: list[str] = []
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        async with AsyncExitStack() as exits, aiohttp.ClientSession() as http:
            storage = _Storage(exits, Path(folder))
            running = await exits.enter_async_context(
                stack.running(await storage.start(), report=reports.append)
            )
            await running.workers.loaded()
            running.event_grid.time_scale = TIME_SCALE
            batches = _Batches(http, running.endpoint)
            settings = Settings.from_environ({"OutcomesStorage": running.connection_string})
            published = [_event(bad=random.random() < BAD_SHARE) for _ in range(events)]  # noqa: S311
            async with _breaking(running, storage, down_seconds):
                await _publish(running.event_grid_endpoint, batches, published, seconds)
            await _settled(running.event_grid)
            await batches.settled()
            found = await _found(running, settings)
    retries = batches.retries + sum("; attempt " in report for report in reports)
    return _compare({_key(event, settings) for event in published}, found, settings, retries)


class _Storage:
    """An Azurite that is killed and started again on its data."""

    def __init__(self, exits: AsyncExitStack, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._exits = exits
        self._first_port = ports.free_block(len(azurite.SERVICES))

    async def start(self) -> Azurite:
        """Start it, until the exits are made."""
        running = azurite.running(self._first_port, self.data_dir)
        self.azurite = await self._exits.enter_async_context(running)
        return self.azurite


class _Batches:
    """Delivers events in batches, as Event Grid can. One failure repeats the whole batch."""

    def __init__(self, http: aiohttp.ClientSession, endpoint: str) -> None:
        self.retries = 0
        self._http = http
        self._endpoint = endpoint
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, function: str, events: list[dict[str, Any]]) -> None:
        """Start delivering events."""
        self._tasks.append(asyncio.create_task(self._deliver(function, events)))

    async def settled(self) -> None:
        """Wait until every batch is accepted."""
        await asyncio.gather(*self._tasks)

    async def _deliver(self, function: str, events: list[dict[str, Any]]) -> None:
        parameters, headers = {"functionName": function}, {"aeg-event-type": "Notification"}
        for attempt in count(1):
            async with self._http.post(
                self._endpoint, params=parameters, headers=headers, json=events
            ) as answer:
                if answer.status in DELIVERED:
                    return
            self.retries += 1
            await asyncio.sleep(retry_delay(answer.status, attempt) / TIME_SCALE)


def _event(*, bad: bool) -> dict[str, Any]:
    event = sample(random.choice(PUBLISHABLE)) | {"id": str(uuid.uuid4())}  # noqa: S311
    return event | {"data": {"nothing": "of use"}} if bad else event


def _key(event: dict[str, Any], settings: Settings) -> Key:
    """Return the queue in which the outcome of an event must be, and the outcome's source and id."""
    payload = PAYLOADS[event["eventType"]]
    if "nothing" in event["data"]:
        return settings.dead_letter_queue, event["topic"], event["id"]
    return settings.queues[payload.family], event["topic"], f"{event['id']}:{payload.outcome_type}"


def _function(event: dict[str, Any]) -> str:
    return PAYLOADS[event["eventType"]].family


async def _publish(endpoint: str, batches: _Batches, events: list[dict[str, Any]], seconds: float) -> None:
    """Publish evenly in random order, some events twice. Two functions get theirs in batches."""
    again = random.sample(events, round(len(events) * TWICE_SHARE))
    sequence = random.sample([*events, *again], len(events) + len(again))
    began = time.monotonic()
    async with EventGridPublisherClient(endpoint, AzureKeyCredential("any")) as client:
        for number, batch in enumerate(batched(sequence, BATCH, strict=False)):
            for function, group in groupby(sorted(batch, key=_function), key=_function):
                if function in IN_BATCHES:
                    batches.start(function, list(group))
                else:
                    await client.send(list(group))
            due = began + seconds * (number + 1) * BATCH / len(sequence)
            await asyncio.sleep(max(0, due - time.monotonic()))


@asynccontextmanager
async def _breaking(running: Stack, storage: _Storage, down_seconds: float) -> AsyncIterator[None]:
    """Cause one failure after the other until the context ends. At the end everything works."""
    done = asyncio.Event()
    breaker = asyncio.create_task(_break_until(done, running, storage, down_seconds))
    try:
        yield
    finally:
        done.set()
        await breaker


async def _break_until(done: asyncio.Event, running: Stack, storage: _Storage, down_seconds: float) -> None:
    while not done.is_set():
        await asyncio.sleep(PAUSE_SECONDS)
        await _kill_storage(running, storage, down_seconds)
        await asyncio.sleep(PAUSE_SECONDS)
        await _hang_storage(running, storage.azurite.process)


async def _hang_storage(running: Stack, azurite: Process) -> None:
    """Stop Azurite for a while, and kill the worker during that time."""
    with _stopped(azurite):
        await asyncio.sleep(HANG_SECONDS / 2)
        (await running.workers.loaded()).process.kill()
        await asyncio.sleep(HANG_SECONDS / 2)


async def _kill_storage(running: Stack, storage: _Storage, down_seconds: float) -> None:
    """Kill Azurite when everything that it has acknowledged is on disk, and start it again.

    Unlike Azure Storage, Azurite saves only every 5 s what it has acknowledged. A kill at any other moment
    would lose messages without any fault of the app. The worker is stopped meanwhile, with requests open.
    """
    with _stopped((await running.workers.loaded()).process):
        await _saved(storage.data_dir / "__azurite_db_queue__.json")
        storage.azurite.process.kill()
        await storage.azurite.process.wait()
    await asyncio.sleep(down_seconds)
    await storage.start()


async def _saved(file: Path) -> None:
    """Wait for a save that began at least a second from now. If nothing is new, there is none."""
    since = time.time() + 1
    with suppress(TimeoutError):
        async with asyncio.timeout(SAVE_SECONDS):
            while _modified(file) < since:
                await asyncio.sleep(0.05)


def _modified(file: Path) -> float:
    return file.stat().st_mtime if file.exists() else 0


@contextmanager
def _stopped(process: Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _settled(event_grid: EventGrid) -> None:
    async with asyncio.timeout(SETTLE_SECONDS):
        while event_grid.undelivered:
            await asyncio.sleep(0.1)


async def _found(running: Stack, settings: Settings) -> Counter[Key]:
    """Read all queues and Event Grid's container, and return how often each event is there."""
    found: Counter[Key] = Counter()
    for queue in (*settings.queues.values(), settings.dead_letter_queue):
        async for document in _documents(running.connection_string, queue):
            event_id = document["data"]["eventId"] if queue == settings.dead_letter_queue else document["id"]
            found[queue, document["source"], event_id] += 1
    container = subscriptions.load(PROJECT_DIR)[0].dead_letter_container
    async for letter in _letters(running.connection_string, container):
        found[container, letter["source"], letter["id"]] += 1
    return found


async def _documents(connection_string: str, queue: str) -> AsyncIterator[dict[str, Any]]:
    """Read a queue's messages, 32 at a time. They stay hidden until the end of the test."""
    async with QueueClient.from_connection_string(
        connection_string, queue, message_decode_policy=TextBase64DecodePolicy()
    ) as client:
        with suppress(ResourceNotFoundError):
            async for message in client.receive_messages(messages_per_page=32, visibility_timeout=86_400):
                yield msgspec.json.decode(message.content)


async def _letters(connection_string: str, container: str) -> AsyncIterator[dict[str, Any]]:
    async with ContainerClient.from_connection_string(connection_string, container) as client:
        with suppress(ResourceNotFoundError):
            async for name in client.list_blob_names():
                for letter in msgspec.json.decode(await (await client.download_blob(name)).readall()):
                    yield letter


def _compare(published: set[Key], found: Counter[Key], settings: Settings, retries: int) -> Result:
    """Return the figures. A bad event may be in either place for dead letters, a good one in its queue."""
    outcomes = set(settings.queues.values())
    places = {key: key for key in published} | {
        ("event-grid-dead-letters", *key[1:]): key for key in published if key[0] not in outcomes
    }
    arrived = {places[key] for key in found if key in places}
    written = sum(key[0] in outcomes for key in arrived)
    return Result(
        published=len(published),
        written=written,
        dead_lettered=len(arrived) - written,
        duplicates=found.total() - len(found),
        retries=retries,
        strays=sum(key not in places for key in found),
        lost=len(published - arrived),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop standard error of this process and its children, which has a record of each delivery."""
    terminal = os.dup(2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def main() -> int:
    """Run the soak test. Return 1 if an event was lost or is where it should not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    with _quiet():
        result = asyncio.run(soak(arguments.events, arguments.seconds))
    print(result)  # noqa: T201 - it talks to a terminal
    return 1 if result.lost or result.strays else 0


if __name__ == "__main__":
    sys.exit(main())
