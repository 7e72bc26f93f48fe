"""Dispatches events to handlers and decides the result of each delivery."""

import asyncio
import inspect
import os
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from msgspec import UNSET

from shared import telemetry
from shared.decoding import Event, decode
from shared.delivery import Delivery, Fate
from shared.envelope import DecodeError, Envelope, Reason, parse_envelope, parse_json
from shared.model import Payload
from shared.outcomes import Outcome, dead_letter
from shared.payloads import PAYLOADS
from shared.settings import Settings, SettingsError, get_settings
from shared.sink import SinkError, get_sink

type Outcomes = Outcome | Iterable[Outcome] | None
type Handler[P: Payload, R: Outcomes] = Callable[[Event[P]], Awaitable[R]]

DELIVERY_TIMEOUT = 25.0
"""Seconds that the handler and storage may take together. Event Grid waits 30 s, then delivers again."""


class RejectEvent(Exception):  # noqa: N818 - read as what a handler does: raise RejectEvent
    """Raised by a handler to dead-letter an event. The reason goes into the dead letter and into no log."""


class DeliveryError(Exception):
    """A fault that a redelivery may fix. Says what failed and where, without the text of another error."""


class EventFamily:
    """The handlers of one event family: one function, one queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers: dict[type[Payload], Handler[Any, Outcomes]] = {}

    def on[P: Payload, R: Outcomes](self, payload_type: type[P]) -> Callable[[Handler[P, R]], Handler[P, R]]:
        """Register the handler of one kind of event.

        Raises ValueError if the payload type is unknown, of another family or already registered, or if the
        handler is not `async def`.
        """

        def register(handler: Handler[P, R]) -> Handler[P, R]:
            name = payload_type.__name__
            if payload_type not in PAYLOADS.values():
                raise ValueError(f"{name} is not among PAYLOAD_TYPES in shared/payloads/__init__.py")
            if payload_type.family != self.name:
                raise ValueError(f"{name} belongs to {payload_type.family}, not to {self.name}")
            if payload_type in self.handlers:
                raise ValueError(f"{name} has a handler already")
            if not inspect.iscoroutinefunction(handler):
                raise ValueError(f"The handler {getattr(handler, '__name__', handler)} is not `async def`")
            self.handlers[payload_type] = handler
            return handler

        return register

    async def handle(self, text: str) -> None:
        """Decode, handle and write one event.

        Raises SettingsError, SinkError or DeliveryError for faults that a redelivery may fix. Their messages
        hold nothing of the event.
        """
        start = perf_counter()
        with telemetry.span(self.name) as span:
            delivery, fault = await self._deliver(text)
            telemetry.report(delivery, perf_counter() - start, span)
            if fault is not None:
                raise fault from None

    async def _deliver(self, text: str) -> tuple[Delivery, Exception | None]:
        """Return what became of an event, and the error to raise if it is to be delivered again."""
        document: Any = UNSET
        envelope: Envelope | None = None
        reason: str | None = None
        detail: str | None = None
        fate, fault, sizes, sink_start = Fate.RAISED, None, [], None
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT) as limit:
                settings = get_settings()
                try:
                    document = parse_json(text)
                    envelope = parse_envelope(document)
                    outcomes, queue = await self._outcomes(envelope, settings), settings.queues[self.name]
                except DecodeError as error:
                    outcomes = [dead_letter(text, document, function=self.name, error=error)]
                    queue, reason = settings.dead_letter_queue, error.reason
                    # A handler's text stays in the dead letter: it may quote the event.
                    detail = None if reason is Reason.REJECTED else error.detail
                if outcomes:
                    sink_start = perf_counter()
                    sizes = await get_sink().write(queue, outcomes)
            fate = Fate.DEAD_LETTERED if reason else (Fate.WRITTEN if outcomes else Fate.IGNORED)
        except (SettingsError, SinkError, DeliveryError) as error:
            reason, detail, fault = type(error).__name__, str(error), error
        # CancelledError and SystemExit too: the worker would leave the invocation without an answer, or end.
        except (Exception, BaseExceptionGroup, asyncio.CancelledError, SystemExit) as error:
            detail = _describe(error)
            if limit.expired() and error.__cause__ is not None:
                detail = f"Not done within {DELIVERY_TIMEOUT:.0f} s: {_describe(error.__cause__)}"
            reason, fault = type(error).__name__, DeliveryError(detail)
        delivery = Delivery(
            function=self.name,
            fate=fate,
            event_id=envelope.id if envelope else None,
            event_type=envelope.type if envelope and envelope.type in PAYLOADS else None,
            event_time=envelope.time if envelope else None,
            reason=reason,
            detail=detail,
            sizes=sizes,
            sink_seconds=None if sink_start is None else perf_counter() - sink_start,
        )
        return delivery, fault

    async def _outcomes(self, envelope: Envelope, settings: Settings) -> list[Outcome]:
        """Return the outcomes of an event's handler. Raises DecodeError if the event is refused."""
        payload_type = PAYLOADS.get(envelope.type)
        if payload_type is not None and payload_type.family != self.name:
            detail = f"This event type belongs to the function {payload_type.family}."
            raise DecodeError(Reason.MISROUTED_EVENT_TYPE, detail)
        if payload_type not in self.handlers:
            raise DecodeError(Reason.UNSUPPORTED_EVENT_TYPE, "No handler takes this event type.")
        if not settings.trusts(envelope.source):
            raise DecodeError(Reason.UNTRUSTED_SOURCE, "The event's source is not among ACS_SOURCES.")
        event = decode(envelope, payload_type)
        try:
            outcomes = await self.handlers[payload_type](event)
            if isinstance(outcomes, Outcome):
                return [outcomes]
            if isinstance(outcomes, Iterable) and not isinstance(outcomes, str | bytes | Mapping):
                outcomes = list(outcomes)  # in here, because a generator runs the handler's code
        except Exception as error:
            words = _rejection(error)
            if words is not None:
                raise DecodeError(Reason.REJECTED, words) from None
            if isinstance(error, DecodeError | SettingsError | SinkError | DeliveryError):
                raise DeliveryError(_describe(error)) from None  # its text is the handler's
            raise
        if outcomes is None:
            return []
        # An empty string or dict is an error too: taken for no outcomes, it would lose the event.
        if not isinstance(outcomes, list) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
            raise DeliveryError(
                f"The handler of {payload_type.__name__} should return an Outcome, several, or None."
            )
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            raise DeliveryError("Several outcomes have one id: give each a `part` in Outcome.of.")
        return outcomes


def _rejection(error: Exception) -> str | None:
    """Return a handler's reason if it raised RejectEvent, alone or in a TaskGroup; else None."""
    match error:
        case RejectEvent():
            return str(error).encode(errors="backslashreplace").decode()
        case ExceptionGroup(exceptions=errors):
            return next((words for inner in errors if (words := _rejection(inner)) is not None), None)
        case _:
            return None


_MOST = 10
"""The number of places, or of errors, in a description."""


def _describe(error: BaseException) -> str:
    """Return an error's type and the last places of this app in its traceback, without its text."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__} of {' and '.join(map(_describe, error.exceptions[:_MOST]))}"
    places = [
        f"{frame.f_code.co_filename.removeprefix(_APP)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(_APP) and "site-packages" not in frame.f_code.co_filename
    ]
    return f"{type(error).__name__} at {' > '.join(places[-_MOST:])}"


_APP = f"{Path(__file__).parent.parent}{os.sep}"
