"""What became of each event: the last deliveries, for the terminal, for `send` and for the page."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from itertools import count
from typing import Any, Literal

from msgspec import Struct, field

from local.terminal import coloured
from local.web_server import Report
from ops.terminal import printable

LIMIT = 1_000
"""Deliveries that are kept."""

HEADER = "x-local-delivery"
"""Carries a delivery's number from Event Grid or the page to the host."""

type Fault = Literal["storage-503", "storage-hangs", "storage-away", "function-fails"]


class Attempt(Struct):
    """A request to the function."""

    at: float
    status: int | None = None
    """None while there is no answer, 0 where none came."""
    ms: float | None = None
    error: str | None = None
    fault: Fault | None = None
    """What is broken on purpose for it."""


class Written(Struct):
    """A document that storage took from the app, in a queue, or in a container and blob."""

    place: str
    document: str


class Delivery(Struct):
    """An event on its way to one function. Times are seconds since the epoch."""

    number: int
    function: str | None
    subscription: str | None
    """None for an event that is sent straight to the function, or that no subscription includes."""
    event: str
    """What the function is given: the event's JSON."""
    id: str
    source: str
    type: str
    again: int | None
    """The delivery whose event is sent again."""
    at: float = field(default_factory=time.time)
    fate: str = "delivering"
    """Or `retrying`; at last `written`, `dead_lettered`, `ignored`, `failed`, `undelivered` (Event Grid has
    given up) or `unrouted` (no subscription includes the event)."""
    reason: str = ""
    attempts: list[Attempt] = []
    next_at: float | None = None
    written: list[Written] = []
    letter: str | None = None
    """The container and blob of Event Grid's dead letter."""


