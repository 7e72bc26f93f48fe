"""Properties of all inputs, tested with events that Hypothesis makes. `make fuzz` runs them for longer."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from shared.decoding import UNREADABLE, decode
from shared.envelope import DecodeError, Reason, parse_envelope, parse_json, utc_time
from shared.handling import EventFamily
from shared.model import Payload
from shared.payloads import FAMILIES, PAYLOADS
from shared.settings import get_settings
from tests import recording
from tests.events import SAMPLES, as_cloud_event, sample
from tests.recording import Delivered, deliver
from tests.schemas import faults
from tests.strategies import (
    JSON,
    UNKNOWN,
    deliveries,
    family_of,
    marked_events,
    mutated_events,
    recased,
    shuffled,
    texts,
    with_unknown_keys,
)

# The same cases on every run: what is new is looked for by `make fuzz`, not by somebody's pull request.
repeatable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

DECODING_REASONS = (Reason.INVALID_JSON, Reason.INVALID_ENVELOPE, Reason.INVALID_DATA)
RECORD = re.compile(
    rf"delivery function=({'|'.join(FAMILIES)})"
    r" event_id=(none|unusual|((Incoming|Outgoing)_[0-9]{14})?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r" event_type=(unknown|Microsoft\.Communication\.[A-Za-z]+)"
    r" (fate=written reason=- ms=[0-9]+\.[0-9]"
    r"|fate=dead_lettered reason=[a-z_]+ ms=[0-9]+\.[0-9] detail=[A-Z][A-Za-z0-9_ '`$.,<>=\[\]-]+\.)"
)


@pytest.fixture(scope="module", autouse=True)
def _settings() -> Iterator[None]:
    with recording.settings():
        yield


@repeatable
@given(deliveries())
def test_every_delivery_is_written_once_or_dead_lettered_once(delivery: tuple[EventFamily, str]) -> None:
    """If storage works, nothing raises, is lost or is written twice. A redelivery writes the same bytes."""
    family, text = delivery
    delivered = deliver(family, text)
    ((queue, document),) = delivered.written
    outcome = strict_json(document)
    dead = outcome["type"] == "acs.dead-letter"
    assert queue == (get_settings().dead_letter_queue if dead else get_settings().queues[family.name])
    (record,) = delivered.records
    assert RECORD.fullmatch(record)
    assert f" fate={'dead_lettered' if dead else 'written'} " in record
    assert delivered.written == deliver(family, text).written


@repeatable
@given(deliveries())
def test_an_outcome_is_a_whole_cloud_event(delivery: tuple[EventFamily, str]) -> None:
    """Every document has what CloudEvents 1.0 requires, and each attribute is a non-empty string."""
    ((_, document),) = deliver(*delivery).written
    outcome = strict_json(document)
    attributes = {name: value for name, value in outcome.items() if name != "data"}
    assert {"specversion", "id", "source", "type"} <= attributes.keys()
    assert all(isinstance(value, str) for value in attributes.values())
    assert all(attributes[name] for name in ("specversion", "id", "source", "type"))
    assert isinstance(outcome["data"], dict)


@repeatable
@given(texts())
def test_decoding_raises_nothing_but_a_decode_error(text: str) -> None:
    """Every text is decoded, or refused with a reason."""
    refused = refusal(text)
    assert refused is None or refused.reason in DECODING_REASONS


@repeatable
@given(mutated_events())
def test_both_schemas_give_the_same_bytes(event: dict[str, Any]) -> None:
    """The schema around the same data makes no difference, for good and bad data."""
    envelope = {"id": "e1", "topic": "/s", "subject": "s", "eventType": _type_of(event), "eventTime": "x"}
    wrapped = envelope | {"data": event.get("data")}
    assert _outcome_or_detail(wrapped) == _outcome_or_detail(as_cloud_event(wrapped))


@repeatable
@given(st.sampled_from(SAMPLES), st.data())
def test_the_order_of_keys_changes_nothing(name: str, data: st.DataObject) -> None:
    """The order of keys, at every depth, makes no difference to the outcome."""
    assert _outcome(sample(name)) == _outcome(data.draw(shuffled(sample(name))))


@repeatable
@given(st.sampled_from(SAMPLES), st.data())
def test_the_casing_of_known_keys_changes_nothing(name: str, data: st.DataObject) -> None:
    """Every casing of the keys of the data, at every depth, gives the same bytes."""
    event = sample(name)
    turned = event | {"data": data.draw(recased(event["data"]))}
    assert _written(event) == _written(turned)


@repeatable
@given(st.sampled_from(SAMPLES), st.data())
def test_unknown_keys_change_nothing_else(name: str, data: st.DataObject) -> None:
    """Unknown keys are kept, and the rest of the outcome stays the same.

    If a field arrives under two names, unknown keys of the value that is not used are kept as well.
    """
    extended = _outcome(data.draw(with_unknown_keys(sample(name))))
    assert _outcome(sample(name)) == _without_unknown_keys(extended)


@repeatable
@given(mutated_events())
def test_no_scalar_of_an_accepted_event_is_lost(event: dict[str, Any]) -> None:
    """Each value of its data is in the outcome's data: unchanged, or as a number or a time in UTC."""
    ((_, document),) = deliver(family_of(event), json.dumps(event)).written
    outcome = strict_json(document)
    if outcome["type"] != "acs.dead-letter":
        assert set(_scalars(event["data"])) <= set(_scalars(outcome["data"]))


