"""A dead letter, wherever it is: in the app's queue or in one of Event Grid's blobs."""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from ops.terminal import Row
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS
from shared.telemetry import harmless_id

LEFT = {
    "unreadable": "left: no dead letter can be read from it",
    "blob_not_found": "left: its blob is not found, is OVERSIZE_CONTAINER right?",
}
"""Reasons of what holds no event, and what becomes of it unless it is purged by that very reason."""

UNDECODABLE = (ValueError, RecursionError, TypeError, KeyError, AttributeError)
"""What reading a document raises that is no JSON, is nested too deeply or is no dead letter."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter."""

    id: str
    since: datetime
    document: bytes
    """All that is known of it, as JSON where it is any."""
    reason: str
    function: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    event: str | None = None
    """The original event's text."""

    def delivery(self, function: str | None) -> tuple[str | None, str | None]:
        """Return the key of a delivery of its event to a function. Different events can share an id."""
        try:
            return json.dumps(json.loads(self.event or ""), sort_keys=True), function
        except UNDECODABLE:
            return self.event, function

    @property
    def target(self) -> str | None:
        """The function that takes this type of event, or else the one that refused it."""
        payload = PAYLOADS.get(self.event_type or "")
        return payload.family if payload else self.function

    @property
    def row(self) -> Row:
        """What a list shows of it: nothing personal."""
        return {
            "id": self.id,
            "reason": self.reason if re.fullmatch(r"[A-Za-z_]{1,60}", self.reason) else "unusual",
            "function": self.function or "unknown",
            "event_id": harmless_id(self.event_id),
            "event_type": self.event_type if self.event_type in PAYLOADS else "unknown",
            "since": self.since,
        }


def known_function(name: object) -> str | None:
    """Return the name of a function of the app, or None for any other value."""
    return name if isinstance(name, str) and name in QUEUE_SETTINGS else None
