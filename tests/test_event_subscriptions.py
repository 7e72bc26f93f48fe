"""The event subscriptions cover exactly the event types that the app handles."""

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from local import subscriptions
from local.errors import LocalError
from local.subscriptions import Subscription
from shared.payloads import PAYLOADS
from tests.events import FAMILIES, PROJECT

RETIRED = {
    "Microsoft.Communication.ChatMemberAddedToThreadWithUser",
    "Microsoft.Communication.ChatMemberRemovedFromThreadWithUser",
}
"""Event types of 2020 that Microsoft's own SDKs call retired. A deployment does not subscribe to them."""

SUBSCRIPTIONS = subscriptions.load(PROJECT)


def subscribed(subscription: Subscription) -> list[tuple[str, str]]:
    """Return the event types of a subscription, each with its level."""
    return [
        (event_type, level)
        for level, event_types in subscription.included_event_types.items()
        for event_type in event_types
    ]


def test_every_function_has_one_subscription() -> None:
    """A subscription has the name of its function, with dashes, which Event Grid requires."""
    assert sorted(FAMILIES) == sorted(subscription.function for subscription in SUBSCRIPTIONS)
    assert all(found.name == found.function.replace("_", "-") for found in SUBSCRIPTIONS)


def test_every_event_type_is_subscribed_to_once() -> None:
    """No type is missing or there twice, and the app accepts each."""
    counts = Counter(event_type for found in SUBSCRIPTIONS for event_type, _ in subscribed(found))
    assert dict.fromkeys(PAYLOADS, 1) == counts


@pytest.mark.parametrize("subscription", SUBSCRIPTIONS, ids=lambda found: found.name)
def test_every_event_type_goes_to_its_family_at_its_level(subscription: Subscription) -> None:
    """A deployment that leaves out a level leaves out exactly its types."""
    for event_type, level in subscribed(subscription):
        payload = PAYLOADS[event_type]
        scope = "retired" if event_type in RETIRED else payload.event_types[event_type] or "always"
        assert (payload.family, scope) == (subscription.function, level)


@pytest.mark.parametrize("subscription", SUBSCRIPTIONS, ids=lambda found: found.name)
def test_events_are_retried_for_as_long_as_event_grid_allows(subscription: Subscription) -> None:
    """After that Event Grid writes the event to the dead-letter container."""
    policy = subscription.retry_policy
    assert (30, 1_440) == (policy.max_delivery_attempts, policy.event_time_to_live_in_minutes)
    assert "event-grid-dead-letters" == subscription.dead_letter_container


@pytest.mark.parametrize("subscription", SUBSCRIPTIONS, ids=lambda found: found.name)
def test_one_failure_sends_one_event_again(subscription: Subscription) -> None:
    """A request has one event. After a failure a batch would be delivered again as a whole."""
    assert 1 == subscription.max_events_per_batch


def write(folder: Path, content: str) -> None:
    """Write the file of a project in this folder."""
    file = folder / subscriptions.FILE
    file.parent.mkdir()
    file.write_text(content)


def test_an_entry_overrides_the_defaults(tmp_path: Path) -> None:
    """A value of an entry applies to its subscription only."""
    content = json.loads((PROJECT / subscriptions.FILE).read_text())
    content["subscriptions"][0] |= {"name": "texts", "subjectBeginsWith": "/phonenumber/1833"}
    write(tmp_path, json.dumps(content))
    first, *others = subscriptions.load(tmp_path)
    assert replace(SUBSCRIPTIONS[0], name="texts", subject_begins_with="/phonenumber/1833") == first
    assert SUBSCRIPTIONS[1:] == others


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            '{"defaults": {}, "subscriptions": [{"function": "sms", "nmae": "sms"}]}',
            r"`nmae`.*subscriptions\[0\]",
        ),
        ('{"defaults": {"retries": 1}, "subscriptions": [{"function": "sms"}]}', "retries"),
        ('{"defaults": {}, "subscriptions": [{"name": "sms"}]}', "`function`"),
        ('{"defaults": {}, "subscription": []}', "`subscription`"),
        ("[]", "array"),
    ],
)
def test_a_wrong_file_is_an_error(tmp_path: Path, content: str, fault: str) -> None:
    """The error names the wrong member."""
    write(tmp_path, content)
    with pytest.raises(LocalError, match=fault):
        subscriptions.load(tmp_path)


def test_a_project_without_the_file_has_no_subscriptions(tmp_path: Path) -> None:
    """Events can then only be sent to its functions directly."""
    assert [] == subscriptions.load(tmp_path)
