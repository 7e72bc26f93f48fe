"""JSON text to Envelope: the Event Grid or CloudEvents wrapper around an event's data."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

LONGEST_ATTRIBUTE = 1024
"""Characters of an id, type, source or subject: ACS sends a few hundred, and a message must hold them all."""

UNKNOWN_SOURCE = "unknown"
"""The source of an event that names none; CloudEvents requires one."""


_EXPECTED = f"Expected a string of 1 to {LONGEST_ATTRIBUTE} characters"


class Reason(StrEnum):
    """Why an event was refused: the dead letter's `reason`."""

    INVALID_JSON = "invalid_json"
    INVALID_ENVELOPE = "invalid_envelope"
    UNSUPPORTED_EVENT_TYPE = "unsupported_event_type"
    MISROUTED_EVENT_TYPE = "misrouted_event_type"
    INVALID_DATA = "invalid_data"
    UNTRUSTED_SOURCE = "untrusted_source"
    REJECTED = "rejected"


class DecodeError(Exception):
    """Raised for an event that no retry can fix. `detail` has a JSON path, and no value of the event."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


type JsonPath = str | tuple[JsonPath, str | int]
"""A JSON path that becomes text only if it is needed: what it leads from, and a key or an index."""


def invalid(fault: str, path: JsonPath, reason: Reason = Reason.INVALID_DATA) -> DecodeError:
    """Return the error of a fault at a JSON path."""
    steps = ""
    while not isinstance(path, str):
        path, step = path
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}") + steps
    return DecodeError(reason, f"{fault} - at `{path}{steps}`.")


def convert(
    value: Any, wanted: Any, path: JsonPath, *, strict: bool = True, reason: Reason = Reason.INVALID_DATA
) -> Any:
    """Return a JSON value as a Python type. Raises DecodeError."""
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        fault, _, _ = str(error).partition(" - at ")
        # msgspec names types, and quotes the value only where it should be one of an enumeration.
        raise invalid(fault if fault.startswith("Expected ") else "Invalid value", path, reason) from None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event before its data is decoded."""

    id: str
    source: str
    """The ACS resource id as it arrived; its casing is not stable."""
    type: str
    subject: str | None
    time: str | None
    """RFC 3339 in UTC; None where the event has no readable time."""
    data: Any


def parse_json(text: str) -> Any:
    """Return the JSON value; the last of duplicate keys wins. Raises DecodeError (`invalid_json`)."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise DecodeError(Reason.INVALID_JSON, "The event is not valid JSON.") from None
    except RecursionError:
        raise DecodeError(Reason.INVALID_JSON, "The event is nested too deeply.") from None


def parse_envelope(document: Any) -> Envelope:
    """Read either schema's envelope, and mixtures of both. Raises DecodeError (`invalid_envelope`)."""
    if not isinstance(document, dict):
        convert(document, dict, "$", reason=Reason.INVALID_ENVELOPE)
    event_type = text_at(document, "eventType", "type")
    event_id = text_at(document, "id")
    if event_type is None:
        raise invalid(_EXPECTED, "$.eventType` or `$.type", Reason.INVALID_ENVELOPE)
    if event_id is None:
        raise invalid(_EXPECTED, "$.id", Reason.INVALID_ENVELOPE)
    return Envelope(
        id=event_id,
        source=text_at(document, "topic", "source") or UNKNOWN_SOURCE,
        type=event_type,
        subject=text_at(document, "subject"),
        time=utc_time(document.get("eventTime")) or utc_time(document.get("time")),
        data=document.get("data"),
    )


def text_at(document: Any, *keys: str) -> str | None:
    """Return the first string under one of the keys that is neither empty nor over long, or None."""
    if not isinstance(document, dict):
        return None
    for key in keys:
        value = document.get(key)
        if isinstance(value, str) and 0 < len(value) <= LONGEST_ATTRIBUTE:
            return value
    return None


_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.[0-9]{1,9})?(Z|z|[+-][0-9]{2}:[0-9]{2})?"
)


def utc_time(value: Any) -> str | None:
    """Return a time as RFC 3339 in UTC with the fraction as it came, or None for what is no time.

    A time without an offset is UTC: ACS sends no other.
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    date, clock, fraction, offset = match.groups(default="")
    second = f"{date}T{clock}"
    try:
        if offset not in ("", "Z", "z"):
            second = datetime.fromisoformat(f"{second}{offset}").astimezone(UTC).isoformat()[:19]
        msgspec.convert(text := f"{second}{fraction}Z", datetime)
    except (ValueError, OverflowError, msgspec.ValidationError):
        return None
    return text
