"""The event subscriptions of `infra/event-subscriptions.json`, and Event Grid's rules for retries.

The rules are those of https://learn.microsoft.com/azure/event-grid/delivery-and-retry for Azure resources.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from local.errors import LocalError
from local.event_schemas import Event, Schema, type_of

FILE = Path("infra") / "event-subscriptions.json"

DELIVERED = frozenset({200, 201, 202, 203, 204})
NEVER_RETRIED = frozenset({400, 403, 413})

RETRY_SECONDS = (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""Before each further attempt; the last repeats."""

_LEAST_SECONDS: Mapping[int | None, int] = {401: 300, 404: 300, 408: 120, 503: 30}
OUTCOMES = {
    None: "SocketError",
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
}
"""What Event Grid calls a failed attempt; None is no connection."""


class RetryPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Limits of a delivery; Event Grid gives up at the one that is reached first."""

    max_delivery_attempts: int
    event_time_to_live_in_minutes: int


class Subscription(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An event subscription: which events a function receives, and how they are delivered."""

    name: str
    function: str
    included_event_types: Mapping[Literal["always", "user", "thread", "retired"], Sequence[str]]
    """By the chat level of a deployment; none includes `retired`, which ACS no longer publishes."""
    subject_begins_with: str
    subject_ends_with: str
    event_delivery_schema: Schema
    max_events_per_batch: Annotated[int, msgspec.Meta(ge=1, le=5_000)]
    preferred_batch_size_in_kilobytes: Annotated[int, msgspec.Meta(ge=1, le=1_024)]
    retry_policy: RetryPolicy
    dead_letter_container: str

    def matches(self, event: Event) -> bool:
        """Return whether the subscription includes the event. The case of subjects is ignored."""
        subject = str(event.get("subject", "")).lower()
        return (
            type_of(event) in chain.from_iterable(self.included_event_types.values())
            and subject.startswith(self.subject_begins_with.lower())
            and subject.endswith(self.subject_ends_with.lower())
        )


class _File[Entry](msgspec.Struct, forbid_unknown_fields=True):
    """The file: one entry for each function, and what holds where an entry does not say otherwise."""

    defaults: Mapping[str, Any]
    subscriptions: list[Entry]


def load(project_dir: Path) -> list[Subscription]:
    """Return the project's subscriptions, or none without the file. Raises LocalError."""
    file = project_dir / FILE
    try:
        content = msgspec.json.decode(file.read_bytes(), type=_File[dict[str, Any]])
        entries = [
            {"name": str(entry.get("function")).replace("_", "-"), **content.defaults, **entry}
            for entry in content.subscriptions
        ]
        return msgspec.convert({"defaults": {}, "subscriptions": entries}, _File[Subscription]).subscriptions
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise LocalError(f"{file} is wrong: {error}") from None


def retry_delay(status: int | None, attempts: int) -> float:
    """Return the seconds to the next attempt after so many, the last with this status, or with no answer."""
    scheduled = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
    return max(scheduled, _LEAST_SECONDS.get(status, 0))
