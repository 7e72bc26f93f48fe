"""Which handler gets an event, and which fate it meets."""

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec import UNSET

from shared.decoding import Event, decode
from shared.envelope import DecodeError, Envelope, Reason, parse_envelope, parse_json
from shared.outcomes import Outcome, dead_letter
from shared.payloads import PAYLOADS, Family, Payload
from shared.settings import Settings, SettingsError, get_settings
from shared.sink import SinkError, get_sink
from shared.telemetry import Delivery, Fate, delivering

type Outcomes = Outcome | Iterable[Outcome] | None
type Handler[P: Payload] = Callable[[Event[P]], Awaitable[Outcomes]]

DELIVERY_TIMEOUT = 25.0
"""Seconds that handler and storage may take together. Event Grid waits 30 s, then sends the event again."""


class RejectEvent(Exception):  # noqa: N818 - read as what a handler does: raise RejectEvent
    """Raised by a handler to dead-letter an event on purpose; the reason must hold nothing of the event."""


class DeliveryError(Exception):
    """A fault that a retry may cure. Says what failed and where, never another error's text: it may quote."""


class EventFamily:
    """The handlers of one event family: one function, one queue."""

    def __init__(self, name: Family) -> None:
        self.name = name
        self.handlers: dict[type[Payload], Handler[Any]] = {}

    def on[P: Payload](self, payload_type: type[P]) -> Callable[[Handler[P]], Handler[P]]:
        """Register the handler of one kind of event. Raises ValueError for one that would never be called."""

        def register(handler: Handler[P]) -> Handler[P]:
            if payload_type not in PAYLOADS.values():
                raise ValueError(f"{payload_type.__name__} is not among PAYLOADS in shared/payloads.py")
            if payload_type.family != self.name:
                raise ValueError(
                    f"{payload_type.__name__} belongs to {payload_type.family}, not to {self.name}"
                )
            if payload_type in self.handlers:
                raise ValueError(f"{payload_type.__name__} has a handler already")
            self.handlers[payload_type] = handler
            return handler

        return register

    async def handle(self, text: str) -> None:
        """Take one delivery to its fate. Raises what a retry may cure, with no text of the event in it."""
        with delivering(self.name) as delivery:
            try:
                async with asyncio.timeout(DELIVERY_TIMEOUT) as limit:
                    delivery.fate = await self._deliver(text, delivery)
            except (SettingsError, SinkError, DeliveryError) as error:
                delivery.reason, delivery.detail = type(error).__name__, str(error)
                raise error from None
            # A handler's CancelledError too: the worker would leave the invocation without an answer.
            except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
                delivery.reason, delivery.detail = type(error).__name__, _describe(error)
                if limit.expired() and error.__cause__ is not None:
                    late = _describe(error.__cause__)
                    delivery.detail = f"Not done within {DELIVERY_TIMEOUT:.0f} s: {late}"
                raise DeliveryError(delivery.detail) from None

    async def _deliver(self, text: str, delivery: Delivery) -> Fate:
        settings = get_settings()
        queue, fate = settings.queues[self.name], Fate.WRITTEN
        document: Any = UNSET
        try:
            document = parse_json(text)
            envelope = parse_envelope(document)
            delivery.event_id, delivery.event_time = envelope.id, envelope.time
            outcomes = await self._outcomes(envelope, delivery, settings)
        except DecodeError as error:
            delivery.reason = error.reason
            if error.reason is not Reason.REJECTED:  # whose words are a handler's
                delivery.detail = error.detail
            outcomes = [dead_letter(text, document, function=self.name, error=error)]
            queue, fate = settings.dead_letter_queue, Fate.DEAD_LETTERED
        if not outcomes:
            return Fate.IGNORED
        start = perf_counter()
        try:
            delivery.sizes = await get_sink().write(queue, outcomes)
        finally:
            delivery.sink_seconds = perf_counter() - start
        return fate

    async def _outcomes(self, envelope: Envelope, delivery: Delivery, settings: Settings) -> list[Outcome]:
        payload_type = PAYLOADS.get(envelope.type)
        if payload_type is None:
            raise DecodeError(Reason.UNSUPPORTED_EVENT_TYPE, "No handler takes this event type.")
        delivery.event_type = envelope.type
        if payload_type.family != self.name:
            raise DecodeError(
                Reason.MISROUTED_EVENT_TYPE, f"This event type belongs to the function {payload_type.family}."
            )
        if payload_type not in self.handlers:
            raise DecodeError(Reason.UNSUPPORTED_EVENT_TYPE, "No handler takes this event type.")
        if not settings.trusts(envelope.source):
            raise DecodeError(Reason.UNTRUSTED_SOURCE, "The event's source is not among ACS_SOURCES.")
        event = decode(envelope, payload_type)
        try:
            outcomes = _listed(await self.handlers[payload_type](event), payload_type)
        except Exception as error:
            if refusal := _refusal(error):
                raise refusal from None
            raise
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            raise DeliveryError("Several outcomes have one id: give each a `part` in Outcome.of.")
        return outcomes


def _listed(result: Outcomes, payload_type: type[Payload]) -> list[Outcome]:
    if isinstance(result, Outcome):
        return [result]
    # Empty ones of these would pass for no outcomes, and the event would be gone.
    if isinstance(result, Iterable) and not isinstance(result, (str, bytes, Mapping)):
        outcomes = list(result)
        if all(isinstance(outcome, Outcome) for outcome in outcomes):
            return outcomes
    elif result is None:
        return []
    raise DeliveryError(f"The handler of {payload_type.__name__} should return an Outcome, several, or None.")


def _refusal(error: Exception) -> DecodeError | None:
    """Return why a handler refused its event, if that is what it raised, alone or out of a TaskGroup."""
    match error:
        case DecodeError():
            return error
        case RejectEvent():
            words = str(error).encode(errors="backslashreplace").decode()
            return DecodeError(Reason.REJECTED, words)
        case ExceptionGroup(exceptions=errors):
            return next(filter(None, map(_refusal, errors)), None)
        case _:
            return None


_MOST = 10
"""Places or errors in a description: recursion passes through a thousand."""


def _describe(error: BaseException) -> str:
    """Name an error's type and the last places of this app that it came through, without its text."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__} of {' and '.join(map(_describe, error.exceptions[:_MOST]))}"
    files = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    places = [
        f"{file.removeprefix(_APP)}:{line}"
        for file, line in files
        if file.startswith(_APP) and "site-packages" not in file
    ]
    return f"{type(error).__name__} at {' > '.join(places[-_MOST:])}"


_APP = f"{Path(__file__).parent.parent}{os.sep}"
