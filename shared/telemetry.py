"""What is told of a delivery: a log record and, with OpenTelemetry, a span and metrics; nothing personal.

Where a setting turns OpenTelemetry on, the worker imports it before the app. Otherwise nothing here does:
every cold start would pay for measurements that go nowhere.
"""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_logger = logging.getLogger("acs_events")
_RECORD = (
    "delivery function=%(acs.function)s event_id=%(acs.event_id)s event_type=%(acs.event_type)s "
    "fate=%(acs.fate)s reason=%(acs.reason)s ms=%(acs.ms).1f"
)


class Fate(StrEnum):
    """What became of one delivery."""

    WRITTEN = "written"
    DEAD_LETTERED = "dead_lettered"
    IGNORED = "ignored"
    RAISED = "raised"
    """The function raised, and Event Grid delivers the event again."""


_LEVELS = {Fate.DEAD_LETTERED: logging.WARNING, Fate.RAISED: logging.ERROR}


class Delivery(Struct):
    """What is known of one delivery while it is handled."""

    function: str
    fate: Fate = Fate.RAISED
    event_id: str | None = None
    event_type: str | None = None
    """Set only to a supported type: any other text is the sender's."""
    event_time: str | None = None
    """RFC 3339 in UTC."""
    reason: str | None = None
    detail: str | None = None
    """More on the reason; must hold nothing of the event."""
    sizes: Sequence[int] = ()
    """Bytes of each outcome that was written."""
    sink_seconds: float | None = None
    start: float = field(default_factory=perf_counter)


@contextmanager
def delivering(function: str) -> Iterator[Delivery]:
    """Report one delivery when it ends, however it does."""
    delivery = Delivery(function)
    with _span(function) as span:
        try:
            yield delivery
        finally:
            _report(delivery, span)


def traceparent() -> str | None:
    """Return the trace context for an outcome to carry on; None without tracing."""
    if not _is_measured():
        return None
    from shared import measuring

    return measuring.traceparent()


def harmless_id(event_id: str | None) -> str:
    """Return an id that looks like one that ACS makes, else a word that says it doesn't.

    The id of a hand-made event may be any text, a phone number or line breaks among it.
    """
    if event_id is None:
        return "none"
    return event_id if _ACS_ID.fullmatch(event_id) else "unusual"


_ACS_ID = re.compile(r"((Incoming|Outgoing)_[0-9]{14})?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_measured() -> bool:
    return "opentelemetry" in sys.modules


def _span(function: str) -> "AbstractContextManager[Span | None]":
    if not _is_measured():
        return nullcontext()
    from shared import measuring

    return measuring.span(function)


def _report(delivery: Delivery, span: "Span | None") -> None:
    seconds = perf_counter() - delivery.start
    attributes: dict[str, str | float] = {
        "acs.function": delivery.function,
        "acs.event_id": harmless_id(delivery.event_id),
        "acs.event_type": delivery.event_type or "unknown",
        "acs.fate": delivery.fate.value,
        "acs.reason": delivery.reason or "-",
        "acs.ms": seconds * 1000,
    }
    text = _RECORD
    if delivery.detail is not None:
        attributes["acs.detail"] = delivery.detail
        text += " detail=%(acs.detail)s"
    _logger.log(_LEVELS.get(delivery.fate, logging.INFO), text, attributes, extra=attributes)
    if span is not None:
        from shared import measuring

        measuring.finish(span, delivery, seconds, attributes)
