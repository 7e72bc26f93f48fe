"""Outcomes and dead letters: the contract that consumers of the queues rely on."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from azure.core.messaging import CloudEvent

from shared.decoding import decode
from shared.envelope import DecodeError, Reason, parse_envelope, parse_json
from shared.outcomes import Outcome, dead_letter
from shared.payloads import PAYLOADS, ChatThreadDeleted, SmsDeliveryReportReceived, SmsReceived
from tests.events import FAMILIES, SAMPLES, as_cloud_event, golden, sample


async def outcome_of(event: dict[str, Any]) -> Outcome:
    """Return what the handler of an event's type makes of it."""
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
    """A redelivery whose keys come in another order is the same bytes."""
    event = sample(name)
    turned = dict(reversed(event.items())) | {"data": dict(reversed(event["data"].items()))}
    assert (await outcome_of(event)).encode() == (await outcome_of(turned)).encode()


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("STOP", "stop"),
        (" opt out\n", "stop"),
        ("Unsubscribe", "stop"),
        ("yes", "start"),
        ("Info", "help"),
        ("please stop", None),
        ("", None),
    ],
)
async def test_a_message_that_is_a_keyword_says_so(text: str, keyword: str | None) -> None:
    """Only the whole trimmed message counts."""
    event = sample("sms-received")
    event["data"]["Message"] = text
    assert keyword == json.loads((await outcome_of(event)).encode()).get("smskeyword")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Delivered", "delivered"), ("FAILED", "failed"), ("Success", "unknown"), ("", "unknown")],
)
async def test_a_delivery_status_is_reduced_to_three(status: str, expected: str) -> None:
    """The status is an open enumeration; what it says verbatim stays in the data."""
    event = sample("sms-delivery-report")
    event["data"]["DeliveryStatus"] = status
    outcome = await outcome_of(event)
    assert (expected, status) == (outcome.deliveryoutcome, outcome.data["deliveryStatus"])


def test_both_directions_of_an_sms_conversation_share_a_partition() -> None:
    """A number has its + in one event and not in the other."""
    received = decode(parse_envelope(sample("sms-received")), SmsReceived)
    report = decode(parse_envelope(sample("sms-delivery-report")), SmsDeliveryReportReceived)
    assert received.data.partition_key == report.data.partition_key == "14255550127:18335550142"


def test_a_change_without_a_version_has_no_change_key_and_no_sequence() -> None:
    """The version of a thread event is optional; two changes must not seem to be one."""
    event = sample("chat-thread-deleted")
    del event["data"]["version"]
    document = json.loads(Outcome.of(decode(parse_envelope(event), ChatThreadDeleted)).encode())
    assert not {"changekey", "sequence"} & document.keys()


def _dead_letter(text: str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except DecodeError:
        document = msgspec.UNSET
    error = DecodeError(Reason.INVALID_DATA, "Why.")
    letter: dict[str, Any] = json.loads(dead_letter(text, document, function="sms", error=error).encode())
    return letter


def test_a_dead_letter_holds_the_event_and_why() -> None:
    """The original comes back as JSON, with what an operator needs beside it."""
    event = sample("sms-received")
    letter = _dead_letter(json.dumps(event))
    assert (f"{event['id']}:acs.dead-letter", event["topic"]) == (letter["id"], letter["source"])
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


def test_a_dead_letter_keeps_numbers_that_no_parser_holds() -> None:
    """The original is embedded as it came, not parsed and written again."""
    text = '{"id": "e1", "n": 123456789012345678901234567890.123456789012345678901234567890}'
    error = DecodeError(Reason.INVALID_ENVELOPE, "Why.")
    assert text.encode() in dead_letter(text, parse_json(text), function="sms", error=error).encode()


@pytest.mark.parametrize("text", ["", "not JSON", "[" * 100_000, "\x00", "\ud800", '{"id": "\\ud800"}'])
def test_text_that_is_no_json_is_kept_as_text(text: str) -> None:
    """Even text that is not Unicode makes a dead letter, under an id that a redelivery repeats."""
    letter = _dead_letter(text)
    kept = text.encode(errors="backslashreplace")
    assert kept.decode() == letter["data"]["original"]
    assert f"{hashlib.sha256(kept).hexdigest()}:acs.dead-letter" == letter["id"]
    assert (letter["source"], letter["data"]["eventId"]) == ("unknown", None)
