"""What is written to a queue: outcomes and dead letters, as CloudEvents 1.0 JSON documents.

Every outcome is a pure function of its event, so that a redelivery writes the same bytes under the same id.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Self

import msgspec
from msgspec import UNSET, UnsetType

from shared.decoding import Event
from shared.envelope import LONGEST_ATTRIBUTE, UNKNOWN_SOURCE, DecodeError, Reason, text_at
from shared.payloads import Payload

APP_VERSION = "0.1.0"
DEAD_LETTER_TYPE = "acs.dead-letter"

_SCHEMA_VERSION = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One CloudEvents document; consumers deduplicate on (`source`, `id`)."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str | UnsetType = UNSET
    time: str | UnsetType = UNSET
    datacontenttype: str = "application/json"
    dataschema: str | UnsetType = UNSET
    eventtype: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    changekey: str | UnsetType = UNSET
    partitionkey: str | UnsetType = UNSET
    sequence: str | UnsetType = UNSET
    smskeyword: str | UnsetType = UNSET
    deliveryoutcome: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    dataref: str | UnsetType = UNSET
    data: Any = UNSET

    @classmethod
    def of[P: Payload](
        cls,
        event: Event[P],
        *,
        smskeyword: str | None = None,
        deliveryoutcome: str | None = None,
        data: Mapping[str, Any] | None = None,
        part: str | None = None,
    ) -> Self:
        """Return the outcome of an event: its data in the GA shape, and what its payload says of order.

        `data` takes the place of the event's own, and then there is no `dataschema`. A `part` ends the id: it
        tells several outcomes of one event apart, the same at every redelivery. Raises DecodeError where the
        identifiers in the data are longer than a queue message can hold, ValueError where the part is.
        """
        if part is not None and len(part) > LONGEST_ATTRIBUTE:
            raise ValueError(f"a part should have at most {LONGEST_ATTRIBUTE} characters")
        outcome_type = event.data.outcome_type
        return cls(
            id=f"{event.id}:{outcome_type}" + (f":{part}" if part else ""),
            source=event.source,
            type=outcome_type,
            subject=_or_unset(event.subject),
            time=_or_unset(event.time),
            dataschema=schema_of(outcome_type) if data is None else UNSET,
            eventtype=event.type,
            scope=_or_unset(event.scope),
            changekey=_or_unset(_not_over_long(event.data.change_key)),
            partitionkey=_not_over_long(event.data.partition_key),
            sequence=_sortable(event.data.sequence),
            smskeyword=_or_unset(smskeyword),
            deliveryoutcome=_or_unset(deliveryoutcome),
            data=event.ga_data if data is None else data,
        )

    def encode(self) -> bytes:
        """Return the document as UTF-8 JSON."""
        return msgspec.json.encode(self)


def schema_of(outcome_type: str) -> str:
    """Return the identifier of an outcome type's schema, with its version."""
    return f"urn:acs-event-functions:{outcome_type}:{_SCHEMA_VERSION}"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `data` of a dead letter: the original event, and why it was refused."""

    reason: str
    detail: str
    function: str
    event_id: str | None
    event_type: str | None
    app_version: str = APP_VERSION
    original: msgspec.Raw | str
    """The event as JSON, byte for byte as it came, or its text where it is no JSON."""


def dead_letter(text: str, document: Any, *, function: str, error: DecodeError) -> Outcome:
    """Return the dead letter of an event's text; `document` is its JSON value, UNSET where it has none.

    An event without an id gets the SHA-256 of its text: a redelivery still writes the same id.
    """
    event_id = text_at(document, "id")
    event_type = text_at(document, "eventType", "type")
    safe_text = text.encode(errors="backslashreplace")
    original = safe_text.decode() if document is UNSET else msgspec.Raw(safe_text)
    return Outcome(
        id=f"{event_id or hashlib.sha256(safe_text).hexdigest()}:{DEAD_LETTER_TYPE}",
        source=text_at(document, "topic", "source") or UNKNOWN_SOURCE,
        type=DEAD_LETTER_TYPE,
        subject=_or_unset(text_at(document, "subject")),
        dataschema=schema_of(DEAD_LETTER_TYPE),
        eventtype=_or_unset(event_type),
        data=DeadLetter(
            reason=error.reason,
            detail=error.detail,
            function=function,
            event_id=event_id,
            event_type=event_type,
            original=original,
        ),
    )


def _not_over_long[T: str | None](key: T) -> T:
    if key is not None and len(key) > LONGEST_ATTRIBUTE:
        raise DecodeError(Reason.INVALID_DATA, "An identifier is too long - in `$.data`.")
    return key


def _or_unset(value: str | None) -> str | UnsetType:
    return UNSET if value is None else value


def _sortable(sequence: int | None) -> str | UnsetType:
    """Return a number as 19 digits, so that text order is numeric order."""
    return UNSET if sequence is None or sequence < 0 else f"{sequence:019d}"
