"""Stands in for Event Grid: takes what publishers send, and sees to it that subscribers get it.

It routes, converts, batches, retries and dead-letters as Event Grid does, its waits divided by a time scale:
https://learn.microsoft.com/azure/event-grid/delivery-and-retry. It differs in what a machine alone cannot do
or does not need: events that are not delivered yet are in memory only, and lost with the process; keys are
not looked at; there is no probation, which holds back all events of an endpoint that fails.
"""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
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
from local.event_schemas import Event, converted, is_cloudevent, read_published, type_of, with_topic
from local.subscriptions import DELIVERED, NEVER_RETRIED, Subscription, delivery_outcome, retry_delay
from local.web_server import Report
from ops.terminal import printable

PATH = "/api/events"

BODY_LIMIT = 1_048_576
"""Bytes of one request, and so of an event."""

RESPONSE_SECONDS = 30.0
"""How long an endpoint may take to answer; of real time, for the endpoint's time is real."""

CONCURRENT_DELIVERIES = 64
JITTER = 0.1
DEAD_LETTER_SECONDS = 300.0
"""Between the last attempt and the dead letter."""
DEAD_LETTER_RETRY_SECONDS = 60.0
DROP_SECONDS = 14_400.0
"""How long a container may be unavailable before what is meant for it is dropped."""

_STORAGE_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 3, "read_timeout": 6}


@dataclass
class _Delivery:
    """An event on its way to one subscriber."""

    event: Event
    subscription: Subscription
    published: datetime
    attempts: int = 0
    outcome: str = ""
    last_attempt: datetime | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def label(self) -> str:
        return f"{self.subscription.name} {self.event['id']}"


@dataclass
class _Batch:
    """The deliveries of one request, which others may join until it is sent."""

    subscription: Subscription
    deliveries: list[_Delivery] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    size: int = 0
    is_open: bool = True
    sending: asyncio.Task[int | None] = field(init=False)

    def takes(self, size: int) -> bool:
        """Tell whether another event, of so many bytes, may come along."""
        return (
            self.is_open
            and len(self.events) < self.subscription.max_events_per_batch
            and self.size + size <= self.subscription.preferred_batch_size_in_kilobytes * 1_024
        )

    def add(self, delivery: _Delivery, event: Event, size: int) -> None:
        self.deliveries.append(delivery)
        self.events.append(event)
        self.size += size


class EventGrid:
    """The subscriptions of one topic, and the events that are on their way to them."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        endpoint: str,
        clients: tuple[aiohttp.ClientSession, BlobServiceClient],
        time_scale: float,
        report: Report,
    ) -> None:
        self._subscriptions = subscriptions
        self._endpoint = endpoint
        self._http, self._blobs = clients
        self._time_scale = time_scale
        self._report: Report = lambda text: report(printable(text))
        self._slots = asyncio.Semaphore(CONCURRENT_DELIVERIES)
        self._batches: dict[str, _Batch] = {}
        self._deliveries: set[asyncio.Task[None]] = set()

    @property
    def undelivered(self) -> int:
        """How many deliveries are not at their end."""
        return len(self._deliveries)

    def publish(self, events: Sequence[Event]) -> None:
        """Start delivering events to all whom they are for; an event that is for nobody is reported."""
        published = datetime.now(UTC)
        for event in map(with_topic, events):
            matching = [subscription for subscription in self._subscriptions if subscription.matches(event)]
            if not matching:
                self._report(f"Event Grid: no subscription includes {type_of(event)}")
            for subscription in matching:
                self._start(_Delivery(event, subscription, published))

    async def stop(self) -> None:
        """Give up what is on its way, and say so."""
        if self._deliveries:
            self._report(f"Event Grid: gave up {self.undelivered} events that were not delivered yet")
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    def _start(self, delivery: _Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._deliveries.add(task)
        task.add_done_callback(lambda task: self._end(delivery, task))

    def _end(self, delivery: _Delivery, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._report(f"Event Grid: lost {delivery.label}: {error!r}")

    async def _deliver(self, delivery: _Delivery) -> None:
        """Try until the endpoint takes the event, or there is a reason to dead-letter it."""
        reason = None
        while reason is None:
            status = await self._attempt(delivery)
            if status in DELIVERED:
                return
            reason = _reason_to_give_up(delivery, status)
            if reason is None:
                await self._wait_to_retry(delivery, status)
                reason = self._expired(delivery)
        await self._dead_letter(delivery, reason)

    async def _attempt(self, delivery: _Delivery) -> int | None:
        """Send the event once, with those that are due with it, and return the status of all."""
        status = await self._batch_with(delivery).sending
        delivery.attempts += 1
        delivery.outcome = delivery_outcome(status)
        return status

    def _batch_with(self, delivery: _Delivery) -> _Batch:
        """Add the event to its subscription's next request, which goes when it can, full or not."""
        subscription = delivery.subscription
        event = converted(delivery.event, subscription.event_delivery_schema)
        size = len(msgspec.json.encode(event))
        batch = self._batches.get(subscription.name)
        if batch is None or not batch.takes(size):
            batch = self._batches[subscription.name] = _Batch(subscription)
            batch.sending = asyncio.create_task(self._send(batch))
        batch.add(delivery, event, size)
        return batch

    async def _send(self, batch: _Batch) -> int | None:
        """Post a batch, and return the status; 408 for no answer in time, None for no connection."""
        async with self._slots:
            batch.is_open = False
            for delivery in batch.deliveries:
                delivery.last_attempt = datetime.now(UTC)
            try:
                return await self._post(batch)
            except TimeoutError:
                return 408
            except aiohttp.ClientError:
                return None

    async def _post(self, batch: _Batch) -> int:
        subscription = batch.subscription
        content_type, content = _content(batch)
        async with self._http.post(
            self._endpoint,
            params={"functionName": subscription.function},
            headers={
                "aeg-event-type": "Notification",
                "aeg-subscription-name": subscription.name.upper(),
                "aeg-delivery-count": str(batch.deliveries[0].attempts),
                "aeg-data-version": batch.events[0].get("dataVersion", ""),
                "aeg-metadata-version": "1",
                "Content-Type": f"{content_type}; charset=utf-8",
            },
            data=BytesIO(msgspec.json.encode(content)),
            allow_redirects=False,
        ) as response:
            return response.status

    async def _wait_to_retry(self, delivery: _Delivery, status: int | None) -> None:
        seconds = retry_delay(status, delivery.attempts) * random.uniform(1, 1 + JITTER)  # noqa: S311
        self._report(
            f"Event Grid: {delivery.label} failed ({status or delivery.outcome}); "
            f"attempt {delivery.attempts + 1} in {seconds / self._time_scale:.3g} s"
        )
        await self._sleep(seconds)

    def _expired(self, delivery: _Delivery) -> str | None:
        age = (time.monotonic() - delivery.began) * self._time_scale
        lifetime = delivery.subscription.retry_policy.event_time_to_live_in_minutes * 60
        return "TimeToLiveExceeded" if age >= lifetime else None

    async def _dead_letter(self, delivery: _Delivery, reason: str) -> None:
        """Write the dead letter, for as long as its storage may take to be back."""
        await self._sleep(DEAD_LETTER_SECONDS)
        deadline = time.monotonic() + DROP_SECONDS / self._time_scale
        while True:
            try:
                await self._write(delivery, reason)
            except (AzureError, TimeoutError) as error:
                if time.monotonic() >= deadline:
                    self._report(f"Event Grid: dropped {delivery.label}: {type(error).__name__}")
                    return
                await self._sleep(DEAD_LETTER_RETRY_SECONDS)
            else:
                self._report(f"Event Grid: dead-lettered {delivery.label}: {reason}")
                return

    async def _write(self, delivery: _Delivery, reason: str) -> None:
        container = self._blobs.get_container_client(delivery.subscription.dead_letter_container)
        now = datetime.now(UTC)
        folder = f"{delivery.subscription.name.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}"
        name, body = f"{folder}/{uuid.uuid4()}.json", msgspec.json.encode([_letter(delivery, reason)])
        try:
            await container.upload_blob(name, body)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                await container.create_container()
            await container.upload_blob(name, body)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._time_scale)


