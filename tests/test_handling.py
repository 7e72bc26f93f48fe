"""The results of deliveries, with real storage."""

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from time import perf_counter
from typing import Any

import pytest

from shared.decoding import Event
from shared.envelope import DecodeError, Reason
from shared.handling import DeliveryError, EventFamily, Outcomes, RejectEvent
from shared.outcomes import Outcome
from shared.payloads.sms import SmsReceived
from shared.settings import SettingsError, get_settings
from shared.sink import SinkError
from tests.bad_events import BAD
from tests.events import PASSING_ON, event_from
from tests.greetings import Greeted, family_of, greeting, registered
from tests.queues import Queues

PERSONAL = ["14255550127", "hello secret"]


@pytest.fixture(autouse=True)
def _greeting() -> Iterator[None]:
    with registered():
        yield


async def pass_on(event: Event[Greeted]) -> Outcome:
    """Handle an event as the app's own handlers do."""
    return Outcome.of(event)


@pytest.mark.parametrize(("text", "reason", "detail"), BAD.values(), ids=BAD.keys())
async def test_a_bad_event_is_dead_lettered(text: str, reason: str, detail: str, queues: Queues) -> None:
    """Bad input gives one dead letter that says what is wrong and where. The function returns."""
    await PASSING_ON["sms"].handle(text)
    (letter,) = queues.everything()
    assert letter["type"] == "acs.dead-letter"
    assert (reason, detail, "sms") == tuple(letter["data"][key] for key in ("reason", "detail", "function"))


