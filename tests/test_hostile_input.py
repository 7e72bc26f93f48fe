"""Hostile and odd input, which no sender should send and some do."""

import asyncio
import json
from typing import Any

import pytest

from shared.decoding import decode
from shared.envelope import DecodeError, parse_envelope, parse_json
from shared.payloads import PAYLOADS
from tests.events import PASSING_ON, SAMPLES, sample
from tests.queues import Queues
from tests.recording import deliver, settings

READABLE_TIMES = {
    "0001-01-01T00:00:00+00:00": "0001-01-01T00:00:00Z",
    "2026-03-02T09:15:33": "2026-03-02T09:15:33Z",
    "2026-03-02T09:15:33.123456789Z": "2026-03-02T09:15:33.123456789Z",
    "2026-03-02T09:15:33-08:00": "2026-03-02T17:15:33Z",
}
ODD_TIMES = [
    " ",
    "2016-12-31T23:59:60Z",
    "2026-03-02T24:00:00Z",
    "9999-12-31T23:59:59.9999999Z",
    "2026-03-02T09:15:33.1234567890Z",
    "0001-01-01T00:00:00+01:00",
    "2026-02-30T09:15:33+02:00",
    "3/2/2026 9:15:33 AM",
    1772445735306,
    ["2026-03-02T09:15:33Z"],
    True,
]
VERSIONS = {
    "number": (1772445735306, 1772445735306),
    "string": ("1772445735306", 1772445735306),
    "whole float": (1772445735306.0, 1772445735306),
    "the largest": (2**63 - 1, 2**63 - 1),
    "negative": (-1, -1),
    "null": (None, None),
    "fraction": (1.5, None),
    "30 digits": (10**29, None),
    "30 digits in a string": ("1" * 30, None),
    "other digits": ("١٢٣", None),
    "blank": (" 1", None),
    "words": ("one", None),
    "boolean": (True, None),
    "array": ([1], None),
}
LONG = "\0x" * 30_000
CJK = "\u6f22" * 28_000


def changed(name: str, **changes: Any) -> dict[str, Any]:
    """Return a sample event with some of its data changed."""
    event = sample(name)
    return event | {"data": event["data"] | changes}


def ga_data(name: str, **changes: Any) -> dict[str, Any]:
    """Return the data of a changed sample in its GA shape. Raises DecodeError."""
    envelope = parse_envelope(parse_json(json.dumps(changed(name, **changes))))
    return decode(envelope, PAYLOADS[envelope.type]).ga_data


def detail(name: str, **changes: Any) -> str:
    """Return why a changed sample is refused."""
    with pytest.raises(DecodeError, match=r"^invalid_data: ") as refused:
        ga_data(name, **changes)
    return refused.value.detail


def test_of_duplicate_keys_the_last_one_is_used() -> None:
    """It is the same as in Python's own json, in the envelope and in the data."""
    assert parse_json('{"id": "a", "id": "b", "data": {"x": 1, "x": 2}}') == {"id": "b", "data": {"x": 2}}


def test_of_two_other_casings_one_is_used_whatever_their_order() -> None:
    """If no key has the GA spelling, the first in the order of their characters is used."""
    assert "loud" == ga_data("sms-received", MESSAGE="loud")["message"]
    twins = {"mESSAGE": "last", "MESSAGE": "first", "Message": None}
    event = sample("sms-received")
    event["data"] = twins | {key: value for key, value in event["data"].items() if key != "Message"}
    assert "first" == decode(parse_envelope(event), PAYLOADS[event["eventType"]]).ga_data["message"]


@pytest.mark.parametrize(
    "value",
    ["NaN", "-Infinity", "1e400", "9" * 5_000, "[" * 100_000 + "]" * 100_000, '"\\ud800"'],
    ids=["nan", "infinity", "huge", "digits", "nested", "surrogate"],
)
@pytest.mark.parametrize("key", ["Message", "unknown"])
def test_a_value_that_readers_disagree_on_is_never_written_as_a_value(key: str, value: str) -> None:
    """The dead letter has the event as text, and is valid JSON for a strict reader."""
    text = json.dumps(changed("sms-received", **{key: "@"})).replace('"@"', value)
    with settings():
        ((_, document),) = deliver(PASSING_ON["sms"], text).written
    letter = json.loads(document.decode())["data"]
    assert ("invalid_json", text) == (letter["reason"], letter["original"])


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "raw"])
@pytest.mark.parametrize("place", ["message", "id"])
async def test_a_lone_surrogate_is_dead_lettered(place: str, ensure_ascii: bool, queues: Queues) -> None:
    """It cannot be encoded in UTF-8. The dead letter has the event with the surrogate as an escape."""
    event = sample("sms-received")
    if place == "id":
        event["id"] = "\ud800"
    else:
        event["data"]["Message"] = "\udfff\ud800"
    text = json.dumps(event, ensure_ascii=ensure_ascii)
    await PASSING_ON["sms"].handle(text)
    (letter,) = queues.everything()
    assert letter["data"]["reason"] == "invalid_json"
    assert letter["data"]["original"] == text.encode(errors="backslashreplace").decode()


