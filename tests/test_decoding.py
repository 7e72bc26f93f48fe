"""Decoding an event's data: each shape that arrives becomes the GA shape."""

import json
from datetime import UTC, datetime
from typing import Any, Literal, Optional

import pytest

from shared.decoding import UNREADABLE, Event, decode
from shared.envelope import DecodeError, Reason, parse_envelope
from shared.model import GaObject, Payload
from shared.payloads import PAYLOADS
from shared.payloads.chat_message import ChatMessageReceived
from shared.payloads.chat_thread import ChatThreadCreated
from shared.payloads.sms import SmsDeliveryReportReceived, SmsReceived
from tests.events import SAMPLES, event_from, sample
from tests.greetings import Greeted, greeting

USER = "8:acs:a4f3c2d1-77e0-4b1f-8a53-0c9d6e5f4b21_00000024-6f0b-8a11-28d3-593a0d00c1e4"


def decode_sample[P: Payload](name: str, payload_type: type[P], **changes: Any) -> Event[P]:
    """Decode a sample with changes to its data. None removes a key."""
    event = sample(name)
    event["data"] |= changes
    event["data"] = {key: value for key, value in event["data"].items() if value is not None}
    return decode(parse_envelope(event), payload_type)


def refusal(name: str, payload_type: type[Payload], **changes: Any) -> str:
    """Return the reason why a changed sample is refused."""
    with pytest.raises(DecodeError) as refused:
        decode_sample(name, payload_type, **changes)
    assert refused.value.reason is Reason.INVALID_DATA
    return refused.value.detail


def refusal_of(event: dict[str, Any]) -> str:
    """Return the reason why a greeting is refused."""
    with pytest.raises(DecodeError) as refused:
        event_from(event, Greeted)
    assert refused.value.reason is Reason.INVALID_DATA
    return refused.value.detail


def test_sms_is_typed() -> None:
    """A PascalCase SMS is read into snake_case attributes."""
    data = decode_sample("sms-received", SmsReceived).data
    assert ("+14255550127", "+18335550142", "Stop ") == (data.from_, data.to, data.message)
    assert datetime(2026, 3, 2, 9, 15, 32, 480_000, tzinfo=UTC) == data.received_timestamp


def test_keys_match_in_any_casing() -> None:
    """An object may contain both PascalCase and camelCase. The GA spelling has precedence."""
    event = decode_sample("sms-received", SmsReceived, Message="old", message="new", MESSAGE="loud")
    assert event.data.message == event.ga_data["message"] == "new"
    assert not {"Message", "MESSAGE"} & event.ga_data.keys()


