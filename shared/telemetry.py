"""One log record per delivery, with nothing personal in it."""

import logging
import re
from enum import StrEnum
from time import perf_counter

_logger = logging.getLogger("acs_events")


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
        """Write the delivery's record: an error when it raised, a warning when it was dead-lettered."""
        level = {Fate.RAISED: logging.ERROR, Fate.DEAD_LETTERED: logging.WARNING}.get(fate, logging.INFO)
        _logger.log(
            level,
            "delivery function=%s event_id=%s event_type=%s fate=%s reason=%s ms=%.1f",
            self.function,
            _harmless(self.event_id),
            self.event_type or "unknown",
            fate,
            self.reason or "-",
            (perf_counter() - self._start) * 1000,
        )


def _harmless(event_id: str | None) -> str:
    """Return an id that looks like one that ACS makes, else a word that says it doesn't.

    The id of a hand-made event may be any text, a phone number or line breaks among it.
    """
    if event_id is None:
        return "none"
    return event_id if re.fullmatch(r"(?=.*[0-9a-f]{12})[0-9A-Za-z_-]{32,80}", event_id) else "unusual"
