"""Stands in for Event Grid: takes what publishers send, and delivers it to the functions that subscribe.

It routes by the project's subscriptions, converts between the two schemas, retries on Event Grid's schedule
and writes dead letters: https://learn.microsoft.com/azure/event-grid/delivery-and-retry. Its waits are
divided by a time scale. It does not imitate batches (each event is a request, whatever a subscription says),
keys, the delays after many failures, or durability: what is not delivered yet is lost with the process.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from local import web_server
from local.event_schemas import Event, converted, decoded, is_cloudevent, read_published, type_of
from local.host_json import compact
from local.journal import HEADER, Delivery, Journal
from local.subscriptions import DELIVERED, NEVER_RETRIED, OUTCOMES, Subscription, retry_delay
from ops.terminal import printable

PATH = "/api/events"

BODY_LIMIT = 1_048_576
"""Bytes of one request, and so of an event."""

RESPONSE_SECONDS = 30.0
"""How long an endpoint may take to answer; of real time, for the endpoint's time is real."""

CONCURRENT_DELIVERIES = 64
JITTER = 0.05
"""The most that is added to a wait. With 0.1 the 11th attempt could come after the 24 hours."""
DEAD_LETTER_SECONDS = 300.0
"""Between the last attempt and the dead letter."""
DEAD_LETTER_RETRY_SECONDS = 60.0

_STORAGE_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 3, "read_timeout": 6}


