"""Fates: what becomes of a delivery, with real storage behind it."""

import asyncio
import json
import logging
import re
import traceback
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


async def test_a_handler_can_reject_out_of_a_task_group(queues: Queues) -> None:
    """What it awaits side by side raises groups, and the words may be no text that UTF-8 can hold."""

    async def reject(event: Event[SmsReceived]) -> Outcomes:
        async def not_ours() -> None:
            raise RejectEvent("Not ours \ud800.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(not_ours())
            tasks.create_task(asyncio.sleep(60))
        return Outcome.of(event)

    await family_of(reject).handle(json.dumps(sms()))
    (letter,) = queues.everything()
    assert ("rejected", r"Not ours \ud800.") == (letter["data"]["reason"], letter["data"]["detail"])


async def test_an_event_without_a_handler_is_dead_lettered(queues: Queues) -> None:
    """A handler that somebody took out is missing at the next delivery, and at all of its repetitions."""
    await EventFamily("sms").handle(json.dumps(sms()))
    (letter,) = queues.everything()
    assert ("unsupported_event_type", "No handler takes this event type.") == (
        letter["data"]["reason"],
        letter["data"]["detail"],
    )


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


async def test_a_handler_can_write_data_of_its_own(queues: Queues) -> None:
    """It is in the place of the event's, and no schema is claimed for it; all else is as ever."""

    async def shortened(event: Event[SmsReceived]) -> Outcomes:
        return Outcome.of(event, data={"length": len(event.data.message)})

    await family_of(shortened).handle(json.dumps(sms()))
    expected = golden("sms-received") | {"data": {"length": 5}}
    del expected["dataschema"], expected["smskeyword"]
    assert [expected] == queues.outcomes("sms")


async def test_of_several_outcomes_none_is_written_when_one_cannot_be(queues: Queues) -> None:
    """Written in part, the rest would come with each redelivery again."""

    async def twice(event: Event[SmsReceived]) -> Outcomes:
        return [Outcome.of(event), Outcome.of(event, data={"text": "\ud800"}, part="copy")]

    with pytest.raises(DeliveryError, match="UnicodeEncodeError at "):
        await family_of(twice).handle(json.dumps(sms()))
    assert [] == queues.everything()


@pytest.mark.parametrize("result", [{}, "", "text", 5, [None]], ids=repr)
async def test_what_is_no_outcome_is_a_fault(result: Any, queues: Queues) -> None:
    """A handler's slip is not taken for an event that it ignores."""

    async def wrong(_: Event[SmsReceived]) -> Outcomes:
        result_of_a_slip: Outcomes = result
        return result_of_a_slip

    with pytest.raises(DeliveryError, match=r"^The handler of SmsReceived should return an Outcome, several"):
        await family_of(wrong).handle(json.dumps(sms()))
    assert [] == queues.everything()


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


async def test_a_fault_of_a_handlers_own_words_brings_no_other_along(queues: Queues) -> None:
    """A worker prints whatever led to an error, and that may quote the event."""

    async def broken(event: Event[SmsReceived]) -> Outcomes:
        nothing: dict[str, Outcomes] = {}
        try:
            return nothing[event.data.from_]
        except KeyError as error:
            raise DeliveryError("The address book is away.") from error

    with pytest.raises(DeliveryError, match=r"^The address book is away\.$") as raised:
        await family_of(broken).handle(json.dumps(sms()))
    assert not any(text in "".join(traceback.format_exception(raised.value)) for text in PERSONAL)
    assert [] == queues.everything()


async def test_faults_in_a_task_group_are_named(queues: Queues) -> None:
    """Each with its place, none with its text."""

    async def broken(event: Event[SmsReceived]) -> Outcomes:
        raise ExceptionGroup(event.data.from_, [ValueError(event.data.to), KeyError(event.data.message)])

    with pytest.raises(
        DeliveryError, match=r"^ExceptionGroup of ValueError at .* and KeyError at "
    ) as raised:
        await family_of(broken).handle(json.dumps(sms()))
    assert not any(text in str(raised.value) for text in PERSONAL)
    assert [] == queues.everything()


async def test_a_task_that_was_cancelled_under_a_handler_is_a_fault(queues: Queues) -> None:
    """Its CancelledError would end the invocation without an answer."""

    async def broken(_: Event[SmsReceived]) -> Outcomes:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task
        return None

    with pytest.raises(DeliveryError, match=r"^CancelledError at shared/handling\.py.*test_handling\.py"):
        await family_of(broken).handle(json.dumps(sms()))
    assert [] == queues.everything()


async def test_a_handler_that_hangs_fails_in_time(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery fails before Event Grid repeats it, and says where it was."""
    monkeypatch.setattr("shared.handling.DELIVERY_TIMEOUT", 0.1)

    async def hanging(_: Event[SmsReceived]) -> Outcomes:
        await asyncio.sleep(60)
        return None

    with pytest.raises(
        DeliveryError, match=r"^Not done within 0 s: CancelledError at .*test_handling\.py:\d+$"
    ):
        async with asyncio.timeout(10):
            await family_of(hanging).handle(json.dumps(sms()))
    assert [] == queues.everything()


def test_a_handler_belongs_to_its_family_and_is_the_only_one() -> None:
    """A handler that could never be called, or would displace another, is an error at import."""

    async def handler(_: Event[Any]) -> Outcomes:
        return None

    with pytest.raises(ValueError, match="ChatMessageReceived belongs to chat_message, not to sms"):
        EventFamily("sms").on(ChatMessageReceived)(handler)
    with pytest.raises(ValueError, match="SmsReceived has a handler already"):
        family_of(handler).on(SmsReceived)(handler)

    class Unlisted(SmsReceived, frozen=True):
        pass

    with pytest.raises(ValueError, match=r"Unlisted is not among PAYLOADS in shared/payloads\.py"):
        EventFamily("sms").on(Unlisted)(handler)


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