async def test_control_characters_round_trip(queues: Queues) -> None:
    """Control characters, and those with which XML and JavaScript have problems, arrive unchanged."""
    message = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0x10FFFF]))
    await PASSING_ON["sms"].handle(json.dumps(changed("sms-received", Message=message)))
    await PASSING_ON["sms"].handle(json.dumps(changed("sms-received", Message=message, To=None)))
    (outcome,) = queues.outcomes("sms")
    (letter,) = queues.dead_letters()
    assert message == outcome["data"]["message"] == letter["data"]["original"]["data"]["Message"]


@pytest.mark.parametrize(("given", "expected"), READABLE_TIMES.items())
def test_a_readable_time_is_kept(given: str, expected: str) -> None:
    """It comes out in UTC."""
    assert expected == ga_data("sms-received", ReceivedTimestamp=given)["receivedTimestamp"]
    assert expected == ga_data("chat-thread-created", createTime=given)["createTime"]


@pytest.mark.parametrize("given", ODD_TIMES, ids=str)
def test_an_odd_time_fails_no_event(given: Any) -> None:
    """A time in the data is kept under `unreadable`. The event's own time is absent."""
    data = ga_data("chat-thread-created", createTime=given)
    assert ({"createTime": given}, False) == (data["unreadable"], "createTime" in data)
    data = ga_data("sms-received", ReceivedTimestamp=given)
    assert ({"ReceivedTimestamp": given}, False) == (data["unreadable"], "receivedTimestamp" in data)
    assert parse_envelope(sample("sms-received") | {"eventTime": given}).time is None


def test_if_an_event_time_cannot_be_read_the_other_schemas_is_used() -> None:
    """In a mixture of both schemas a wrong value in one field does not hide the time in the other."""
    both = sample("sms-received") | {"time": "2026-03-02T09:15:33Z"}
    assert [parse_envelope(both | {"eventTime": odd}).time for odd in (None, "", 5)] == [both["time"]] * 3


@pytest.mark.parametrize(("given", "expected"), VERSIONS.values(), ids=VERSIONS.keys())
def test_a_version_is_a_number_or_absent_or_refused(given: Any, expected: int | None) -> None:
    """A version has to be a 64-bit integer. A message event needs one, a thread event does not."""
    data = ga_data("chat-thread-created", version=given)
    assert expected == data.get("version")
    if expected is None and given is not None:
        assert {"version": given} == data["unreadable"]
    if expected is None:
        assert detail("chat-message-received", version=given).endswith(" - at `$.data.version`.")
    else:
        assert expected == ga_data("chat-message-received", version=given)["version"]


@pytest.mark.parametrize("number", ["+14255550127", "14255550127", "CONTOSO", "55501", "", "☎", "anonymous"])
def test_a_sender_is_accepted_as_it_is(number: str) -> None:
    """Carriers allow senders of an SMS that are not phone numbers."""
    assert number == ga_data("sms-received", From=number)["from"]


def test_if_identifiers_disagree_the_object_is_used() -> None:
    """Participant and recipient are those of the object. The flat form is kept under `unreadable`."""
    other = {"rawId": "8:acs:other_one", "communicationUser": {"id": "8:acs:other_one"}}
    data = ga_data(
        "participant-added",
        participantAdded={"participantCommunicationIdentifier": other},
        recipientCommunicationIdentifier=other,
    )
    expected = {"kind": "communicationUser"} | other
    assert expected == data["recipientCommunicationIdentifier"]
    assert {"participantCommunicationIdentifier": expected} == data["participantAdded"]
    assert not {"memberAdded", "recipientId"} & data.keys()
    given = sample("participant-added")["data"]
    assert {key: given[key] for key in ("memberAdded", "recipientId")} == data["unreadable"]


def test_an_identifier_that_contradicts_itself_is_kept() -> None:
    """Raw id, kind and member come from three fields. None is corrected from another."""
    sender = {"rawId": "4:+14255550127", "kind": "unknown", "communicationUser": {"id": "8:acs:a_b"}}
    data = ga_data("chat-message-received", senderCommunicationIdentifier=sender)
    assert sender == data["senderCommunicationIdentifier"]