@dataclass
class EventGrid:
    """The subscriptions of one topic, and the events that are on their way to them."""

    subscriptions: Sequence[Subscription]
    endpoint: str
    time_scale: float
    """May be changed at any time."""
    journal: Journal
    http: aiohttp.ClientSession
    blobs: BlobServiceClient
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_DELIVERIES))

    @property
    def undelivered(self) -> int:
        """How many deliveries are not at their end."""
        return len(self._tasks)

    def publish(self, events: Iterable[Event], *, direct: bool = False) -> list[Delivery]:
        """Start delivering events to all subscriptions that include them, or straight to their functions."""
        return [found for event in events for found in self._publish(event, direct=direct)]

    def send(self, text: str, function: str) -> Delivery:
        """Start one attempt to deliver a text straight to a function."""
        delivery = self.journal.add(text, function)
        self._start(self._attempt(delivery, text.encode(), {"Content-Type": "application/json"}))
        return delivery

    async def stop(self) -> None:
        """Give up what is on its way, and say so."""
        if self._tasks:
            self.journal.report(f"Event Grid: events not delivered before the end: {self.undelivered}")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _publish(self, event: Event, *, direct: bool) -> Iterable[Delivery]:
        matching = [subscription for subscription in self.subscriptions if subscription.matches(event)]
        for subscription in matching:
            if direct:
                yield self.send(compact(event), subscription.function)
                continue
            content = converted(event, subscription.event_delivery_schema)
            delivery = self.journal.add(compact(content), subscription.function, subscription.name)
            self._start(self._deliver(content, subscription, delivery))
            yield delivery
        if not matching:
            delivery = self.journal.add(compact(event), None)
            self.journal.settle(delivery, "unrouted", f"no subscription includes {type_of(event)}")
            yield delivery

    def _start(self, delivering: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(delivering)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.journal.report(printable(f"Event Grid: lost an event: {error!r}"))

    async def _deliver(self, event: Event, subscription: Subscription, delivery: Delivery) -> None:
        """Try until the endpoint takes the event, or there is a reason to dead-letter it."""
        form, content = ("cloudevents+json", event) if is_cloudevent(event) else ("json", [event])
        headers = {
            "aeg-subscription-name": subscription.name.upper(),
            "aeg-data-version": event.get("dataVersion", ""),
            "aeg-metadata-version": "1",
            "Content-Type": f"application/{form}; charset=utf-8",
        }
        policy, reason, waited = subscription.retry_policy, "", 0.0
        while not reason:
            headers["aeg-delivery-count"] = str(len(delivery.attempts))
            status = await self._attempt(delivery, msgspec.json.encode(content), headers)
            if status in DELIVERED:
                return
            if status in NEVER_RETRIED:
                reason = f"UndeliverableDueToHttp{OUTCOMES[status]}"
            elif len(delivery.attempts) >= policy.max_delivery_attempts:
                reason = "MaxDeliveryAttemptsExceeded"
            else:
                seconds = retry_delay(status, len(delivery.attempts)) * random.uniform(1, 1 + JITTER)  # noqa: S311
                waited += seconds
                if waited >= policy.event_time_to_live_in_minutes * 60:
                    reason = "TimeToLiveExceeded"
                # Event Grid dead-letters an event that is too old when its next attempt would be due.
                await self._sleep(seconds, None if reason else delivery)
        letter = {
            "deadLetterReason": reason,
            "deliveryAttempts": len(delivery.attempts),
            "lastDeliveryOutcome": OUTCOMES.get(status, "Busy"),  # the documents do not say what a 500 is
            "publishTime": datetime.fromtimestamp(delivery.at, UTC),
            "lastDeliveryAttemptTime": datetime.fromtimestamp(delivery.attempts[-1].at, UTC),
        }
        if is_cloudevent(event):  # whose attributes have lower-case names
            letter = {name.lower(): value for name, value in letter.items()}
        await self._sleep(DEAD_LETTER_SECONDS)
        document = msgspec.json.encode([event | letter])
        place = await self._dead_letter(document, subscription)
        self.journal.wrote(delivery, place, document.decode())
        self.journal.settle(delivery, "undelivered", reason)

    async def _attempt(self, delivery: Delivery, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Post an event, and return the status; 408 for no answer in time, None for no connection."""
        async with self._slots:
            self.journal.begin(delivery)
            status: int | None = None
            try:
                async with self.http.post(
                    self.endpoint,
                    params={"functionName": delivery.function or ""},
                    headers={"aeg-event-type": "Notification", HEADER: str(delivery.number), **headers},
                    data=BytesIO(body),
                    allow_redirects=False,
                ) as response:
                    status = response.status
            except TimeoutError:
                status = 408
            except aiohttp.ClientError:
                pass
            self.journal.end(delivery, status)
            return status

    async def _dead_letter(self, document: bytes, subscription: Subscription) -> str:
        """Write a dead letter, as soon as its storage takes it, and return its container and blob."""
        container = self.blobs.get_container_client(subscription.dead_letter_container)
        now = datetime.now(UTC)
        folder = f"{subscription.name.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}"
        name = f"{folder}/{uuid.uuid4()}.json"
        while True:
            try:
                await container.upload_blob(name, document)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):
                    await container.create_container()
            except (AzureError, TimeoutError):
                await self._sleep(DEAD_LETTER_RETRY_SECONDS)
            else:
                return f"{container.container_name}/{name}"

    async def _sleep(self, seconds: float, retried: Delivery | None = None) -> None:
        """Wait; a change of the time scale takes effect within a tenth of a second."""
        scale = 0.0
        while seconds > 0:
            if retried is not None and scale != self.time_scale:
                self.journal.settle(retried, "retrying", retried.reason, seconds / self.time_scale)
            scale = self.time_scale
            step = min(seconds, scale / 10)
            await asyncio.sleep(step / scale)
            seconds -= step


@asynccontextmanager
async def serving(
    subscriptions: Sequence[Subscription],
    port: int,
    *,
    endpoint: str,
    connection_string: str,
    time_scale: float,
    journal: Journal,
    response_seconds: float = RESPONSE_SECONDS,
    routes: Callable[[EventGrid], Iterable[web.RouteDef]] = lambda _: (),
) -> AsyncIterator[tuple[int, EventGrid]]:
    """Deliver to an endpoint what is published on a port, any free one for 0, which serves `routes` too."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=response_seconds)) as http,
        BlobServiceClient.from_connection_string(connection_string, **_STORAGE_OPTIONS) as blobs,
    ):
        grid = EventGrid(subscriptions, endpoint, time_scale, journal, http, blobs)

        async def publish(request: web.Request) -> web.Response:
            body = await request.read()
            try:
                grid.publish(read_published(decoded(body), request.content_type))
            except ValueError as error:
                journal.report(printable(f"400 {request.method} {request.path}: {error}"))
                return web.json_response({"error": {"code": "BadRequest", "message": str(error)}}, status=400)
            return web.Response()

        application = web_server.application(
            [web.post(PATH, publish), *routes(grid)],
            journal.report,
            use=f"events are published to {PATH}",
            body_limit=BODY_LIMIT,
        )
        try:
            async with web_server.serving(application, port, shutdown_seconds=0.1) as bound_port:
                yield bound_port, grid
        finally:
            await grid.stop()