def test_flat_identifiers_become_objects() -> None:
    """Raw ids of the form of 2020 become identifier objects. The kind follows from the prefix."""
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
    """Published events contain both. No one appears twice."""
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
    """Prefixes have the meaning that they have in Microsoft's SDKs."""
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
    """The specification requires the raw id, but published events lack it."""
    event = decode_sample("chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=member)
    assert ([event.data.sender.kind], event.data.sender.raw_id) == ([*member], raw_id)


@pytest.mark.parametrize("nobody", ["", {}, {"rawId": ""}, {"communicationUser": {"id": ""}}], ids=repr)
def test_an_identifier_that_names_nobody_is_absent(nobody: Any) -> None:
    """Then the flat id is used. Without one, an optional identifier is absent."""
    changes = {"senderCommunicationIdentifier": nobody, "recipientId": nobody}
    event = decode_sample("chat-message-received", ChatMessageReceived, **changes)
    assert (event.data.sender.raw_id, event.data.recipient) == (USER, None)
    assert refusal("chat-message-received", ChatMessageReceived, senderId=nobody) == (
        "A required field is missing - at `$.data.senderCommunicationIdentifier.rawId`."
    )


def test_an_empty_member_does_not_hide_the_real_one() -> None:
    """The specification requires `communicationUser`. It is empty for other identifiers."""
    phone = {"rawId": "4:+14255550127", "phoneNumber": {"value": "+14255550127"}}
    event = decode_sample(
        "chat-message-received",
        ChatMessageReceived,
        senderCommunicationIdentifier=phone | {"communicationUser": {"id": ""}},
    )
    assert {"kind": "phoneNumber"} | phone == event.ga_data["senderCommunicationIdentifier"]


def test_the_member_that_the_kind_names_counts() -> None:
    """The specification allows only one member. If there are two, the kind decides."""
    two = {"phoneNumber": {"value": "+14255550127"}, "communicationUser": {"id": USER}}
    event = decode_sample(
        "chat-message-received",
        ChatMessageReceived,
        senderCommunicationIdentifier=two | {"kind": "phoneNumber"},
    )
    assert "4:+14255550127" == event.data.sender.raw_id


def test_an_identifier_keeps_the_kind_it_states() -> None:
    """A kind that this version does not know is kept."""
    identifier = {"kind": "newKind", "rawId": "9:x", "newMember": {"id": 1}}
    event = decode_sample(
        "chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=identifier
    )
    assert identifier == event.ga_data["senderCommunicationIdentifier"]


def test_an_identifier_that_says_something_but_names_nobody_is_kept() -> None:
    """The flat id is used, because the object cannot be read as an identifier."""
    nobody = {"kind": "unknown", "rawId": "", "communicationUser": {"id": ""}}
    event = decode_sample("chat-message-received", ChatMessageReceived, recipientId=nobody)
    assert (None, {"recipientId": nobody}) == (event.data.recipient, event.ga_data["unreadable"])
    event = decode_sample("chat-message-received", ChatMessageReceived, senderCommunicationIdentifier=nobody)
    assert (USER, {"senderCommunicationIdentifier": nobody}) == (
        event.data.sender.raw_id,
        event.ga_data["unreadable"],
    )
    assert refusal("chat-message-received", ChatMessageReceived, senderId=nobody) == (
        "A required field is missing - at `$.data.senderCommunicationIdentifier.rawId`."
    )


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ({"kind": 5, "rawId": "4:+1"}, {"unreadable": {"kind": 5}}),
        ({"RawID": 5, "phoneNumber": {"value": "+1"}}, {"unreadable": {"RawID": 5}}),
        (
            {"rawId": "4:+1", "phoneNumber": {"number": "+2"}},
            {"unreadable": {"phoneNumber": {"number": "+2"}}},
        ),
        ({"rawId": "4:+1", "PhoneNumber": "+2"}, {"unreadable": {"PhoneNumber": "+2"}}),
        (
            {"rawId": "4:+1", "phoneNumber": {"value": "", "carrier": "c"}},
            {"unreadable": {"phoneNumber": {"value": "", "carrier": "c"}}},
        ),
        ({"rawId": "4:+1", "phoneNumber": {"value": ""}}, {}),
        (
            {"phoneNumber": {"value": "+1"}, "microsoftTeamsUser": {"userId": "u"}},
            {"unreadable": {"microsoftTeamsUser": {"userId": "u"}}},
        ),
        ({"phoneNumber": {"value": "+1"}, "microsoftTeamsUser": {"userId": "", "cloud": None}}, {}),
        ({"rawId": "4:+1", "rawid": "4:+2"}, {"unreadable": {"rawid": "4:+2"}}),
        ({"rawId": "4:+1", "rawid": "4:+1"}, {}),
    ],
    ids=repr,
)
def test_what_an_identifier_cannot_use_is_kept_in_it(
    identifier: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The rest of the identifier is enough to identify someone."""
    data = event_from(greeting(sender=identifier), Greeted).ga_data
    person = {"kind": "phoneNumber", "rawId": "4:+1", "phoneNumber": {"value": "+1"}}
    assert {"sender": person | expected} == {"sender": data["sender"]}
    assert UNREADABLE not in data


def test_a_teams_user_of_no_stated_cloud_is_no_placeholder() -> None:
    """It identifies someone, unlike a placeholder. Without a stated cloud, it is the public one."""
    user = {"userId": "u", "isAnonymous": False, "cloud": None}
    sender = {"microsoftTeamsUser": user, "phoneNumber": {"value": ""}}
    event = event_from(greeting(sender=sender), Greeted)
    assert ("microsoftTeamsUser", "8:orgid:u") == (event.data.sender.kind, event.data.sender.raw_id)


@pytest.mark.parametrize(("prefix", "cloud"), [("orgid", "public"), ("dod", "dod"), ("gcch", "gcch")])
def test_a_teams_user_is_of_one_of_three_clouds(prefix: str, cloud: str) -> None:
    """The cloud follows from the raw id's prefix, and the prefix from the cloud."""
    by_raw_id = event_from(greeting(sender=f"8:{prefix}:u"), Greeted).data.sender
    by_member = event_from(
        greeting(sender={"microsoftTeamsUser": {"userId": "u", "cloud": cloud, "isAnonymous": False}}),
        Greeted,
    ).data.sender
    assert by_raw_id == by_member
    assert by_raw_id.microsoft_teams_user is not None
    assert cloud == by_raw_id.microsoft_teams_user.cloud


def test_a_teams_user_of_an_unknown_cloud_has_no_raw_id() -> None:
    """No raw id is made up, because it would not be the same as in other events."""
    sender = {"microsoftTeamsUser": {"userId": "u", "cloud": "newCloud"}}
    assert "missing" in refusal_of(greeting(sender=sender))


def test_a_key_of_another_kind_of_identifier_may_hold_anything() -> None:
    """Only Teams users and apps have a cloud. In a phone number the key is unknown, and is kept."""
    phone = {"value": "+1", "cloud": {"region": "eu"}, "isAnonymous": []}
    event = event_from(greeting(sender={"phoneNumber": phone}), Greeted)
    assert ("4:+1", phone) == (event.data.sender.raw_id, event.ga_data["sender"]["phoneNumber"])


def test_an_anonymous_teams_user_with_an_empty_id_names_nobody() -> None:
    """Otherwise all such users would have the same raw id."""
    sender = {"microsoftTeamsUser": {"userId": "", "isAnonymous": True}}
    event = event_from(greeting(sender=sender, senderId="4:+1"), Greeted)
    assert "4:+1" == event.data.sender.raw_id
    assert {"sender": sender} == event.ga_data[UNREADABLE]


def test_an_identifier_may_hold_only_its_member() -> None:
    """If there is no raw id, a communication user's own id is used as the raw id."""
    event = event_from(greeting(sender={"communicationUser": {"id": "8:acs:a_b"}}), Greeted)
    assert ("communicationUser", "8:acs:a_b") == (event.data.sender.kind, event.data.sender.raw_id)


def test_the_raw_id_of_the_ga_spelling_wins_wherever_it_stands() -> None:
    """Another spelling before or after it does not replace it."""
    for sender in ({"rawId": "4:+1", "RawId": "4:+2"}, {"RawId": "4:+2", "rawId": "4:+1"}):
        event = event_from(greeting(sender=sender), Greeted)
        assert ("4:+1", {"RawId": "4:+2"}) == (event.data.sender.raw_id, event.data.sender.unreadable)


def test_a_field_may_be_declared_as_optional_in_any_form() -> None:
    """The forms are equal to Python. An object is read as one, whichever form comes first."""

    class Card(GaObject, frozen=True, kw_only=True):
        sent: None | datetime = None  # noqa: RUF036 - as a user may write it

    class Parcel(Greeted, frozen=True, kw_only=True):
        card: Optional[Card] = None  # noqa: UP045 - as a user may write it

    event = event_from(greeting(card={"Sent": "2026-03-02T10:15:32+01:00"}), Parcel)
    assert {"sent": "2026-03-02T09:15:32Z"} == event.ga_data["card"]


def test_members_become_participants() -> None:
    """The list of members of 2020 becomes the list of participants, unless that is there too."""
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
    """A field that this version does not know reaches the consumer unchanged, at a fixed place."""
    event = decode_sample("sms-received", SmsReceived, zeta=[10**30, {"B": 2}], alpha={"x": "y"})
    assert [("alpha", {"x": "y"}), ("zeta", [10**30, {"B": 2}])] == list(event.ga_data.items())[-2:]


@pytest.mark.parametrize("version", ["1772445735306", 1772445735306.0])
def test_a_version_is_a_number_however_it_came(version: Any) -> None:
    """ACS sends versions as numbers and as strings."""
    event = decode_sample("chat-message-received", ChatMessageReceived, version=version)
    assert event.data.version == event.ga_data["version"] == 1772445735306


def test_an_empty_list_does_not_hide_a_filled_one() -> None:
    """Some events have an empty field under the new name, and the value under the former name."""
    event = decode_sample("chat-thread-created", ChatThreadCreated, participants=[])
    assert ["Nora", "Omar"] == [participant.display_name for participant in event.data.participants]
    assert UNREADABLE not in event.ga_data


OPTIONAL = {
    "note": 5,
    "Count": "two",
    "seen": "yesterday",
    "public": "yes",
    "recipient": {"phoneNumber": 5, "rawId": ["x"]},
    "gift": {"label": 5},
    "presents": [{"label": "book"}, {"price": 5}],
    "labels": ["x"],
}
"""For each optional field of an event, a value that is none of its type."""


@pytest.mark.parametrize("nothing", ["", [], {}, [{}, ""], {"a": None}], ids=repr)
def test_a_value_that_says_nothing_is_not_kept(nothing: Any) -> None:
    """An empty value of another type than the field's is the same as no value."""
    event = event_from(greeting(seen=nothing), Greeted)
    assert (None, None) == (event.data.seen, event.data.unreadable)


@pytest.mark.parametrize("key", OPTIONAL)
def test_an_optional_field_never_refuses_an_event(key: str) -> None:
    """A field with a wrong value is absent, at any depth. The value is kept under its own key."""
    event = event_from(greeting(**{key: OPTIONAL[key]}), Greeted)
    assert event_from(greeting(), Greeted).ga_data | {UNREADABLE: {key: OPTIONAL[key]}} == event.ga_data
    assert {key: OPTIONAL[key]} == event.data.unreadable


def test_what_cannot_be_read_is_kept_in_the_object_that_it_came_from() -> None:
    """The rest of a nested object is read."""
    gift = {"label": "book", "Price": "much", "bought": "2026-02-30T09:15:33+02:00"}
    event = event_from(greeting(gift=gift, gifts=[gift]), Greeted)
    kept = {"label": "book", UNREADABLE: {"Price": "much", "bought": "2026-02-30T09:15:33+02:00"}}
    assert (kept, [kept]) == (event.ga_data["gift"], event.ga_data["gifts"])
    assert UNREADABLE not in event.ga_data


def test_the_rest_of_a_delivery_report_arrives() -> None:
    """Wrong attempts, details or tags do not prevent that the status is read."""
    event = decode_sample(
        "sms-delivery-report",
        SmsDeliveryReportReceived,
        DeliveryAttempts=[{"SegmentsSucceeded": 1}, {"Timestamp": "soon", "SegmentsFailed": "none"}],
        DeliveryStatusDetails={"code": 2000},
        Tag=["a"],
        ReceivedTimestamp=0,
    )
    assert "Delivered" == event.data.delivery_status
    assert [1, None] == [attempt.segments_succeeded for attempt in event.data.delivery_attempts]
    assert {"Timestamp": "soon", "SegmentsFailed": "none"} == event.data.delivery_attempts[1].unreadable
    assert {
        "DeliveryStatusDetails": {"code": 2000},
        "ReceivedTimestamp": 0,
        "Tag": ["a"],
    } == event.data.unreadable


def test_an_own_key_called_unreadable_is_kept() -> None:
    """It is kept inside the app's own `unreadable`, with what could not be read."""
    own = {"x": [1]}
    event = event_from(greeting(unreadable=own, note=5), Greeted)
    assert {"note": 5, UNREADABLE: own} == event.ga_data[UNREADABLE]
    assert {UNREADABLE: own} == event_from(greeting(unreadable=own), Greeted).ga_data[UNREADABLE]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"Message": "old", "message": "new"}, {"Message": "old"}),
        ({"Message": "new", "message": "new"}, None),
        ({"message": "new", "MESSAGE": None}, None),
        ({"message": "new", "MESSAGE": ""}, None),
        ({"message": "new", "MESSAGE": ["new"]}, None),
        ({"message": "new", "note": 1, "version": 1}, {"note": 1}),
        ({"message": "new", "senderId": "4:+14255550127"}, None),
        ({"message": "new", "senderId": "4:+1"}, {"senderId": "4:+1"}),
        (
            {"message": "new", "gifts": [{"label": "a"}], "presents": [{"label": "b"}]},
            {"presents": [{"label": "b"}]},
        ),
        ({"message": "new", "gifts": [{"label": "a"}], "presents": [{"label": "a"}]}, None),
    ],
    ids=repr,
)
def test_a_value_that_another_overrides_is_kept_unless_it_says_the_same(
    changes: dict[str, Any], kept: Any
) -> None:
    """One field may arrive under several keys. A value that only one of them has is not lost."""
    event = event_from(greeting(**changes), Greeted)
    assert ("new", kept) == (event.data.message, event.ga_data.get(UNREADABLE))


