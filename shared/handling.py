"""Dispatches events to handlers and decides the result of each delivery."""

import asyncio
import inspect
import os
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from msgspec import UNSET
from msgspec.structs import replace

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


class _Register[P: Payload](Protocol):
    def __call__[R: Outcomes](self, handler: Handler[P, R], /) -> Handler[P, R]: ...


class EventFamily:
    """The handlers of one event family: one function, one queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers: dict[type[Payload], Handler[Any, Outcomes]] = {}

    def on[P: Payload](self, payload_type: type[P]) -> _Register[P]:
        """Register the handler of one kind of event.

        Raises ValueError if the payload type is unknown, of another family or already registered, or if the
        handler is not `async def`.
        """

        def register[R: Outcomes](handler: Handler[P, R], /) -> Handler[P, R]:
            name = payload_type.__name__
            if payload_type not in PAYLOADS.values():
                raise ValueError(f"{name} is not among PAYLOAD_TYPES in shared/payloads/__init__.py")
            if payload_type.family != self.name:
                raise ValueError(f"{name} belongs to {payload_type.family}, not to {self.name}")
            if payload_type in self.handlers:
                raise ValueError(f"{name} has a handler already")
            if not inspect.iscoroutinefunction(handler):
                raise ValueError(f"{getattr(handler, '__name__', handler)}, a handler, is not `async def`")
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
        known = Delivery(function=self.name)
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT) as limit:
                settings = get_settings()
                document, envelope, event = self._read(text, settings)
                if envelope is not None:
                    event_type = envelope.type if envelope.type in PAYLOADS else None
                    known = replace(
                        known, event_id=envelope.id, event_type=event_type, event_time=envelope.time
                    )
                result = await self._handled(event) if isinstance(event, Event) else event
                if isinstance(result, DecodeError):
                    # A handler's words stay in the dead letter: they may quote the event.
                    detail = None if result.reason is Reason.REJECTED else result.detail
                    known = replace(known, reason=result.reason, detail=detail)
                    outcomes = [dead_letter(text, document, function=self.name, error=result)]
                    queue, fate = settings.dead_letter_queue, Fate.DEAD_LETTERED
                else:
                    outcomes, queue = result, settings.queues[self.name]
                    fate = Fate.WRITTEN if outcomes else Fate.IGNORED
                if outcomes:
                    start = perf_counter()
                    try:
                        known = replace(known, sizes=await get_sink().write(queue, outcomes))
                    finally:
                        known = replace(known, sink_seconds=perf_counter() - start)
                return replace(known, fate=fate), None
        except (SettingsError, SinkError, DeliveryError) as error:
            return replace(known, reason=type(error).__name__, detail=str(error)), error
        # CancelledError and SystemExit too: the worker would leave the invocation without an answer, or end.
        except (Exception, BaseExceptionGroup, asyncio.CancelledError, SystemExit) as error:
            detail = _describe(error)
            if limit.expired() and error.__cause__ is not None:
                detail = f"Not done within {DELIVERY_TIMEOUT:.0f} s: {_describe(error.__cause__)}"
            return replace(known, reason=type(error).__name__, detail=detail), DeliveryError(detail)

    def _read(self, text: str, settings: Settings) -> tuple[Any, Envelope | None, Event[Any] | DecodeError]:
        """Return an event's JSON value, its envelope, and the event or why it is refused."""
        document, envelope = UNSET, None
        try:
            document = parse_json(text)
            envelope = parse_envelope(document)
            return document, envelope, decode(envelope, self._payload_type(envelope, settings))
        except DecodeError as error:
            return document, envelope, error

    def _payload_type(self, envelope: Envelope, settings: Settings) -> type[Payload]:
        payload_type = PAYLOADS.get(envelope.type)
        if payload_type is not None and payload_type.family != self.name:
            detail = f"This event type belongs to the function {payload_type.family}."
            raise DecodeError(Reason.MISROUTED_EVENT_TYPE, detail)
        if payload_type not in self.handlers:
            raise DecodeError(Reason.UNSUPPORTED_EVENT_TYPE, "No handler takes this event type.")
        if not settings.trusts(envelope.source):
            raise DecodeError(Reason.UNTRUSTED_SOURCE, "The event's source is not among ACS_SOURCES.")
        return payload_type

    async def _handled(self, event: Event[Any]) -> list[Outcome] | DecodeError:
        """Return the outcomes of the event's handler, or why the handler rejects the event."""
        payload_type = type(event.data)
        try:
            outcomes = await self.handlers[payload_type](event)
            if isinstance(outcomes, Iterable) and not isinstance(outcomes, str | bytes | Mapping):
                outcomes = list(outcomes)  # in here, because a generator runs the handler's code
        except Exception as error:
            words = _rejection(error)
            if words is not None:
                return DecodeError(Reason.REJECTED, words)
            if isinstance(error, SettingsError | SinkError | DeliveryError):  # with words of the handler
                raise DeliveryError(_describe(error)) from None
            raise
        if outcomes is None:
            return []
        if isinstance(outcomes, Outcome):
            return [outcomes]
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
    files = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    places = [
        f"{file.removeprefix(_APP)}:{line}"
        for file, line in files
        if file.startswith(_APP) and "site-packages" not in file
    ]
    return f"{type(error).__name__} at {' > '.join(places[-_MOST:])}"


_APP = f"{Path(__file__).parent.parent}{os.sep}"
