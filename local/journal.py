"""The last deliveries, and what became of each: for the terminal, for `send` and for the page."""

import asyncio
import time
from contextlib import suppress
from hashlib import sha256
from typing import Annotated, Any

from msgspec import Meta, Struct, field, json

from local.terminal import coloured
from local.web_server import Report
from ops.terminal import printable

LIMIT = 1_000
"""Deliveries that are kept."""

HEADER = "x-local-delivery"
"""Carries a delivery's number from Event Grid or the page to the host."""

FAULTS = ("storage-503", "storage-hangs", "storage-away", "function-fails")
type TimeScale = Annotated[float, Meta(gt=0, le=100_000)]


class Broken(Struct, forbid_unknown_fields=True):
    """What fails on purpose, and for how many more attempts (None: until it is mended)."""

    fault: str | None = None
    attempts: Annotated[int, Meta(ge=1)] | None = None


class Attempt(Struct):
    """A request to the function. The status is None until it is answered, and 0 if no answer came."""

    at: float
    fault: str | None
    status: int | None = None
    ms: float | None = None
    error: str | None = None


class Written(Struct):
    """A document that storage has taken, in a queue or in a blob (container/name)."""

    place: str
    document: str


class Delivery(Struct):
    """An event, as one function is given it, and what became of it. Times are seconds since the epoch."""

    number: int
    function: str | None
    subscription: str | None
    """None for an event that is sent straight to the function, or that no subscription includes."""
    event: str
    id: str
    source: str
    type: str
    at: float = field(default_factory=time.time)
    fate: str = "delivering"
    """Or `retrying`; then `written`, `dead_lettered`, `ignored`, `failed`, `undelivered` or `unrouted`."""
    reason: str = ""
    attempts: list[Attempt] = []
    next_at: float | None = None
    written: list[Written] = []


class Journal:
    """Keeps the last deliveries, and what is broken on purpose."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.deliveries: dict[int, Delivery] = {}
        self.under_way: dict[int, Delivery] = {}
        """Those with a request that is not answered yet."""
        self.broken = Broken()
        self.changed = asyncio.Event()
        """Set by the next change of a delivery."""

    def add(self, event: str, function: str | None, subscription: str | None = None) -> Delivery:
        """Note an event that is to be delivered."""
        found, number = _members(event), next(reversed(self.deliveries), 0) + 1
        event_id, source = str(found.get("id", "")), str(found.get("source", found.get("topic", "")))
        event_type = str(found.get("eventType", found.get("type", "")))
        delivery = Delivery(number, function, subscription, event, event_id, source, event_type)
        self.deliveries[number] = delivery
        self.deliveries.pop(number - LIMIT, None)
        self._change()
        return delivery

    def begin(self, delivery: Delivery) -> Delivery:
        """Note that a request is made, which fails if something is broken."""
        fault, attempts = self.broken.fault, self.broken.attempts
        delivery.attempts.append(Attempt(time.time(), fault))
        if attempts is not None:
            self.broken = Broken(fault, attempts - 1) if attempts > 1 else Broken()
        self.under_way[delivery.number] = delivery
        delivery.fate, delivery.reason, delivery.next_at = "delivering", "", None
        self._change()
        return delivery

    def end(self, delivery: Delivery, status: int | None) -> None:
        """Note the answer to a request, or that none came."""
        del self.under_way[delivery.number]
        attempt = delivery.attempts[-1]
        attempt.status, attempt.ms = status or 0, (time.time() - attempt.at) * 1_000
        if attempt.status // 100 == 2:
            fate = "dead_lettered" if delivery.reason else "written" if delivery.written else "ignored"
            self.settle(delivery, fate, delivery.reason)
        else:
            delivery.reason = attempt.error or (f"answered {status}" if status else "no answer")
            if delivery.subscription is None:
                self.settle(delivery, "failed", delivery.reason)

    def settle(self, delivery: Delivery, fate: str, reason: str, retry_seconds: float | None = None) -> None:
        """Note what became of an event, or in how many seconds its next attempt comes."""
        is_news = delivery.fate != fate
        delivery.fate, delivery.reason = fate, reason
        delivery.next_at = None if retry_seconds is None else time.time() + retry_seconds
        self._change()
        if is_news:
            name = delivery.type.rpartition(".")[2][:60]
            what = printable(f"{delivery.function or '-':<12} {name or '-':<34}")
            text = reason or ", ".join(written.place for written in delivery.written)
            if retry_seconds is not None:
                text = f"{text.rstrip('.')}; attempt {len(delivery.attempts) + 1} in {retry_seconds:.1f} s"
            took = f" ({delivery.attempts[-1].ms:.0f} ms)" if delivery.attempts else ""
            self.report(f"{time.strftime('%H:%M:%S')} {what} {coloured(fate)} {printable(text)}{took}")

    def writing(self, document: str) -> Delivery | None:
        """Return the delivery under way whose outcome a document is: its id is made of the event's."""
        outcome = _members(document)
        outcome_id, source = str(outcome.get("id")), outcome.get("source")
        for delivery in reversed(self.under_way.values()):
            is_of_event = outcome_id.startswith(f"{delivery.id}:") and source == delivery.source
            digest = ":acs.dead-letter:" in outcome_id and sha256(delivery.event.encode()).hexdigest()[:32]
            if is_of_event or (digest and digest in outcome_id):
                return delivery
        return None

    def wrote(self, delivery: Delivery, place: str, document: str) -> None:
        """Note a document that storage has taken."""
        delivery.written.append(Written(place, document))
        outcome = _members(document)
        if outcome.get("type") == "acs.dead-letter" and "data" in outcome:  # none where a blob holds it
            delivery.reason = "{reason}: {detail}".format_map(outcome["data"])
        self._change()

    def _change(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def _members(text: str) -> dict[str, Any]:
    """Return the members of a JSON object; none if the text is something else."""
    with suppress(ValueError, RecursionError):
        if isinstance(found := json.decode(text), dict):
            return found
    return {}