@asynccontextmanager
async def serving(
    subscriptions: Sequence[Subscription],
    port: int,
    *,
    endpoint: str,
    connection_string: str,
    time_scale: float,
    report: Report,
    response_seconds: float = RESPONSE_SECONDS,
) -> AsyncIterator[tuple[int, EventGrid]]:
    """Deliver to an endpoint what is published on the port, until the context ends; 0 takes any free port."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=response_seconds)) as http,
        BlobServiceClient.from_connection_string(connection_string, **_STORAGE_OPTIONS) as blobs,
    ):
        grid = EventGrid(subscriptions, endpoint, (http, blobs), time_scale, report)
        try:
            async with web_server.serving(_application(grid, report), port) as bound_port:
                yield bound_port, grid
        finally:
            await grid.stop()


def _application(grid: EventGrid, report: Report) -> web.Application:
    async def publish(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            grid.publish(read_published(body, request.content_type))
        except ValueError as error:
            report(printable(f"400 {request.method} {request.path}: {error}"))
            return web.json_response({"error": {"code": "BadRequest", "message": str(error)}}, status=400)
        return web.Response()

    return web_server.application(
        [web.post(PATH, publish)], report, use=f"events are published to {PATH}", body_limit=BODY_LIMIT
    )


def _content(batch: _Batch) -> tuple[str, Event | list[Event]]:
    """Return the type and the content of a request: a CloudEvent is no array where there are no batches."""
    if not is_cloudevent(batch.events[0]):
        return "application/json", batch.events
    if batch.subscription.max_events_per_batch == 1:
        return "application/cloudevents+json", batch.events[0]
    return "application/cloudevents-batch+json", batch.events


def _reason_to_give_up(delivery: _Delivery, status: int | None) -> str | None:
    if status in NEVER_RETRIED:
        return f"UndeliverableDueToHttp{delivery.outcome}"
    if delivery.attempts >= delivery.subscription.retry_policy.max_delivery_attempts:
        return "MaxDeliveryAttemptsExceeded"
    return None


def _letter(delivery: _Delivery, reason: str) -> Event:
    """Return the event in the subscription's schema, with what became of it."""
    event = converted(delivery.event, delivery.subscription.event_delivery_schema)
    fields = {
        "deadLetterReason": reason,
        "deliveryAttempts": delivery.attempts,
        "lastDeliveryOutcome": delivery.outcome,
        "publishTime": delivery.published,
        "lastDeliveryAttemptTime": delivery.last_attempt,
    }
    if is_cloudevent(event):  # whose attributes have lower-case names
        fields = {name.lower(): value for name, value in fields.items()}
    return event | fields
