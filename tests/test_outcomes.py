"""Outcomes and dead letters: the contract with consumers of the queues."""

import hashlib
import json
from typing import Any

import pytest
from azure.core.messaging import CloudEvent
from msgspec import UNSET
from msgspec.structs import replace

from shared.decoding import decode
from shared.envelope import DecodeError, Reason, parse_envelope, parse_json
from shared.outcomes import Attribute, Outcome, dead_letter
from shared.payloads import PAYLOADS
from shared.payloads.chat_thread import ChatThreadDeleted
from shared.payloads.membership import ParticipantAdded, ParticipantRemoved
from shared.payloads.sms import SmsDeliveryReportReceived, SmsReceived
from tests.events import FAMILIES, SAMPLES, as_cloud_event, event_from, golden, sample
from tests.greetings import Greeted, greeting


async def outcome_of(event: dict[str, Any]) -> Outcome:
    """Return the outcome that the handler of the event's type gives."""
    envelope = parse_envelope(parse_json(json.dumps(event)))
    payload_type = PAYLOADS[envelope.type]
    handler = FAMILIES[payload_type.family].handlers[payload_type]
    outcome = await handler(decode(envelope, payload_type))
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_sample_gives_its_golden_outcome(name: str) -> None:
    """Both schemas give the golden document, and the same bytes."""
    document = (await outcome_of(sample(name))).encode()
    assert golden(name) == json.loads(document)
    assert document == (await outcome_of(as_cloud_event(sample(name)))).encode()


@pytest.mark.parametrize("name", SAMPLES)
async def test_an_outcome_is_a_cloud_event(name: str) -> None:
    """A consumer reads an outcome with azure-core's CloudEvent."""
    event: CloudEvent[Any] = CloudEvent.from_json((await outcome_of(sample(name))).encode())
    assert (event.type, event.data) == (golden(name)["type"], golden(name)["data"])


@pytest.mark.parametrize("name", SAMPLES)
async def test_the_order_of_keys_makes_no_difference(name: str) -> None:
    """A redelivery with its keys in another order gives the same bytes."""
    event = sample(name)
    turned = dict(reversed(event.items())) | {"data": dict(reversed(event["data"].items()))}
    assert (await outcome_of(event)).encode() == (await outcome_of(turned)).encode()


async def test_the_order_of_spellings_makes_no_difference() -> None:
    """Two spellings of a key, neither of them today's, give the same bytes in either order."""
    event = sample("sms-received")
    del event["data"]["Message"]
    spellings = [("MESSAGE", "one"), ("Message", "two")]
    one = await outcome_of(event | {"data": event["data"] | dict(spellings)})
    other = await outcome_of(event | {"data": event["data"] | dict(reversed(spellings))})
    assert one.encode() == other.encode()


def test_both_directions_of_an_sms_conversation_share_a_partition() -> None:
    """One event has the number with a +, the other without."""
    received = decode(parse_envelope(sample("sms-received")), SmsReceived)
    report = decode(parse_envelope(sample("sms-delivery-report")), SmsDeliveryReportReceived)
    assert received.data.partition_key == report.data.partition_key == "14255550127:18335550142"


def test_a_change_without_a_version_has_no_change_key_and_no_sequence() -> None:
    """The version of a thread event is optional. Without it, two changes could seem to be one."""
    for name, payload_type in (
        ("chat-thread-deleted", ChatThreadDeleted),
        ("participant-added", ParticipantAdded),
        ("participant-removed", ParticipantRemoved),
    ):
        event = event_from(sample(name), payload_type, version=None)
        document = json.loads(Outcome.of(event).encode())
        assert not {"changekey", "sequence"} & document.keys()


def test_a_negative_version_has_no_sequence() -> None:
    """As text it cannot be ordered."""
    outcomes = [Outcome.of(event_from(greeting(version=version), Greeted)) for version in (-1, 0, 1, 10)]
    assert [None, "0" * 19, "0" * 18 + "1", "0" * 17 + "10"] == [outcome.sequence for outcome in outcomes]


def test_a_part_has_at_most_1024_characters() -> None:
    """It is the end of an id, which must fit into a message."""
    event = event_from(greeting(), Greeted)
    assert Outcome.of(event, part="p" * 1_024).id.endswith(":" + "p" * 1_024)
    with pytest.raises(ValueError, match="a part should have at most 1024 characters"):
        Outcome.of(event, part="p" * 1_025)


@pytest.mark.parametrize(
    "value", ["", "x" * 1_024, "Ünï 🎉", 0, 2**31 - 1, -(2**31), True], ids=lambda value: repr(value)[:20]
)
def test_an_outcome_has_the_attributes_that_a_handler_gives_it(value: Attribute) -> None:
    """They are JSON values of the types that CloudEvents allows, beside the outcome's own attributes."""
    event = event_from(greeting(), Greeted)
    plain = json.loads(Outcome.of(event).encode())
    assert plain | {"a1": value} == json.loads(Outcome.of(event, attributes={"a1": value}).encode())


def test_data_of_a_handlers_own_may_be_empty() -> None:
    """It replaces the data of the event all the same."""
    assert {} == json.loads(Outcome.of(event_from(greeting(), Greeted), data={}).encode())["data"]