def test_the_next_spelling_counts_where_the_best_cannot_be_read() -> None:
    """A required field that arrives twice needs only one readable value."""
    event = event_from(greeting(sender={"rawId": 5}, senderId="4:+1", MESSAGE="x", message=5), Greeted)
    assert ("4:+1", "x") == (event.data.sender.raw_id, event.data.message)
    assert {"sender": {"rawId": 5}, "message": 5} == event.ga_data[UNREADABLE]


def test_keys_in_open_objects_are_the_senders() -> None:
    """They are kept unchanged, whatever their names."""
    labels = {"Unreadable": 1, UNREADABLE: None, "price": "x"}
    assert labels == event_from(greeting(labels=labels), Greeted).ga_data["labels"]


@pytest.mark.parametrize("name", SAMPLES)
def test_null_is_absent(name: str) -> None:
    """A key with null is the same as no key, for required and for optional fields."""
    event = sample(name)
    for key in event["data"]:
        data = event["data"] | {key: None}
        without = {other: value for other, value in event["data"].items() if other != key}
        assert _result(event | {"data": data}) == _result(event | {"data": without})


@pytest.mark.parametrize("keys", [("Message", "message"), ("message", "Message")])
def test_null_in_one_casing_is_no_value_in_another(keys: tuple[str, str]) -> None:
    """This holds in either order."""
    event = sample("sms-received")
    del event["data"]["Message"]
    for null in keys:
        data = event["data"] | {key: None if key == null else "hello" for key in keys}
        assert "hello" == decode(parse_envelope(event | {"data": data}), SmsReceived).data.message