class Journal:
    """The last deliveries, and what is broken on purpose."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.deliveries: dict[int, Delivery] = {}
        self.fault: Fault | None = None
        self.faults_left: int | None = None
        """Attempts that are still to be broken; None for all."""
        self._mended = asyncio.Event()
        self._numbers = count(1)
        self.under_way: dict[int, Delivery] = {}
        """Those with a request that is not answered yet."""
        self._is_closed = False
        self._listeners: list[tuple[set[int], asyncio.Event]] = []

    def add(
        self, event: str, function: str | None, subscription: str | None = None, again: int | None = None
    ) -> Delivery:
        """Note an event that is to be delivered."""
        found = _attributes(event)
        event_id, source = str(found.get("id", "")), str(found.get("source", found.get("topic", "")))
        event_type = str(found.get("eventType", found.get("type", "")))
        number = next(self._numbers)
        delivery = Delivery(number, function, subscription, event, event_id, source, event_type, again)
        self.deliveries[number] = delivery
        self.deliveries.pop(number - LIMIT, None)
        self.changed(delivery)
        return delivery

    def begun(self, event: str, function: str | None) -> Delivery:
        """Note an event that has come straight to the host."""
        delivery = self.add(event, function)
        self.begin(delivery)
        return delivery

    def begin(self, delivery: Delivery) -> None:
        """Note that a request is made, and break it if something is to be broken."""
        delivery.attempts.append(Attempt(time.time(), fault=self.fault))
        if self.faults_left is not None:
            self.faults_left -= 1
            if self.faults_left <= 0:
                self.fault = self.faults_left = None
        self.under_way[delivery.number] = delivery
        delivery.fate, delivery.next_at = "delivering", None
        self.changed(delivery)

    def end(self, delivery: Delivery, status: int | None) -> None:
        """Note the answer to a request, or that none came."""
        del self.under_way[delivery.number]
        attempt = delivery.attempts[-1]
        attempt.status, attempt.ms = status or 0, (time.time() - attempt.at) * 1_000
        if attempt.status // 100 == 2:
            letters = [found for each in delivery.written if (found := _letter(each.document)) is not None]
            fate = "dead_lettered" if letters else "written" if delivery.written else "ignored"
            self.settle(delivery, fate, letters[0] if letters else "")
        elif delivery.subscription is None:
            self.settle(delivery, "failed", _reason(attempt))
        else:
            self.changed(delivery)

    def retry(self, delivery: Delivery, seconds: float) -> None:
        """Note that an attempt failed, and in how many seconds the next one comes."""
        if delivery.fate != "retrying":
            delivery.fate, delivery.reason = "retrying", _reason(delivery.attempts[-1])
            number = len(delivery.attempts) + 1
            self._say(delivery, f"{delivery.reason}; attempt {number} in {seconds:.3g} s")
        delivery.next_at = time.time() + seconds
        self.changed(delivery)

    def settle(self, delivery: Delivery, fate: str, reason: str = "") -> None:
        """Note what became of an event, which is final."""
        delivery.fate, delivery.reason, delivery.next_at = fate, reason, None
        self._say(delivery, reason or ", ".join(each.place for each in delivery.written))
        self.changed(delivery)

    def writing(self, document: str) -> Delivery | None:
        """Return the delivery under way whose outcome a document is: its id is made of the event's."""
        outcome = _attributes(document)
        outcome_id, source = str(outcome.get("id")), outcome.get("source")
        for delivery in reversed(self.under_way.values()):
            digest = hashlib.sha256(delivery.event.encode()).hexdigest()[:32]  # in the id of a dead letter
            if digest in outcome_id or (
                outcome_id.startswith(f"{delivery.id}:") and source == delivery.source
            ):
                return delivery
        return None

    def wrote(self, delivery: Delivery, place: str, document: str) -> None:
        """Note a document that storage has taken."""
        delivery.written.append(Written(place, document))
        self.changed(delivery)

    def break_(self, fault: Fault | None, attempts: int | None = None) -> None:
        """Break something for so many attempts, all if None; or mend everything."""
        self.fault, self.faults_left = fault, attempts
        self._mended.set()
        self._mended = asyncio.Event()

    async def mended(self, seconds: float) -> None:
        """Wait until something else is broken or nothing, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._mended.wait()

    def changed(self, delivery: Delivery) -> None:
        for numbers, ready in self._listeners:
            numbers.add(delivery.number)
            ready.set()

    async def changes(self) -> AsyncGenerator[set[int]]:
        """Yield the numbers of all deliveries, then of those that have changed, until the end."""
        listener = numbers, ready = set(self.deliveries), asyncio.Event()
        ready.set()
        self._listeners.append(listener)
        try:
            while not self._is_closed:
                await ready.wait()
                ready.clear()
                found = set(numbers)
                numbers.clear()
                yield found
        finally:
            self._listeners.remove(listener)

    async def told(self, delivery: Delivery) -> None:
        """Wait until an event is settled, or an attempt has failed."""
        async with aclosing(self.changes()) as changes:
            while delivery.fate == "delivering" and not self._is_closed:
                await anext(changes, None)

    async def close(self, _: object = None) -> None:
        """End all that waits."""
        self._is_closed = True
        self.break_(None)
        for _, ready in self._listeners:
            ready.set()

    def _say(self, delivery: Delivery, text: str) -> None:
        name = delivery.type.rpartition(".")[2][:60]
        ms = delivery.attempts[-1].ms if delivery.attempts else None
        took = "" if ms is None else f" ({ms:.0f} ms)"
        what = printable(f"{delivery.function or '-':<12} {name or '-':<34}")
        at = time.strftime("%H:%M:%S")
        self.report(f"{at} {what} {coloured(delivery.fate)} {printable(text)}{took}")


def _attributes(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _letter(document: str) -> str | None:
    """Return why the app dead-lettered an event, if a document is its dead letter."""
    content = _attributes(document)
    if content.get("type") != "acs.dead-letter":
        return None
    data = content.get("data", {})
    return f"{data.get('reason', '')}: {data.get('detail', '')}".strip(": ")


def _reason(attempt: Attempt) -> str:
    return attempt.error or (f"answered {attempt.status}" if attempt.status else "no answer")