async def test_an_event_of_another_resource_is_dead_lettered(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only events of the resources in ACS_SOURCES are accepted. The casing of their ids is ignored."""
    event = greeting()
    monkeypatch.setenv("ACS_SOURCES", event["topic"].upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    get_settings.cache_clear()
    family = family_of(pass_on)
    await family.handle(json.dumps(event))
    await family.handle(json.dumps(event | {"topic": "/subscriptions/other"}))
    assert len(queues.outcomes("greeting")) == 1
    assert [letter["data"]["reason"] for letter in queues.dead_letters()] == ["untrusted_source"]


async def test_a_handler_can_reject(queues: Queues) -> None:
    """RejectEvent dead-letters an event with the handler's own words."""

    async def reject(_: Event[Greeted]) -> Outcomes:
        raise RejectEvent("Not ours.")

    await family_of(reject).handle(json.dumps(greeting()))
    (letter,) = queues.everything()
    assert ("rejected", "Not ours.") == (letter["data"]["reason"], letter["data"]["detail"])
    assert letter["data"]["original"] == greeting()


async def test_a_handler_can_reject_out_of_a_task_group(queues: Queues) -> None:
    """A task group raises an exception group. The reason may be text that UTF-8 cannot encode."""

    async def reject(event: Event[Greeted]) -> Outcomes:
        async def not_ours() -> None:
            raise RejectEvent("Not ours \ud800.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(not_ours())
            tasks.create_task(asyncio.sleep(60))
        return Outcome.of(event)

    await family_of(reject).handle(json.dumps(greeting()))
    (letter,) = queues.everything()
    assert ("rejected", r"Not ours \ud800.") == (letter["data"]["reason"], letter["data"]["detail"])


async def test_an_event_without_a_handler_is_dead_lettered(queues: Queues) -> None:
    """A retry would not help: the handler would still be missing."""
    await EventFamily("greeting").handle(json.dumps(greeting()))
    (letter,) = queues.everything()
    assert ("unsupported_event_type", "No handler takes this event type.") == (
        letter["data"]["reason"],
        letter["data"]["detail"],
    )


@pytest.mark.parametrize("nothing", [None, []], ids=repr)
async def test_a_handler_can_ignore(
    nothing: Outcomes, queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an outcome nothing is written, and the log record says `ignored`."""
    caplog.set_level(logging.INFO, "acs_events")

    async def ignore(_: Event[Greeted]) -> Outcomes:
        return nothing

    await family_of(ignore).handle(json.dumps(greeting()))
    assert queues.everything() == []
    assert "fate=ignored" in caplog.text


async def test_a_handler_can_give_several_outcomes(queues: Queues) -> None:
    """All of them are written, each with its own id."""

    async def twice(event: Event[Greeted]) -> Outcomes:
        return (Outcome.of(event, part=part) for part in (None, "copy"))

    await family_of(twice).handle(json.dumps(greeting()))
    first, second = queues.outcomes("greeting")
    assert f"{first['id']}:copy" == second["id"]


async def test_a_handler_can_write_data_of_its_own(queues: Queues) -> None:
    """It replaces the event's data. The outcome has no `dataschema` then, and is otherwise the same."""

    async def shortened(event: Event[Greeted]) -> Outcomes:
        return Outcome.of(event, data={"length": len(event.data.message)})

    await family_of(shortened).handle(json.dumps(greeting()))
    passed_on = json.loads(Outcome.of(event_from(greeting(), Greeted)).encode())
    del passed_on["dataschema"]
    assert [passed_on | {"data": {"length": 12}}] == queues.outcomes("greeting")


async def test_of_several_outcomes_none_is_written_when_one_cannot_be(queues: Queues) -> None:
    """Otherwise each redelivery would write a part of them again."""

    async def twice(event: Event[Greeted]) -> Outcomes:
        return [Outcome.of(event), Outcome.of(event, data={"text": "\ud800"}, part="copy")]

    with pytest.raises(DeliveryError, match="UnicodeEncodeError at "):
        await family_of(twice).handle(json.dumps(greeting()))
    assert [] == queues.everything()


@pytest.mark.parametrize("result", [{}, "", "text", 5, [None]], ids=repr)
async def test_what_is_no_outcome_is_a_fault(result: Any, queues: Queues) -> None:
    """A wrong return value is an error of the handler, not an ignored event."""

    async def wrong(_: Event[Greeted]) -> Outcomes:
        result_of_a_slip: Outcomes = result
        return result_of_a_slip

    with pytest.raises(DeliveryError, match=r"^The handler of Greeted should return an Outcome, several"):
        await family_of(wrong).handle(json.dumps(greeting()))
    assert [] == queues.everything()


async def test_outcomes_of_one_id_are_a_fault(queues: Queues) -> None:
    """A consumer would drop all but the first as repeats."""

    async def twice(event: Event[Greeted]) -> Outcomes:
        return [Outcome.of(event), Outcome.of(event, attributes={"copy": True})]

    with pytest.raises(DeliveryError, match="give each a `part`"):
        await family_of(twice).handle(json.dumps(greeting()))
    assert queues.everything() == []


async def test_a_handler_can_reject_as_late_as_it_likes(queues: Queues) -> None:
    """An exception of a generator is one of the handler."""

    async def reject(event: Event[Greeted]) -> Outcomes:
        def outcomes() -> Iterator[Outcome]:
            yield Outcome.of(event)
            raise RejectEvent("Not ours.")

        return outcomes()

    await family_of(reject).handle(json.dumps(greeting()))
    assert ["rejected"] == [letter["data"]["reason"] for letter in queues.everything()]


async def test_a_fault_in_a_handler_raises_without_quoting(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other exception fails the invocation. The raised error has only its type and its place."""

    async def broken(event: Event[Greeted]) -> Outcomes:
        nothing: dict[str, Outcomes] = {}
        return nothing[event.data.message]

    with pytest.raises(
        DeliveryError, match=r"^KeyError at shared/handling.py:.* > tests/test_handling\.py:\d+$"
    ) as raised:
        await family_of(broken).handle(json.dumps(greeting()))
    assert raised.value.__suppress_context__
    assert not any(text in str(raised.value) + caplog.text for text in PERSONAL)
    assert "fate=raised reason=KeyError" in caplog.text
    assert queues.everything() == []


@pytest.mark.parametrize(
    "error",
    [
        DecodeError(Reason.INVALID_DATA, "hello secret"),
        DeliveryError("hello secret"),
        SettingsError("hello secret"),
        SinkError("hello secret"),
        ExceptionGroup("hello secret", [DecodeError(Reason.REJECTED, "hello secret")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_words_of_a_handler_get_into_no_log(
    error: Exception, queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """Any error text may quote the event. The host puts what is raised into its answer and its log."""

    async def broken(_: Event[Greeted]) -> Outcomes:
        error.add_note("hello secret")
        raise error from KeyError("hello secret")

    with pytest.raises(DeliveryError, match=rf"^{type(error).__name__}\b") as raised:
        await family_of(broken).handle(json.dumps(greeting()))
    assert "hello secret" not in "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "fate=raised" in caplog.text
    assert [] == queues.everything()


async def test_a_handlers_reason_to_reject_gets_into_no_log(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the dead letter only."""
    caplog.set_level(logging.INFO)

    async def reject(event: Event[Greeted]) -> Outcomes:
        raise RejectEvent(event.data.message)

    await family_of(reject).handle(json.dumps(greeting()))
    (letter,) = queues.everything()
    assert "hello secret" == letter["data"]["detail"]
    assert "reason=rejected" in caplog.text
    assert "hello secret" not in caplog.text


async def test_a_handler_that_exits_fails_its_delivery(queues: Queues) -> None:
    """SystemExit would end the worker and its other deliveries."""

    async def leave(_: Event[Greeted]) -> Outcomes:
        sys.exit("hello secret")

    with pytest.raises(DeliveryError, match=r"^SystemExit at .*test_handling\.py:\d+$"):
        await family_of(leave).handle(json.dumps(greeting()))
    assert [] == queues.everything()


async def test_faults_in_a_task_group_are_named(queues: Queues) -> None:
    """Each is named with its place and without its text."""

    async def broken(event: Event[Greeted]) -> Outcomes:
        raise ExceptionGroup(
            event.data.message, [ValueError(event.data.message), KeyError(event.data.message)]
        )

    with pytest.raises(
        DeliveryError, match=r"^ExceptionGroup of ValueError at .* and KeyError at "
    ) as raised:
        await family_of(broken).handle(json.dumps(greeting()))
    assert not any(text in str(raised.value) for text in PERSONAL)
    assert [] == queues.everything()


async def test_a_task_that_was_cancelled_under_a_handler_is_a_fault(queues: Queues) -> None:
    """Its CancelledError would end the invocation without an answer."""

    async def broken(_: Event[Greeted]) -> Outcomes:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task
        return None

    with pytest.raises(DeliveryError, match=r"^CancelledError at shared/handling\.py.*test_handling\.py"):
        await family_of(broken).handle(json.dumps(greeting()))
    assert [] == queues.everything()


async def test_a_handler_that_hangs_fails_in_time(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery fails before Event Grid repeats it. The error says where the handler was."""
    monkeypatch.setattr("shared.handling.DELIVERY_TIMEOUT", 0.1)

    async def hanging(_: Event[Greeted]) -> Outcomes:
        await asyncio.sleep(60)
        return None

    with pytest.raises(
        DeliveryError, match=r"^Not done within 0 s: CancelledError at .*test_handling\.py:\d+$"
    ):
        async with asyncio.timeout(10):
            await family_of(hanging).handle(json.dumps(greeting()))
    assert [] == queues.everything()


def test_a_handler_belongs_to_its_family_and_is_the_only_one() -> None:
    """A handler that would never be called, or would replace another, is an error at import."""

    async def handler(_: Event[Any]) -> Outcomes:
        return None

    with pytest.raises(ValueError, match="SmsReceived belongs to sms, not to greeting"):
        EventFamily("greeting").on(SmsReceived)(handler)
    with pytest.raises(ValueError, match="Greeted has a handler already"):
        family_of(handler).on(Greeted)(handler)

    class Unlisted(Greeted, frozen=True):
        pass

    with pytest.raises(ValueError, match=r"Unlisted is not among PAYLOAD_TYPES in shared/payloads/__init__"):
        EventFamily("greeting").on(Unlisted)(handler)


def test_a_handler_is_an_async_function() -> None:
    """Another function is an error when it is registered, not at the first event. The error names it."""

    def plain(_: Event[Greeted]) -> Outcome:
        raise AssertionError

    async def several(event: Event[Greeted]) -> AsyncIterator[Outcome]:
        yield Outcome.of(event)

    for handler in (plain, several):
        with pytest.raises(ValueError, match=rf"The handler {handler.__name__} is not `async def`"):
            family_of(handler)


@pytest.fixture
async def _wrong_setting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("OutcomesStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("GREETING_QUEUE", "NOT A QUEUE")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("_wrong_setting")
async def test_a_wrong_setting_raises_and_names_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Event Grid keeps the event until the setting is correct. The record names the key, too."""
    with pytest.raises(SettingsError, match=r"^GREETING_QUEUE should be") as raised:
        await family_of(pass_on).handle(json.dumps(greeting()))
    (record,) = caplog.records
    assert "fate=raised reason=SettingsError" in record.getMessage()
    assert record.getMessage().endswith(f" detail={raised.value}")


async def test_a_delivery_has_one_record_with_nothing_personal(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the function, the event id, the event type, the fate, the reason and the milliseconds."""
    caplog.set_level(logging.INFO)
    event, family = greeting(), family_of(pass_on)
    await family.handle(json.dumps(event))
    await family.handle(json.dumps(greeting(message=["hello secret"])))
    await family.handle(json.dumps(event | {"id": "14255550127\nhello secret", "eventType": "14255550127"}))
    written, dead, strange = (record.getMessage() for record in caplog.records)
    start = f"delivery function=greeting event_id={event['id']} event_type=Test.Greeted"
    assert re.fullmatch(re.escape(start) + r" fate=written reason=- ms=\d+\.\d", written)
    assert re.fullmatch(
        re.escape(start)
        + r" fate=dead_lettered reason=invalid_data ms=\d+\.\d detail=.* at `\$\.data\.message`\.",
        dead,
    )
    assert strange.startswith(
        "delivery function=greeting event_id=unusual event_type=unknown fate=dead_lettered reason=unsupported"
    )
    assert not any(text in caplog.text for text in PERSONAL)
    assert len(queues.dead_letters()) == 2


@pytest.mark.parametrize("end", [" +14255550127", "\n", "-x"])
async def test_an_id_that_only_begins_as_acs_makes_them_is_not_logged(
    end: str, queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of it could be personal."""
    caplog.set_level(logging.INFO)
    event = greeting()
    await family_of(pass_on).handle(json.dumps(event | {"id": event["id"] + end}))
    (record,) = caplog.records
    assert "event_id=unusual " in record.getMessage()
    assert 1 == len(queues.outcomes("greeting"))


async def test_a_record_says_how_many_milliseconds_a_delivery_took(
    queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    """It includes the time of storage and of the handler."""
    caplog.set_level(logging.INFO)

    async def slow(event: Event[Greeted]) -> Outcome:
        await asyncio.sleep(0.2)
        return Outcome.of(event)

    start = perf_counter()
    await family_of(slow).handle(json.dumps(greeting()))
    milliseconds = (perf_counter() - start) * 1000
    (record,) = caplog.records
    assert 200 <= vars(record)["acs.ms"] <= milliseconds
    assert f" ms={vars(record)['acs.ms']:.1f}" in record.getMessage()
    assert 1 == len(queues.outcomes("greeting"))
