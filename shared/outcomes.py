"""Outcomes and dead letters: the CloudEvents 1.0 JSON documents that are written to queues.

Every outcome is a pure function of its event, so that a redelivery writes the same bytes under the same id.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import msgspec

from shared.decoding import Event
from shared.envelope import LONGEST_ATTRIBUTE, UNKNOWN_SOURCE, DecodeError, text_at
from shared.model import Payload

APP_VERSION = "0.1.0"
DEAD_LETTER_TYPE = "acs.dead-letter"

type Attribute = str | int | bool
"""The value of a CloudEvents extension attribute."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CloudEvents document; consumers deduplicate on (`source`, `id`)."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str
    dataschema: str | None = None
    eventtype: str | None = None
    scope: str | None = None
    changekey: str | None = None
    partitionkey: str | None = None
    sequence: str | None = None
    traceparent: str | None = None
    dataref: str | None = None
    data: Any = None
    extensions: Mapping[str, Attribute] = {}
    """Further attributes, which are encoded beside the others."""

    @classmethod
    def of[P: Payload](
        cls,
        event: Event[P],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        data: Mapping[str, Any] | None = None,
        part: str | None = None,
    ) -> Self:
        """Return the outcome of an event: its data in the GA shape, and what its payload says about order.

        `attributes` are CloudEvents extension attributes. `data` replaces the event's data, and then there is
        no `dataschema`. `part` ends the id: it distinguishes several outcomes of one event, and has to be the
        same at every redelivery. Raises ValueError if an attribute or the part is not valid.
        """
        if part is not None and len(part) > LONGEST_ATTRIBUTE:
            raise ValueError(f"a part should have at most {LONGEST_ATTRIBUTE} characters")
        payload, sequence = event.data, event.data.sequence
        return cls(
            specversion="1.0",
            datacontenttype="application/json",
            id=f"{event.id}:{payload.outcome_type}" + (f":{part}" if part else ""),
            source=event.source,
            type=payload.outcome_type,
            subject=event.subject,
            time=event.time,
            dataschema=schema_of(payload.outcome_type, payload.schema_version) if data is None else None,
            eventtype=event.type,
            scope=event.scope,
            changekey=event.change_key,
            partitionkey=event.partition_key,
            # 19 digits, so that text order is numeric order.
            sequence=None if sequence is None or sequence < 0 else f"{sequence:019d}",
            data=event.ga_data if data is None else data,
            extensions=_checked(attributes) if attributes else {},
        )

    def encode(self) -> bytes:
        """Return the document as UTF-8 JSON."""
        if not self.extensions:
            return msgspec.json.encode(self)
        rest = self.extensions if self.data is None else {**self.extensions, "data": self.data}
        head = msgspec.json.encode(msgspec.structs.replace(self, data=None, extensions={}))
        return head[:-1] + b"," + msgspec.json.encode(rest)[1:]


def _checked(attributes: Mapping[str, Any]) -> Mapping[str, Attribute]:
    """Return extension attributes that follow the rules of CloudEvents. Raises ValueError."""
    for name, value in attributes.items():
        if not 0 < len(name) <= 20 or _NOT_NAME.search(name):
            raise ValueError("the name of an attribute should be 1 to 20 lower-case letters and digits")
        if name in _OWN:
            raise ValueError(f"{name} is an attribute that the app sets: choose another name")
        if isinstance(value, str):
            is_valid = len(value) <= LONGEST_ATTRIBUTE and not _NOT_TEXT.search(value)
        else:
            is_valid = isinstance(value, int) and -(2**31) <= value < 2**31  # a boolean, too
        if not is_valid:
            raise ValueError(
                f"{name} should be a boolean, an integer of 32 bits, or a string of at most "
                f"{LONGEST_ATTRIBUTE} characters without control characters"
            )
    return dict(attributes)


_OWN = frozenset(Outcome.__struct_fields__)
_NOT_NAME = re.compile("[^a-z0-9]")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def schema_of(outcome_type: str, version: int) -> str:
    """Return the identifier of a version of an outcome type's schema."""
    return f"urn:acs-event-functions:{outcome_type}:{version}"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `data` of a dead letter: the original event, and why it was refused."""

    schema_version: ClassVar[int] = 1

    reason: str
    detail: str
    function: str
    event_id: str | None
    event_type: str | None
    app_version: str = APP_VERSION
    original: msgspec.Raw | str
    """The event as JSON, as the function received it, or its text if it is not JSON."""


def dead_letter(text: str, document: Any, *, function: str, error: DecodeError) -> Outcome:
    """Return the dead letter of an event's text. `document` is its JSON value, or UNSET if it is not JSON.

    The id ends in a digest of the text, because different events can share an event id, or have none.
    """
    event_id = text_at(document, "id")
    event_type = text_at(document, "eventType", "type")
    safe_text = text.encode(errors="backslashreplace")
    digest = hashlib.sha256(safe_text).hexdigest()[:32]
    original = safe_text.decode() if document is msgspec.UNSET else msgspec.Raw(safe_text)
    return Outcome(
        specversion="1.0",
        datacontenttype="application/json",
        id=f"{event_id or 'unknown'}:{DEAD_LETTER_TYPE}:{digest}",
        source=text_at(document, "topic", "source") or UNKNOWN_SOURCE,
        type=DEAD_LETTER_TYPE,
        subject=text_at(document, "subject"),
        dataschema=schema_of(DEAD_LETTER_TYPE, DeadLetter.schema_version),
        eventtype=event_type,
        data=DeadLetter(
            reason=error.reason,
            detail=error.detail,
            function=function,
            event_id=event_id,
            event_type=event_type,
            original=original,
        ),
    )
