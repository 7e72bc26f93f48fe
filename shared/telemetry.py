"""Logs, spans and metrics of deliveries. They hold nothing personal.

If a setting turns OpenTelemetry on, the worker imports it before the app. Otherwise nothing here imports it,
because every cold start would wait for measurements that no one collects.
"""

import logging
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from shared.delivery import Delivery, Fate

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_logger = logging.getLogger("acs_events")
_RECORD = (
    "delivery function=%(acs.function)s event_id=%(acs.event_id)s event_type=%(acs.event_type)s "
    "fate=%(acs.fate)s reason=%(acs.reason)s ms=%(acs.ms).1f"
)
_LEVELS = {Fate.DEAD_LETTERED: logging.WARNING, Fate.RAISED: logging.ERROR}


def span(function: str) -> "AbstractContextManager[Span | None]":
    """Return the context of a delivery's span. Without OpenTelemetry it has no span."""
    if not _is_measured():
        return nullcontext()
    from shared import measuring

    return measuring.span(function)


def report(delivery: Delivery, seconds: float, current: "Span | None") -> None:
    """Log a delivery and its duration. With OpenTelemetry, add them to the span and the metrics."""
    attributes: dict[str, str | float] = {
        "acs.function": delivery.function,
        "acs.event_id": harmless_id(delivery.event_id),
        "acs.event_type": delivery.event_type or "unknown",
        "acs.fate": delivery.fate,
        "acs.reason": delivery.reason or "-",
        "acs.ms": seconds * 1000,
    }
    text = _RECORD
    if delivery.detail is not None:
        attributes["acs.detail"] = delivery.detail
        text += " detail=%(acs.detail)s"
    _logger.log(_LEVELS.get(delivery.fate, logging.INFO), text, attributes, extra=attributes)
    if current is not None:
        from shared import measuring

        measuring.finish(current, delivery, seconds, attributes)


def traceparent() -> str | None:
    """Return the trace context for outcomes to carry, or None without tracing."""
    if not _is_measured():
        return None
    from shared import measuring

    return measuring.traceparent()


def harmless_id(event_id: str | None) -> str:
    """Return the id if it has the form that ACS uses, else `none` or `unusual`.

    The id of a hand-made event can be any text, such as a phone number or several lines.
    """
    if event_id is None:
        return "none"
    return event_id if _ACS_ID.fullmatch(event_id) else "unusual"


_ACS_ID = re.compile(r"((Incoming|Outgoing)_[0-9]{14})?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_measured() -> bool:
    return "opentelemetry" in sys.modules
