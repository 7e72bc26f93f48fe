"""A dead letter, whichever of the two places it was found in, and where it is safe to show what of it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ops.terminal import printable
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS
from shared.telemetry import harmless_id

UNREADABLE = "unreadable"
"""The reason of what is no dead letter."""

BLOB_NOT_FOUND = "blob_not_found"
"""The reason of a message that refers to a blob which is not there."""

LEFT = {
    UNREADABLE: "left: no dead letter can be read from it",
    BLOB_NOT_FOUND: "left: its blob is not found, is OVERSIZE_CONTAINER right?",
}
"""What becomes of these two, as long as they are not purged by that very reason."""

TAKEN = "left: another reader had it"

UNDECODABLE = (ValueError, RecursionError)
"""What decoding raises for what is no JSON, or is nested too deeply."""

CONNECTIONS = 8
"""How many requests are under way at once; a storage client keeps ten connections."""

_SHORT = 8


@dataclass(frozen=True)
class Letter:
    """One dead letter."""

    id: str
    reason: str
    function: str | None
    event_id: str | None
    event_type: str | None
    since: datetime
    document: bytes
    """All that is known of it, as JSON where it is any."""
    original: bytes | None
    """The event, as it is posted again."""
    key: str
    """The id of the dead letter that the app writes of this event: the same every time."""

    @property
    def listed_reason(self) -> str:
        """The reason as it is safe to show."""
        return self.reason if re.fullmatch(r"[A-Za-z_]{1,60}", self.reason) else "unusual"

    @property
    def target(self) -> str | None:
        """The function that takes this type of event, or else the one that refused it."""
        payload = PAYLOADS.get(self.event_type or "")
        if payload is not None:
            return payload.family
        return self.function if self.function in QUEUE_SETTINGS else None


class Letters(Protocol):
    """Where dead letters are."""

    place: str
    hidden: int
    """About how many there were that could not be collected."""

    def collect(self, report: Callable[[int], None]) -> list[Letter]:
        """Return all of them, telling now and then how many there are so far."""
        ...

    def why_left(self, letter: Letter) -> str | None:
        """Return why this dead letter has to be left for now, or None."""
        ...

    def hold(self, letter: Letter) -> str | None:
        """Make sure that it is there, and stays for a minute; return a word for why it has to be left."""
        ...

    def remove(self, letter: Letter) -> bool:
        """Remove it for ever; False where another reader had it."""
        ...

    def release(self) -> None:
        """Let others see what was collected and not removed."""
        ...


def table(letters: Sequence[Letter], *, show_data: bool) -> list[str]:
    """Return aligned lines: with nothing personal in them, unless asked for."""
    short = _short_length(letters)
    header = ("ID", "REASON", "FUNCTION", "EVENT ID", "EVENT TYPE", "AGE")
    return aligned([header, *(_row(letter, short, show_data=show_data) for letter in letters)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def age(since: datetime | None) -> str:
    """Return how long ago that was, in its largest unit."""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds())) if since else 0
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s" if since else "-"


def counts(letters: Iterable[Letter]) -> list[str]:
    """Return one line for each reason and function."""
    groups: dict[tuple[str, str], int] = {}
    for letter in letters:
        group = (letter.listed_reason, _function(letter))
        groups[group] = groups.get(group, 0) + 1
    return aligned([(f"{count:>7}", *group) for group, count in sorted(groups.items())]) if groups else []


def _row(letter: Letter, short: int, *, show_data: bool) -> Sequence[str]:
    return (
        letter.id[:short],
        letter.listed_reason,
        _function(letter),
        printable(letter.event_id or "none") if show_data else harmless_id(letter.event_id),
        (
            printable(letter.event_type or "none") if show_data else _known_type(letter.event_type)
        ).removeprefix("Microsoft.Communication."),
        age(letter.since),
    )


def _short_length(letters: Sequence[Letter]) -> int:
    """Return how many characters of the ids tell them apart."""
    ids = {letter.id for letter in letters}
    return next(n for n in range(_SHORT, 100) if len({text[:n] for text in ids}) == len(ids))


def _function(letter: Letter) -> str:
    return letter.function if letter.function and letter.function in QUEUE_SETTINGS else "unknown"


def _known_type(text: str | None) -> str:
    return text if text and text in PAYLOADS else "unknown"