@repeatable
@given(mutated_events())
def test_an_outcome_validates_under_its_schema(event: dict[str, Any]) -> None:
    """A value that cannot be read does not get into a field that a typed consumer reads."""
    ((_, document),) = deliver(family_of(event), json.dumps(event)).written
    assert [] == faults(strict_json(document))


@repeatable
@given(st.sampled_from(SAMPLES), st.data())
def test_an_optional_field_never_refuses_an_event(name: str, data: st.DataObject) -> None:
    """The event comes out, whatever the field contains."""
    event = sample(name)
    payload = PAYLOADS[_type_of(event)]
    field = data.draw(st.sampled_from([info for info in fields(payload) if not info.required]))
    event["data"][field.encode_name] = data.draw(JSON)
    assert decodes(event, payload)


@repeatable
@given(marked_events())
def test_nothing_of_an_event_is_in_a_record_or_a_refusal(marked: tuple[dict[str, Any], list[str]]) -> None:
    """No value and no unknown key of the input gets into the log, a reason or a detail."""
    event, marks = marked
    text = json.dumps(event)
    delivered = deliver(family_of(event), text)
    said = [*delivered.records, *_reason_and_detail(delivered), str(refusal(text)), repr(refusal(text))]
    assert not [mark for mark in marks for line in said if mark.strip() in line or repr(mark)[1:-1] in line]


def strict_json(document: bytes) -> dict[str, Any]:
    """Decode JSON as a strict reader does: UTF-8, no NaN and no infinity."""
    value = json.loads(document.decode(), parse_constant=_no_constant)
    assert isinstance(value, dict)
    return value


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _written(event: dict[str, Any]) -> bytes:
    """Return the bytes of the outcome of an event that must be accepted."""
    document = _outcome_or_detail(event)
    assert isinstance(document, bytes)
    return document


def _outcome(event: dict[str, Any]) -> dict[str, Any]:
    return strict_json(_written(event))


def _outcome_or_detail(event: dict[str, Any]) -> bytes | str:
    """Return the bytes of the outcome, or the detail of the dead letter."""
    ((_, document),) = deliver(family_of(event), json.dumps(event)).written
    data = strict_json(document)["data"]
    return f"{data['reason']} {data['detail']}" if b'"type":"acs.dead-letter"' in document else document


def _type_of(event: dict[str, Any]) -> str:
    found = event.get("eventType") or event.get("type")
    return found if isinstance(found, str) else "none"


def _without_unknown_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_unknown_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_unknown_keys(item)
        for key, item in value.items()
        if not key.startswith(UNKNOWN) and key != UNREADABLE
    }


def _scalars(value: Any) -> Iterator[str]:
    """Return the scalars in a JSON value except empty strings, with one form for times and for numbers."""
    match value:
        case dict():
            for item in value.values():
                yield from _scalars(item)
        case list():
            for item in value:
                yield from _scalars(item)
        case None | "":
            pass
        case str():
            yield utc_time(value) or (str(int(value)) if re.fullmatch(r"-?[0-9]{1,19}", value) else value)
        case float() if value.is_integer():
            yield str(int(value))
        case _:
            yield str(value)


def decodes(event: dict[str, Any], payload_type: type[Payload]) -> bool:
    """Return whether an event is accepted, if its JSON is valid."""
    try:
        document = parse_json(json.dumps(event))
    except DecodeError:
        return True
    return bool(decode(parse_envelope(document), payload_type))


def _reason_and_detail(delivered: Delivered) -> list[str]:
    ((_, document),) = delivered.written
    outcome = strict_json(document)
    if outcome["type"] != "acs.dead-letter":
        return []
    return [outcome["data"]["reason"], outcome["data"]["detail"]]


def refusal(text: str) -> DecodeError | None:
    """Return the error of a text that cannot be decoded, for whichever family it is."""
    try:
        envelope = parse_envelope(parse_json(text))
        if envelope.type in PAYLOADS:
            decode(envelope, PAYLOADS[envelope.type])
    except DecodeError as error:
        return error
    return None
