"""What is known of one delivery."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Fate(StrEnum):
    """The result of one delivery."""

    WRITTEN = "written"
    DEAD_LETTERED = "dead_lettered"
    IGNORED = "ignored"
    RAISED = "raised"
    """The function raised an error, and Event Grid delivers the event again."""


class Delivery(Struct, frozen=True, kw_only=True):
    """What logs and metrics say about one delivery. Nothing in it is personal, except the event id."""

    function: str
    fate: Fate = Fate.RAISED
    event_id: str | None = None
    event_type: str | None = None
    """None unless it is a supported type: any other text is the sender's."""
    event_time: str | None = None
    """RFC 3339 in UTC."""
    reason: str | None = None
    detail: str | None = None
    """More about the reason, with nothing of the event."""
    sizes: Sequence[int] = ()
    """The size in bytes of each outcome that was written."""
    sink_seconds: float | None = None
    """Seconds that writing took. None if nothing was to be written."""
