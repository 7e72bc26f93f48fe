"""Envelope to Event: whatever shape arrived becomes the GA shape."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.decoding import Event, decode
from shared.envelope import DecodeError, Reason, parse_envelope
from shared.payloads import (
    PAYLOADS,
    ChatMessageReceived,
    ChatThreadCreated,
    Payload,
    SmsDeliveryReportReceived,
    SmsReceived,
)
from tests.events import SAMPLES, sample

USER = "8:acs:a4f3c2d1-77e0-4b1f-8a53-0c9d6e5f4b21_00000024-6f0b-8a11-28d3-593a0d00c1e4"


def decode_sample[P: Payload](name: str, payload_type: type[P], **changes: Any) -> Event[P]:
    """Decode a sample with some of its data changed; None takes a key away."""
    event = sample(name)
    event["data"] |= changes
    event["data"] = {key: value for key, value in event["data"].items() if value is not None}
    return decode(parse_envelope(event), payload_type)


def refusal(name: str, payload_type: type[Payload], **changes: Any) -> str:
    """Return why a changed sample is refused."""
    with pytest.raises(DecodeError) as refused:
        decode_sample(name, payload_type, **changes)
    assert refused.value.reason is Reason.INVALID_DATA
    return refused.value.detail


def test_sms_is_typed() -> None:
    """A PascalCase SMS is read into snake_case attributes."""
    data = decode_sample("sms-received", SmsReceived).data
    assert ("+14255550127", "+18335550142", "Stop ") == (data.from_, data.to, data.message)
    assert datetime(2026, 3, 2, 9, 15, 32, 480_000, tzinfo=UTC) == data.received_timestamp


def test_keys_match_in_any_casing() -> None:
    """PascalCase and camelCase may stand in one object; the GA spelling wins over another casing."""
    event = decode_sample("sms-received", SmsReceived, Message="old", message="new", MESSAGE="loud")
    assert event.data.message == event.ga_data["message"] == "new"
    assert not {"Message", "MESSAGE"} & event.ga_data.keys()


def test_flat_identifiers_become_objects() -> None:
    """The 2020 form's raw ids become identifier objects, with the kind that the raw id's prefix says."""
    event = decode_sample("chat-message-received", ChatMessageReceived)
    sender = event.data.sender
    assert (sender.kind, sender.raw_id) == ("communicationUser", USER)
    assert sender.communication_user is not None
    assert event.ga_data["senderCommunicationIdentifier"] == {
        "kind": "communicationUser",
        "rawId": USER,
        "communicationUser": {"id": USER},
    }
    assert not {"senderId", "recipientId"} & event.ga_data.keys()


def test_an_identifier_object_wins_over_the_flat_id() -> None:
    """Published events carry both; nobody is counted twice."""
    other = {"rawId": "4:+14255550127", "phoneNumber": {"value": "+14255550127"}}
    event = decode_sample("chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=other)
    assert (event.data.sender.kind, event.data.sender.raw_id) == ("phoneNumber", "4:+14255550127")


@pytest.mark.parametrize(
    ("raw_id", "expected"),
    [
        ("8:spool:x", {"kind": "communicationUser", "communicationUser": {"id": "8:spool:x"}}),
        ("4:+14255550127", {"kind": "phoneNumber", "phoneNumber": {"value": "+14255550127"}}),
        (
            "8:orgid:u",
            {
                "kind": "microsoftTeamsUser",
                "microsoftTeamsUser": {"userId": "u", "isAnonymous": False, "cloud": "public"},
            },
        ),
        (
            "8:teamsvisitor:u",
            {
                "kind": "microsoftTeamsUser",
                "microsoftTeamsUser": {"userId": "u", "isAnonymous": True, "cloud": "public"},
            },
        ),
        ("28:gcch:a", {"kind": "microsoftTeamsApp", "microsoftTeamsApp": {"appId": "a", "cloud": "gcch"}}),
        ("something else", {"kind": "unknown"}),
    ],
)
def test_the_kind_follows_from_the_raw_id(raw_id: str, expected: dict[str, Any]) -> None:
    """Prefixes mean what they mean in Microsoft's SDKs."""
    event = decode_sample("chat-message-received", ChatMessageReceived, senderId=raw_id)
    assert {"rawId": raw_id} | expected == event.ga_data["senderCommunicationIdentifier"]