@pytest.mark.parametrize("key", ["threadId", "messageId"])
def test_a_change_is_known_by_ids_that_are_not_empty(key: str) -> None:
    """Otherwise consumers would take all such changes for one."""
    assert refusal("chat-message-received", ChatMessageReceived, **{key: ""}) == (
        f"Expected `str` of length >= 1 - at `$.data.{key}`."
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
        ({"Message": 5}, "Expected `str`, got `int` - at `$.data.message`."),
        ({"Message": ["secret"]}, "Expected `str`, got `array` - at `$.data.message`."),
        ({"Message": ["secret"], "message": 5}, "Expected `str`, got `int` - at `$.data.message`."),
    ],
)
def test_a_refusal_says_what_and_where_and_no_value(changes: dict[str, Any], detail: str) -> None:
    """The detail contains types and a path only."""
    assert detail == refusal("sms-received", SmsReceived, **changes)


@pytest.mark.parametrize(
    "version", [2**63, -(2**63) - 1, 10**30, "1" * 30, "one", "", " 1", "٣", 1.5, True, [1]]
)
def test_a_required_number_has_64_bits(version: Any) -> None:
    """Any other value is refused. The detail contains at most its type."""
    assert refusal_of(greeting(version=version)) in {
        f"Expected `int`{end} - at `$.data.version`."
        for end in (
            ", got `str`",
            ", got `float`",
            ", got `bool`",
            ", got `array`",
            f" <= {2**63 - 1}",
            f" >= {-(2**63)}",
        )
    }