@pytest.mark.parametrize("attributes", [{}, {"a1": "x"}], ids=["plain", "with attributes"])
def test_a_reference_replaces_the_data(attributes: dict[str, Attribute]) -> None:
    """The document of a claim check has one or the other, whatever attributes a handler adds."""
    outcome = Outcome.of(event_from(greeting(), Greeted), attributes=attributes)
    whole = json.loads(outcome.encode())
    del whole["data"]
    assert whole | {"dataref": "u"} == json.loads(replace(outcome, dataref="u", data=None).encode())


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"": "x"}, "1 to 20 lower-case letters and digits"),
        ({"a" * 21: "x"}, "1 to 20 lower-case letters and digits"),
        ({"camelCase": "x"}, "1 to 20 lower-case letters and digits"),
        ({"a_b": "x"}, "1 to 20 lower-case letters and digits"),
        ({"é": "x"}, "1 to 20 lower-case letters and digits"),
        ({"id": "x"}, "id is an attribute that the app sets"),
        ({"data": "x"}, "data is an attribute that the app sets"),
        ({"traceparent": "x"}, "traceparent is an attribute that the app sets"),
        ({"extensions": "x"}, "extensions is an attribute that the app sets"),
        ({"a": None}, "a should be a boolean, an integer of 32 bits, or a string"),
        ({"a": 1.5}, "a should be a boolean"),
        ({"a": ["secret"]}, "a should be a boolean"),
        ({"a": 2**31}, "a should be a boolean"),
        ({"a": -(2**31) - 1}, "a should be a boolean"),
        ({"a": "secret\n"}, "a should be a boolean"),
        ({"a": "\ud800"}, "a should be a boolean"),
        ({"a": "x" * 1_025}, "a should be a boolean"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_attribute_follows_the_rules_of_cloudevents(attributes: dict[str, Any], error: str) -> None:
    """A wrong attribute is an error where the handler gives it. The error does not contain the value."""
    with pytest.raises(ValueError, match=error) as refused:
        Outcome.of(event_from(greeting(), Greeted), attributes=attributes)
    assert "secret" not in str(refused.value)


def _dead_letter(text: str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except DecodeError:
        document = UNSET
    error = DecodeError(Reason.INVALID_DATA, "Why.")
    letter: dict[str, Any] = json.loads(dead_letter(text, document, function="sms", error=error).encode())
    return letter


def test_a_dead_letter_holds_the_event_and_why() -> None:
    """The original is in it as JSON, with what an operator needs."""
    event = sample("sms-received")
    letter = _dead_letter(json.dumps(event))
    digest = hashlib.sha256(json.dumps(event).encode()).hexdigest()[:32]
    assert (f"{event['id']}:acs.dead-letter:{digest}", event["topic"]) == (letter["id"], letter["source"])
    assert letter["type"] == "acs.dead-letter"
    assert letter["data"] == {
        "reason": "invalid_data",
        "detail": "Why.",
        "function": "sms",
        "eventId": event["id"],
        "eventType": event["eventType"],
        "appVersion": "0.1.0",
        "original": event,
    }


def test_dead_letters_of_different_events_differ_in_their_ids() -> None:
    """Events with the same id are different if their texts are. A repeat has the same text and id."""
    event = sample("sms-received")
    other = event | {"data": event["data"] | {"From": "+14255550128"}}
    first, repeated, second = (_dead_letter(json.dumps(one))["id"] for one in (event, event, other))
    assert first == repeated != second
    assert _dead_letter("{")["id"] != _dead_letter("[")["id"]


@pytest.mark.parametrize("cloud_event", [False, True], ids=["event grid", "cloud event"])
def test_a_dead_letter_says_where_its_event_is_from(cloud_event: bool) -> None:
    """It has the source and the event type of either schema."""
    event = sample("sms-received")
    letter = _dead_letter(json.dumps(as_cloud_event(event) if cloud_event else event))
    assert (event["topic"], event["eventType"]) == (letter["source"], letter["eventtype"])
    assert event["eventType"] == letter["data"]["eventType"]


def test_a_dead_letter_keeps_numbers_that_no_parser_holds() -> None:
    """The original is embedded unchanged. It is not parsed and written again."""
    text = '{"id": "e1", "n": 123456789012345678901234567890.123456789012345678901234567890}'
    error = DecodeError(Reason.INVALID_ENVELOPE, "Why.")
    assert text.encode() in dead_letter(text, parse_json(text), function="sms", error=error).encode()


@pytest.mark.parametrize("text", ["", "not JSON", "[" * 100_000, "\x00", "\ud800", '{"id": "\\ud800"}'])
def test_text_that_is_no_json_is_kept_as_text(text: str) -> None:
    """Text that is not valid Unicode also gives a dead letter, with the same id in a redelivery."""
    letter = _dead_letter(text)
    kept = text.encode(errors="backslashreplace")
    assert kept.decode() == letter["data"]["original"]
    assert f"unknown:acs.dead-letter:{hashlib.sha256(kept).hexdigest()[:32]}" == letter["id"]
    assert (letter["source"], letter["data"]["eventId"]) == ("unknown", None)
