"""Fates: what becomes of a delivery, with real storage behind it."""

import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from functions import sms as sms_module
from shared.decoding import Event
from shared.handling import DeliveryError, EventFamily, Outcomes, RejectEvent
from shared.outcomes import Outcome
from shared.payloads import ChatMessageReceived, SmsReceived
from shared.settings import SettingsError, get_settings
from tests.events import FAMILIES, SAMPLES, as_cloud_event, golden, sample
from tests.queues import Queues

PERSONAL = ["14255550127", "18335550142", "hello secret", "Contoso tag"]


def sms(**changes: Any) -> dict[str, Any]:
    """Return an SMS event with some keys of its envelope changed."""
    return sample("sms-received") | changes


def sms_data(**changes: Any) -> str:
    """Return the text of an SMS event with some of its data changed."""
    event = sample("sms-received")
    return json.dumps(event | {"data": event["data"] | changes})


def family_of(handler: Any) -> EventFamily:
    """Return an SMS family whose one handler is this."""
    family = EventFamily("sms")
    family.on(SmsReceived)(handler)
    return family


BAD = {
    "no JSON": ("{", "invalid_json", "The event is not valid JSON."),
    "a byte order mark": ("\ufeff{}", "invalid_json", "The event is not valid JSON."),
    "deep nesting": ("[" * 40_000, "invalid_json", "The event is nested too deeply."),
    "an array": ("[]", "invalid_envelope", "Expected an object, got an array - at `$`."),
    "no envelope": (
        '{"a": 1}',
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.eventType` or `$.type`.",
    ),
    "no id": (
        '{"eventType": "T"}',
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.id`.",
    ),
    "an empty id": (
        json.dumps(sms(id="")),
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.id`.",
    ),
    "an unknown type": (
        json.dumps(sms(eventType="Microsoft.Communication.Nothing")),
        "unsupported_event_type",
        "No handler takes this event type.",
    ),
    "another family's type": (
        json.dumps(sample("chat-message-received")),
        "misrouted_event_type",
        "This event type belongs to the function chat_message.",
    ),
    "a missing field": (
        sms_data(From=None),
        "invalid_data",
        "A required field is missing - at `$.data.from`.",
    ),
    "a field of the wrong type": (
        sms_data(Message=5),
        "invalid_data",
        "Expected a string, got a number - at `$.data.message`.",
    ),
    "data null": (json.dumps(sms(data=None)), "invalid_data", "Expected an object, got null - at `$.data`."),
    "data a string": (
        json.dumps(sms(data="{}")),
        "invalid_data",
        "Expected an object, got a string - at `$.data`.",
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_good_event_is_written(name: str, queues: Queues) -> None:
    """Every sample, in either schema, ends as its golden outcome in its family's queue, and nowhere else."""
    family = FAMILIES[golden(name)["type"].split(".")[1].replace("-", "_")]
    await family.handle(json.dumps(sample(name)))
    await family.handle(json.dumps(as_cloud_event(sample(name))))
    assert [golden(name)] * 2 == queues.everything() == queues.outcomes(family.name)


@pytest.mark.parametrize(("text", "reason", "detail"), BAD.values(), ids=BAD.keys())
async def test_a_bad_event_is_dead_lettered(text: str, reason: str, detail: str, queues: Queues) -> None:
    """Bad input ends as one dead letter that says what and where, and the function returns."""
    await sms_module.family.handle(text)
    (letter,) = queues.everything()
    assert letter["type"] == "acs.dead-letter"
    assert (reason, detail, "sms") == tuple(letter["data"][key] for key in ("reason", "detail", "function"))


async def test_an_event_of_another_resource_is_dead_lettered(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ACS_SOURCES keeps other resources' events out, and lets its own in whatever their casing."""
    event = sms()
    monkeypatch.setenv("ACS_SOURCES", event["topic"].upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    get_settings.cache_clear()
    await sms_module.family.handle(json.dumps(event))
    await sms_module.family.handle(json.dumps(event | {"topic": "/subscriptions/other"}))
    assert len(queues.outcomes("sms")) == 1
    assert [letter["data"]["reason"] for letter in queues.dead_letters()] == ["untrusted_source"]


async def test_a_handler_can_reject(queues: Queues) -> None:
    """RejectEvent dead-letters an event with the handler's own words."""

    async def reject(_: Event[SmsReceived]) -> Outcomes:
        raise RejectEvent("Not ours.")

    await family_of(reject).handle(json.dumps(sms()))
    (letter,) = queues.everything()
    assert ("rejected", "Not ours.") == (letter["data"]["reason"], letter["data"]["detail"])
    assert letter["data"]["original"] == sms()


async def test_a_handler_can_ignore(queues: Queues, caplog: pytest.LogCaptureFixture) -> None:
    """Without an outcome nothing is written, and the record says so."""
    caplog.set_level(logging.INFO, "acs_events")

    async def ignore(_: Event[SmsReceived]) -> Outcomes:
        return None

    await family_of(ignore).handle(json.dumps(sms()))
    assert queues.everything() == []
    assert "fate=ignored" in caplog.text


async def test_a_handler_can_give_several_outcomes(queues: Queues) -> None:
    """All of them are written, under ids of their own."""

    async def twice(event: Event[SmsReceived]) -> Outcomes:
        return (Outcome.of(event, part=part) for part in (None, "copy"))

    await family_of(twice).handle(json.dumps(sms()))
    first, second = queues.outcomes("sms")
    assert f"{first['id']}:copy" == second["id"]


async def test_outcomes_of_one_id_are_a_fault(queues: Queues) -> None:
    """A consumer would drop all but the first as repeats."""

    async def twice(event: Event[SmsReceived]) -> Outcomes:
        return [Outcome.of(event), Outcome.of(event, smskeyword="stop")]

    with pytest.raises(DeliveryError, match="give each a `part`"):
        await family_of(twice).handle(json.dumps(sms()))
    assert queues.everything() == []


async def test_a_handler_can_reject_as_late_as_it_likes(queues: Queues) -> None:
    """What a generator raises is the handler's, too."""

    async def reject(event: Event[SmsReceived]) -> Outcomes:
        def outcomes() -> Iterator[Outcome]:
            yield Outcome.of(event)
            raise RejectEvent("Not ours.")

        return outcomes()

    await family_of(reject).handle(json.dumps(sms()))
    assert ["rejected"] == [letter["data"]["reason"] for letter in queues.everything()]


async def test_a_fault_in_a_handler_raises_without_quoting(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other exception fails the invocation; what is raised names the error and the place, no more."""

    async def broken(event: Event[SmsReceived]) -> Outcomes:
        nothing: dict[str, Outcomes] = {}
        return nothing[event.data.from_]

    with pytest.raises(
        DeliveryError, match=r"^KeyError at shared/handling.py:.* > tests/test_handling\.py:\d+$"
    ) as raised:
        await family_of(broken).handle(json.dumps(sms()))
    assert raised.value.__suppress_context__
    assert not any(text in str(raised.value) + caplog.text for text in PERSONAL)
    assert "fate=raised reason=KeyError" in caplog.text
    assert queues.everything() == []


def test_a_handler_belongs_to_its_family_and_is_the_only_one() -> None:
    """A handler that could never be called, or would displace another, is an error at import."""

    async def handler(_: Event[Any]) -> Outcomes:
        return None

    with pytest.raises(ValueError, match="ChatMessageReceived belongs to chat_message, not to sms"):
        EventFamily("sms").on(ChatMessageReceived)(handler)
    with pytest.raises(ValueError, match="SmsReceived has a handler already"):
        family_of(handler).on(SmsReceived)(handler)


@pytest.fixture
async def _wrong_setting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("OutcomesStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("SMS_QUEUE", "NOT A QUEUE")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("_wrong_setting")
async def test_a_wrong_setting_raises_and_names_the_key() -> None:
    """The event is kept by Event Grid until the setting is right."""
    with pytest.raises(SettingsError, match=r"^SMS_QUEUE should be"):
        await sms_module.family.handle(json.dumps(sms()))


async def test_a_delivery_has_one_record_with_nothing_personal(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """Function, event id, event type, fate, reason and milliseconds, for written and dead-lettered events."""
    caplog.set_level(logging.DEBUG, "acs_events")
    event = sms()
    await sms_module.family.handle(json.dumps(event))
    await sms_module.family.handle(sms_data(Message=["hello secret"]))
    await sms_module.family.handle(json.dumps(sms(id="14255550127\nhello secret", eventType="14255550127")))
    written, dead, strange = (record.getMessage() for record in caplog.records if record.name == "acs_events")
    start = f"delivery function=sms event_id={event['id']} event_type=Microsoft.Communication.SMSReceived"
    assert re.fullmatch(re.escape(start) + r" fate=written reason=- ms=\d+\.\d", written)
    assert re.fullmatch(
        re.escape(start)
        + r" fate=dead_lettered reason=invalid_data ms=\d+\.\d detail=.* at `\$\.data\.message`\.",
        dead,
    )
    assert strange.startswith(
        "delivery function=sms event_id=unusual event_type=unknown fate=dead_lettered reason=unsupported"
    )
    assert not any(text in caplog.text for text in PERSONAL)
    assert len(queues.dead_letters()) == 2