@pytest.mark.parametrize(
    "event_type",
    ["Microsoft.EventGrid.SubscriptionValidationEvent", "microsoft.communication.smsreceived", "T" * 1_024],
    ids=["validation", "another casing", "the longest"],
)
async def test_an_unsupported_type_is_dead_lettered(event_type: str, queues: Queues) -> None:
    """A type has to be exactly a supported one. The dead letter names the type."""
    await PASSING_ON["sms"].handle(json.dumps(sample("sms-received") | {"eventType": event_type}))
    (letter,) = queues.everything()
    assert ("unsupported_event_type", event_type) == (letter["data"]["reason"], letter["data"]["eventType"])


async def test_250_participants_reach_the_consumer(queues: Queues) -> None:
    """The largest thread does not fit into a message. The consumer finds all participants in the blob."""
    members = [{"memberId": f"8:acs:{index:0>80}", "displayName": f"N{index}"} for index in range(250)]
    await PASSING_ON["chat_thread"].handle(json.dumps(changed("chat-thread-created", members=members)))
    (message,) = queues.everything()
    names = [item["displayName"] for item in queues.referenced(message)["data"]["participants"]]
    assert [f"N{index}" for index in range(250)] == names


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "raw"])
async def test_the_longest_message_reaches_the_consumer(ensure_ascii: bool, queues: Queues) -> None:
    """28,000 characters of three bytes each exceed the limit of a message in bytes only."""
    event = changed("chat-message-received", messageBody=CJK)
    await PASSING_ON["chat_message"].handle(json.dumps(event, ensure_ascii=ensure_ascii))
    (message,) = queues.everything()
    assert CJK == queues.referenced(message)["data"]["messageBody"]


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
async def test_the_largest_event_is_kept_whole(good: bool, queues: Queues) -> None:
    """Event Grid's limit is 1 MB. Another event at the same time is written as usual."""
    large = changed("sms-received", Message="x" * 1_000_000, **({} if good else {"To": 5}))
    family = PASSING_ON["sms"]
    await asyncio.gather(family.handle(json.dumps(large)), family.handle(json.dumps(sample("sms-received"))))
    outcomes = queues.everything()
    (message,) = (outcome for outcome in outcomes if "dataref" in outcome)
    data = queues.referenced(message)["data"]
    assert large["data"]["Message"] == (data["message"] if good else data["original"]["data"]["Message"])
    assert sample("sms-received")["data"]["Message"] in [
        outcome["data"]["message"] for outcome in outcomes if "data" in outcome
    ]
    assert len(outcomes) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": LONG}, "invalid_envelope"),
        ({"eventType": LONG}, "invalid_envelope"),
        ({"topic": LONG}, None),
        ({"subject": LONG}, None),
        ({"data": sample("sms-received")["data"] | {"From": LONG}}, "invalid_data"),
    ],
    ids=["id", "type", "source", "subject", "key"],
)
async def test_an_attribute_too_long_for_a_message_is_not_retried(
    changes: dict[str, Any], reason: str | None, queues: Queues
) -> None:
    """An attribute that does not fit into a message is left out, or the event is dead-lettered."""
    await PASSING_ON["sms"].handle(json.dumps(sample("sms-received") | changes))
    (message,) = queues.everything()
    document = queues.referenced(message) if "dataref" in message else message
    assert reason == document["data"].get("reason")


async def test_90_000_unknown_keys_are_handled_in_bounded_time(queues: Queues) -> None:
    """1 MB can hold that many keys. They must not take minutes."""
    unknown = {f"k{index}": 0 for index in range(90_000)}
    async with asyncio.timeout(15):
        await PASSING_ON["sms"].handle(json.dumps(changed("sms-received", **unknown)))
    (message,) = queues.everything()
    assert unknown.items() <= queues.referenced(message)["data"].items()


def test_a_batch_delivered_twice_is_byte_identical() -> None:
    """Event Grid delivers at least once. Each repeat gives the same bytes, for good and bad events."""
    texts = [json.dumps(sample(name)) for name in SAMPLES] + ["{", "[]", json.dumps({"id": "e1"})]

    def batch() -> list[tuple[str, bytes]]:
        deliveries = (deliver(family, text) for family in PASSING_ON.values() for text in texts)
        return [item for delivered in deliveries for item in delivered.written]

    with settings():
        assert batch() == batch()