@pytest.mark.parametrize("version", [2**63 - 1, -(2**63)])
def test_a_number_of_64_bits_is_read(version: int) -> None:
    """The smallest and the largest are read, as numbers and as strings."""
    for given in (version, str(version)):
        assert version == event_from(greeting(version=given), Greeted).ga_data["version"]


def test_a_required_time_that_cannot_be_read_is_refused() -> None:
    """The detail contains nothing of it."""
    assert "Expected an RFC 3339 time - at `$.data.at`." == refusal_of(greeting(at="secret"))


def test_a_refusal_deep_inside_names_the_whole_path() -> None:
    """The path leads through arrays and objects, by the GA names."""
    assert refusal("chat-thread-created", ChatThreadCreated, members=[{"displayName": "Nora"}]) == (
        "A required field is missing - at `$.data.participants[0].participantCommunicationIdentifier`."
    )
    members = [{"memberId": USER}, {"memberId": ["secret"]}]
    assert refusal("chat-thread-created", ChatThreadCreated, members=members) == (
        "Expected `object`, got `array` - at `$.data.participants[1].participantCommunicationIdentifier`."
    )
    assert refusal("chat-message-received", ChatMessageReceived, senderId={"rawId": 5}) == (
        "Expected `str`, got `int` - at `$.data.senderCommunicationIdentifier.rawId`."
    )


def test_a_refusal_quotes_no_value_of_an_enumeration() -> None:
    """The library msgspec would name it, in any payload class with an enumeration."""

    class Rated(Greeted, frozen=True):
        rating: Literal["good", "bad"]

    with pytest.raises(DecodeError) as refused:
        event_from(greeting(rating="secret"), Rated)
    assert "Invalid value - at `$.data.rating`." == refused.value.detail


def test_identifiers_that_no_message_can_hold_are_refused() -> None:
    """The keys of an outcome are made of them. A retry cannot help if they are too long."""
    longest = "4:" + "1" * 1_022
    assert longest == event_from(greeting(sender=longest), Greeted).data.partition_key
    assert "too long" in refusal_of(greeting(sender=longest + "1"))
    assert "too long" in refusal_of(greeting(messageId="m" * 1_023))


@pytest.mark.parametrize("data", [None, "text", json.dumps({"a": 1}), [], 5, {}])
def test_data_that_is_no_object_is_refused(data: Any) -> None:
    """Null, a string and an array are not data of ACS. An empty object lacks all fields."""
    with pytest.raises(DecodeError, match=r"^invalid_data: .* at `\$\.data"):
        decode(parse_envelope(sample("sms-received") | {"data": data}), SmsReceived)