@pytest.mark.parametrize(
    ("member", "raw_id"),
    [
        ({"communicationUser": {"id": USER}}, USER),
        ({"phoneNumber": {"value": "+14255550127"}}, "4:+14255550127"),
        ({"microsoftTeamsUser": {"userId": "u"}}, "8:orgid:u"),
        ({"microsoftTeamsUser": {"userId": "u", "isAnonymous": False, "cloud": "gcch"}}, "8:gcch:u"),
        ({"microsoftTeamsUser": {"userId": "u", "isAnonymous": True}}, "8:teamsvisitor:u"),
        ({"microsoftTeamsApp": {"appId": "a", "cloud": "dod"}}, "28:dod:a"),
    ],
)
def test_an_identifier_without_a_raw_id_gets_it_from_its_member(member: dict[str, Any], raw_id: str) -> None:
    """The raw id is required in the specification, yet absent in published events."""
    event = decode_sample("chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=member)
    assert ([event.data.sender.kind], event.data.sender.raw_id) == ([*member], raw_id)


@pytest.mark.parametrize(
    "nobody",
    ["", {}, {"rawId": ""}, {"kind": "unknown", "rawId": "", "communicationUser": {"id": ""}}],
    ids=repr,
)
def test_an_identifier_that_names_nobody_is_absent(nobody: Any) -> None:
    """The flat id beside it counts then; without one an optional identifier is left out."""
    changes = {"senderCommunicationIdentifier": nobody, "recipientId": nobody}
    event = decode_sample("chat-message-received", ChatMessageReceived, **changes)
    assert (event.data.sender.raw_id, event.data.recipient) == (USER, None)
    assert refusal("chat-message-received", ChatMessageReceived, senderId=nobody) == (
        "A required field is missing - at `$.data.senderCommunicationIdentifier`."
    )


def test_an_empty_member_does_not_hide_the_real_one() -> None:
    """The specification requires `communicationUser`, which those who are none leave empty."""
    phone = {"rawId": "4:+14255550127", "phoneNumber": {"value": "+14255550127"}}
    event = decode_sample(
        "chat-message-received",
        ChatMessageReceived,
        senderCommunicationIdentifier=phone | {"communicationUser": {"id": ""}},
    )
    assert {"kind": "phoneNumber"} | phone == event.ga_data["senderCommunicationIdentifier"]


def test_the_member_that_the_kind_names_counts() -> None:
    """Of two members, against the specification, the kind chooses."""
    two = {"phoneNumber": {"value": "+14255550127"}, "communicationUser": {"id": USER}}
    event = decode_sample(
        "chat-message-received",
        ChatMessageReceived,
        senderCommunicationIdentifier=two | {"kind": "phoneNumber"},
    )
    assert "4:+14255550127" == event.data.sender.raw_id


def test_an_identifier_keeps_the_kind_it_states() -> None:
    """Kinds are open: one that this version does not know stays."""
    identifier = {"kind": "newKind", "rawId": "9:x", "newMember": {"id": 1}}
    event = decode_sample(
        "chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=identifier
    )
    assert identifier == event.ga_data["senderCommunicationIdentifier"]


def test_a_kind_that_is_no_string_is_refused() -> None:
    """A consumer reads the kind as text."""
    identifier = {"kind": 5, "rawId": USER}
    assert refusal(
        "chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=identifier
    ) == ("Expected a string, got a number - at `$.data.senderCommunicationIdentifier.kind`.")


def test_members_become_participants() -> None:
    """The 2020 list of members becomes the GA list of participants; where both are there the GA's counts."""
    event = decode_sample("chat-thread-created", ChatThreadCreated)
    assert ["Nora", "Omar"] == [participant.display_name for participant in event.data.participants]
    assert "members" not in event.ga_data
    both = decode_sample(
        "chat-thread-created",
        ChatThreadCreated,
        participants=[{"participantCommunicationIdentifier": {"rawId": USER}}],
    )
    assert [USER] == [participant.identifier.raw_id for participant in both.data.participants]


def test_unknown_fields_are_kept_as_they_came() -> None:
    """A field newer than this code reaches the consumer untouched, in the same place whatever the order."""
    event = decode_sample("sms-received", SmsReceived, zeta=[10**30, {"B": 2}], alpha={"x": "y"})
    assert [("alpha", {"x": "y"}), ("zeta", [10**30, {"B": 2}])] == list(event.ga_data.items())[-2:]


@pytest.mark.parametrize("version", ["1772445735306", 1772445735306.0])
def test_a_version_is_a_number_however_it_came(version: Any) -> None:
    """ACS sends versions as numbers and as strings."""
    event = decode_sample("chat-message-received", ChatMessageReceived, version=version)
    assert event.data.version == event.ga_data["version"] == 1772445735306


def test_an_odd_optional_number_or_time_is_left_out() -> None:
    """What nobody needs does not fail an event."""
    assert decode_sample("sms-received", SmsReceived, segmentCount="two").data.segment_count is None
    event = decode_sample("chat-thread-created", ChatThreadCreated, version=10**30)
    assert event.data.version is None
    assert "version" not in event.ga_data


@pytest.mark.parametrize("name", SAMPLES)
def test_null_is_absent(name: str) -> None:
    """A key with null is as good as no key: refused where it is required, left out where it is not."""
    event = sample(name)
    for key in event["data"]:
        data = event["data"] | {key: None}
        without = {other: value for other, value in event["data"].items() if other != key}
        assert _result(event | {"data": data}) == _result(event | {"data": without})


@pytest.mark.parametrize("keys", [("Message", "message"), ("message", "Message")])
def test_null_in_one_casing_is_no_value_in_another(keys: tuple[str, str]) -> None:
    """Whichever of the two comes first."""
    event = sample("sms-received")
    del event["data"]["Message"]
    for null in keys:
        data = event["data"] | {key: None if key == null else "hello" for key in keys}
        assert "hello" == decode(parse_envelope(event | {"data": data}), SmsReceived).data.message


@pytest.mark.parametrize("key", ["threadId", "messageId"])
def test_a_change_is_known_by_ids_that_are_not_empty(key: str) -> None:
    """Consumers would take all such changes for one."""
    assert refusal("chat-message-received", ChatMessageReceived, **{key: ""}) == (
        f"Expected a non-empty string - at `$.data.{key}`."
    )


def _result(event: dict[str, Any]) -> Any:
    try:
        envelope = parse_envelope(event)
        return decode(envelope, PAYLOADS[envelope.type]).ga_data
    except DecodeError as error:
        return error.detail


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"From": None}, "A required field is missing - at `$.data.from`."),
        ({"Message": 5}, "Expected a string, got a number - at `$.data.message`."),
        ({"Message": ["secret"]}, "Expected a string, got an array - at `$.data.message`."),
        (
            {"ReceivedTimestamp": "secret"},
            "Expected an RFC 3339 time, got a string - at `$.data.receivedTimestamp`.",
        ),
    ],
)
def test_a_refusal_says_what_and_where_and_no_value(changes: dict[str, Any], detail: str) -> None:
    """The detail holds types and a path."""
    assert detail == refusal("sms-received", SmsReceived, **changes)


