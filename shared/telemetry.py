"""One log record per delivery, with nothing personal in it."""

import logging
import re
from enum import StrEnum
from time import perf_counter

_logger = logging.getLogger("acs_events")
_RECORD = "delivery function=%s event_id=%s event_type=%s fate=%s reason=%s ms=%.1f"


class Fate(StrEnum):
    """What became of one delivery."""

    WRITTEN = "written"
    DEAD_LETTERED = "dead_lettered"
    IGNORED = "ignored"
    RAISED = "raised"
    """The function raised, and Event Grid delivers the event again."""


class Delivery:
    """What is known of one delivery while it is handled."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.event_id: str | None = None
        self.event_type: str | None = None
        """Set only to a supported type: any other text is the sender's."""
        self.reason: str | None = None
        self._start = perf_counter()

    def log(self, fate: Fate) -> None:
        """Write the delivery's record: a warning when it was dead-lettered."""
        level = logging.WARNING if fate is Fate.DEAD_LETTERED else logging.INFO
        _logger.log(level, _RECORD, *self._fields(fate))

    def log_raised(self, error: type[Exception], detail: str) -> None:
        """Write the record of a delivery that raised, an error; the detail must hold nothing of the event."""
        self.reason = error.__name__
        _logger.error(f"{_RECORD} detail=%s", *self._fields(Fate.RAISED), detail)  # noqa: G004 - two constants

    def _fields(self, fate: Fate) -> tuple[object, ...]:
        return (
            self.function,
            harmless_id(self.event_id),
            self.event_type or "unknown",
            fate,
            self.reason or "-",
            (perf_counter() - self._start) * 1000,
        )


def harmless_id(event_id: str | None) -> str:
    """Return an id that looks like one that ACS makes, else a word that says it doesn't.

    The id of a hand-made event may be any text, a phone number or line breaks among it.
    """
    if event_id is None:
        return "none"
    return event_id if re.fullmatch(r"(?=.*[0-9a-f]{12})[0-9A-Za-z_-]{32,80}", event_id) else "unusual"