def test_a_refusal_deep_inside_names_the_whole_path() -> None:
    """The path leads through arrays and objects, by the GA names."""
    attempts = [{"Timestamp": "2026-03-02T09:20:08Z", "SegmentsSucceeded": True, "SegmentsFailed": 0}]
    assert refusal("sms-delivery-report", SmsDeliveryReportReceived, DeliveryAttempts=attempts) == (
        "Expected a 64-bit integer, got a boolean - at `$.data.deliveryAttempts[0].segmentsSucceeded`."
    )
    assert refusal("chat-thread-created", ChatThreadCreated, members=[{"displayName": "Nora"}]) == (
        "A required field is missing - at `$.data.participants[0].participantCommunicationIdentifier`."
    )
    assert refusal("chat-message-received", ChatMessageReceived, senderId={"rawId": 5}) == (
        "Expected a string, got a number - at `$.data.senderCommunicationIdentifier.rawId`."
    )


@pytest.mark.parametrize("data", [None, "text", json.dumps({"a": 1}), [], 5, {}])
def test_data_that_is_no_object_is_refused(data: Any) -> None:
    """Null, a string (JSON in it or not) and an array are no ACS data; an empty object lacks all."""
    with pytest.raises(DecodeError, match=r"^invalid_data: .* at `\$\.data"):
        decode(parse_envelope(sample("sms-received") | {"data": data}), SmsReceived)
