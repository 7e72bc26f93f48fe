"""The local Event Grid, published to with Microsoft's own client."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient
from azure.storage.blob.aio import ContainerClient

from local import eventgrid, ports, subscriptions
from local.event_schemas import LOCAL_TOPIC
from local.eventgrid import EventGrid
from local.journal import Journal
from local.stack import Stack
from local.subscriptions import RetryPolicy, Subscription
from tests.events import PROJECT, as_cloud_event, golden, sample
from tests.queues import Queues
from tests.soak import PUBLISHABLE
from tests.waiting import until

SMS = next(found for found in subscriptions.load(PROJECT) if found.name == "sms")
EVENT_GRID_SMS = msgspec.structs.replace(SMS, event_delivery_schema="EventGridSchema")
ACCEPTED = 202
NO_EVENTS = ({"id": ""}, {"eventType": None}, {"dataVersion": "1\n2"}, {"dataVersion": 1}, {"data": math.nan})
"""What makes an event none."""

type Convert = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Received:
    """A request that an endpoint got."""

    at: float
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


@dataclass
class Endpoint:
    """A subscriber that gives one answer after the other, and then accepts."""

    answers: list[int] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    hang_seconds: float = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Note the request, and give the next answer, the first after a while if need be."""
        received = Received(time.monotonic(), request.headers, request.query, await request.json())
        self.requests.append(received)
        status = self.answers.pop(0) if self.answers else ACCEPTED
        if self.hang_seconds and len(self.requests) == 1:
            await asyncio.sleep(self.hang_seconds)
        return web.Response(status=status)

    @property
    def gaps(self) -> list[float]:
        """Return the seconds between requests."""
        times = [request.at for request in self.requests]
        return [later - earlier for earlier, later in pairwise(times)]

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Listen until the context ends."""
        application = web.Application()
        application.add_routes([web.post("/", self.answer)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, ports.HOST, port).start()
            yield
        finally:
            await runner.cleanup()


@dataclass(frozen=True)
class Grid:
    """A running Event Grid, and what it reported."""

    url: str
    grid: EventGrid
    reports: list[str]

    async def publish(self, *events: object) -> None:
        """Publish as an app does."""
        async with EventGridPublisherClient(self.url, AzureKeyCredential("any"), retry_total=0) as client:
            await client.send(list(events))

    async def post(
        self, body: str, content_type: str = "application/json", headers: Mapping[str, str] = {}
    ) -> tuple[int, str]:
        """Publish what the client would not; the answer."""
        headers = {"Content-Type": content_type, **headers}
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.url, data=BytesIO(body.encode()), headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    async def settled(self) -> None:
        """Wait until every event is delivered, dead-lettered or dropped."""
        await until(lambda: self.grid.undelivered == 0)


type Open = Callable[..., AbstractAsyncContextManager[Grid]]
type Deliver = Callable[..., Awaitable[Endpoint]]


@pytest.fixture
def container() -> str:
    """Return the name of a dead-letter container of the test's own."""
    return f"dead-letters-{time.monotonic_ns()}"


@pytest.fixture
def port() -> int:
    """Return the port on which the subscriber listens, if it does."""
    return ports.free_block(1)


@pytest.fixture
def event_grid(azurite: str, container: str, port: int) -> Open:
    """Return what runs an Event Grid with one subscription, to the subscriber."""

    @asynccontextmanager
    async def opened(
        subscription: Subscription = SMS,
        *,
        time_scale: float = 1_000,
        response_seconds: float = 30,
    ) -> AsyncIterator[Grid]:
        reports = list[str]()
        async with eventgrid.serving(
            [msgspec.structs.replace(subscription, dead_letter_container=container)],
            0,
            endpoint=f"http://{ports.HOST}:{port}/",
            connection_string=azurite,
            time_scale=time_scale,
            journal=Journal(reports.append),
            response_seconds=response_seconds,
        ) as (bound_port, grid):
            yield Grid(f"http://{ports.HOST}:{bound_port}{eventgrid.PATH}", grid, reports)

    return opened


@pytest.fixture
def deliver(event_grid: Open, port: int) -> Deliver:
    """Return what publishes events and waits until Event Grid is done with them; the subscriber."""

    async def delivered(
        *events: object, answers: Sequence[int] = (), hang_seconds: float = 0, **options: Any
    ) -> Endpoint:
        endpoint = Endpoint([*answers], hang_seconds=hang_seconds)
        async with endpoint.listening(port), event_grid(**options) as grid:
            await grid.publish(*(events or [received_event()]))
            await grid.settled()
        return endpoint

    return delivered


async def dead_letters(azurite: str, container: str) -> dict[str, list[dict[str, Any]]]:
    """Return the dead letters in the container, by the names of their blobs."""
    async with ContainerClient.from_connection_string(azurite, container) as client:
        return {
            name: json.loads(await (await client.download_blob(name)).readall())
            async for name in client.list_blob_names()
        }


def received_event(**changes: Any) -> dict[str, Any]:
    """Return an event for the SMS subscription, in Event Grid's schema."""
    return sample("sms-received") | changes


@pytest.mark.parametrize("cloud_events", [False, True], ids=["event grid", "cloud events"])
@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_published_becomes_outcomes(
    cloud_events: bool, stack: Stack, stack_queues: Queues
) -> None:
    """The samples of all 20 types, as the client's own event classes in both schemas, go the whole way."""
    published: list[object] = [
        CloudEvent.from_dict(as_cloud_event(sample(name)))
        if cloud_events
        else EventGridEvent.from_dict(sample(name))
        for name in PUBLISHABLE
    ]
    grid = Grid(stack.event_grid_endpoint, stack.event_grid, [])
    await grid.publish(*published)
    await grid.settled()
    written = stack_queues.everything()

    assert len(PUBLISHABLE) == len(written)
    expected = {(golden(name)["source"], golden(name)["id"]) for name in PUBLISHABLE}
    assert expected == {(outcome["source"], outcome["id"]) for outcome in written}


class TestDelivery:
    """What a subscriber gets."""

    @pytest.mark.parametrize("convert", [dict, as_cloud_event], ids=["from event grid", "from cloud events"])
    async def test_cloudevents_are_single_objects(self, convert: Convert, deliver: Deliver) -> None:
        """A subscription with CloudEvents' schema gets that, whichever schema was published."""
        event = received_event()
        (request,) = (await deliver(convert(event))).requests

        assert "application/cloudevents+json; charset=utf-8" == request.headers["Content-Type"]
        expected = {"id": event["id"], "source": event["topic"], "type": event["eventType"]}
        expected |= {"subject": event["subject"], "data": event["data"], "specversion": "1.0"}
        assert expected.items() <= request.body.items()
        assert "eventType" not in request.body

    @pytest.mark.parametrize("convert", [dict, as_cloud_event], ids=["from event grid", "from cloud events"])
    async def test_events_in_event_grids_schema_come_in_an_array(
        self, convert: Convert, deliver: Deliver
    ) -> None:
        """A subscription with Event Grid's own schema gets an array of one."""
        event = received_event()
        (request,) = (await deliver(convert(event), subscription=EVENT_GRID_SMS)).requests

        (body,) = request.body
        assert "application/json; charset=utf-8" == request.headers["Content-Type"]
        same = ("id", "topic", "subject", "eventType", "data")
        assert [event[name] for name in same] == [body[name] for name in same]
        assert {"eventTime", "dataVersion", "metadataVersion"} < body.keys()

    async def test_event_grids_headers_come_with_it(self, deliver: Deliver) -> None:
        """The Functions host, and whoever reads its logs, knows the sender by them."""
        event = received_event(dataVersion="2.0")
        (request,) = (await deliver(event, subscription=EVENT_GRID_SMS)).requests

        headers = {name.lower(): value for name, value in request.headers.items()}
        assert {
            "aeg-event-type": "Notification",
            "aeg-subscription-name": "SMS",
            "aeg-delivery-count": "0",
            "aeg-data-version": "2.0",
            "aeg-metadata-version": "1",
        }.items() <= headers.items()
        assert {"functionName": "sms"} == dict(request.query)

    async def test_an_event_without_a_topic_is_given_one(self, deliver: Deliver) -> None:
        """Event Grid delivers none without: it is the name of what published."""
        event = received_event()
        del event["topic"]
        (request,) = (await deliver(event)).requests

        assert LOCAL_TOPIC == request.body["source"]

    async def test_only_what_is_subscribed_to_is_delivered(self, event_grid: Open, port: int) -> None:
        """Other event types and subjects are reported, and go nowhere."""
        endpoint = Endpoint()
        filtered = msgspec.structs.replace(SMS, subject_begins_with="/PhoneNumber/1", subject_ends_with="9")
        subjects = ("/phonenumber/19", "/phonenumber/18", "/other/19")
        async with endpoint.listening(port), event_grid(filtered) as grid:
            await grid.publish(*(received_event(subject=subject, id=subject) for subject in subjects))
            await grid.publish(sample("chat-message-received") | {"subject": subjects[0]})
            await grid.settled()

        assert ["/phonenumber/19"] == [request.body["id"] for request in endpoint.requests]
        assert 3 == sum("no subscription includes" in report for report in grid.reports)


class TestRetries:
    """What becomes of an event that is not taken at once."""

    async def test_a_500_is_retried_on_schedule(self, deliver: Deliver) -> None:
        """After 10 s, 30 s and a minute, here a hundredth of it, and each time the attempts are counted."""
        endpoint = await deliver(answers=[500, 500, 500], time_scale=100)

        counts = [request.headers["aeg-delivery-count"] for request in endpoint.requests]
        assert ["0", "1", "2", "3"] == counts
        for gap, least in zip(endpoint.gaps, (0.1, 0.3, 0.6), strict=True):
            assert least <= gap < least * (1 + eventgrid.JITTER) + 0.2

    @pytest.mark.parametrize(("status", "seconds"), [(401, 300), (404, 300), (408, 120), (503, 30)])
    async def test_some_answers_are_given_more_time(
        self, status: int, seconds: int, deliver: Deliver
    ) -> None:
        """An endpoint that is missing, refuses, is late or is busy is not asked again so soon."""
        (gap,) = (await deliver(answers=[status])).gaps

        assert seconds / 1_000 <= gap < seconds / 1_000 * (1 + eventgrid.JITTER) + 0.2

    async def test_an_endpoint_that_was_down_gets_its_events(self, event_grid: Open, port: int) -> None:
        """What is published meanwhile is kept, and delivered when it is back."""
        endpoint, ids = Endpoint(), [f"event-{number}" for number in range(100)]
        async with event_grid() as grid:
            await grid.publish(*(received_event(id=event_id) for event_id in ids))
            await until(lambda: len(grid.reports) >= len(ids))
            async with endpoint.listening(port):
                await grid.settled()

        assert sorted(ids) == sorted(request.body["id"] for request in endpoint.requests)

    async def test_an_answer_that_is_late_makes_a_duplicate(self, deliver: Deliver) -> None:
        """Whether the endpoint took the event is not known, so it comes again."""
        first, second = (await deliver(hang_seconds=5, response_seconds=0.2)).requests

        assert first.body == second.body

    async def test_what_is_undelivered_at_the_end_is_said(self, event_grid: Open) -> None:
        """Events are in memory only, and whoever stops Event Grid is told what that costs."""
        async with event_grid(time_scale=1) as grid:
            await grid.publish(received_event(), received_event())

        assert "not delivered before the end: 2" in grid.reports[-1]


class TestDeadLetters:
    """What becomes of an event that is never taken."""

    async def test_attempts_that_are_used_up(self, deliver: Deliver, azurite: str, container: str) -> None:
        """The dead letter lies under the subscription and the hour, and says in lower case what happened."""
        policy = RetryPolicy(max_delivery_attempts=3, event_time_to_live_in_minutes=1_440)
        limited = msgspec.structs.replace(SMS, retry_policy=policy)
        before = datetime.now(UTC)
        endpoint = await deliver(answers=[500] * 3, subscription=limited)

        ((path, (letter,)),) = (await dead_letters(azurite, container)).items()
        folder, _, name = path.rpartition("/")
        hours = {f"SMS/{t.year}/{t.month}/{t.day}/{t.hour}" for t in (before, datetime.now(UTC))}
        assert folder in hours
        assert 36 == len(name.removesuffix(".json"))
        assert 3 == len(endpoint.requests)
        assert ("MaxDeliveryAttemptsExceeded", 3) == (letter["deadletterreason"], letter["deliveryattempts"])
        assert endpoint.requests[0].body.items() <= letter.items()
        published = datetime.fromisoformat(letter["publishtime"])
        assert before <= published < datetime.fromisoformat(letter["lastdeliveryattempttime"])

    @pytest.mark.parametrize(("minutes", "attempts"), [(1, 3), (30, 6), (1_440, 11)])
    async def test_time_that_is_up(
        self, minutes: int, attempts: int, event_grid: Open, azurite: str, container: str
    ) -> None:
        """An event that is too old is not tried again, and each retry that is announced comes."""
        policy = RetryPolicy(max_delivery_attempts=30, event_time_to_live_in_minutes=minutes)
        limited = msgspec.structs.replace(EVENT_GRID_SMS, retry_policy=policy)
        async with event_grid(limited, time_scale=100_000) as grid:
            await grid.publish(received_event())
            await grid.settled()

        ((letter,),) = (await dead_letters(azurite, container)).values()
        assert "TimeToLiveExceeded" == letter["deadLetterReason"]
        assert "SocketError" == letter["lastDeliveryOutcome"]
        assert attempts == letter["deliveryAttempts"]
        assert attempts - 1 == sum("retrying" in report for report in grid.reports)
        assert {"publishTime", "lastDeliveryAttemptTime", "eventType", "topic"} < letter.keys()

    @pytest.mark.parametrize(
        ("status", "outcome"), [(400, "BadRequest"), (403, "Forbidden"), (413, "PayloadTooLarge")]
    )
    async def test_answers_that_are_final(
        self, status: int, outcome: str, deliver: Deliver, azurite: str, container: str
    ) -> None:
        """What no repetition can cure is not tried again."""
        endpoint = await deliver(answers=[status])

        ((letter,),) = (await dead_letters(azurite, container)).values()
        assert 1 == len(endpoint.requests) == letter["deliveryattempts"]
        assert outcome == letter["lastdeliveryoutcome"]
        assert f"UndeliverableDueToHttp{outcome}" == letter["deadletterreason"]

    @pytest.mark.parametrize("container", [""])
    async def test_an_event_that_cannot_be_dead_lettered_is_said(self, event_grid: Open, port: int) -> None:
        """Whatever the reason: no event is lost unsaid. What its id holds cannot command the terminal."""
        async with Endpoint([400]).listening(port), event_grid() as grid:
            await grid.publish(received_event(id="\x1b[2J"))
            await grid.settled()

        assert grid.reports[-1].startswith("Event Grid: lost an event: ")


class TestPublishing:
    """What publishers are answered."""

    @pytest.mark.parametrize(
        ("body", "form"),
        [
            *((body, "json") for body in ("", "{", "[]", "[1]", json.dumps(received_event()))),
            *((json.dumps([received_event(**wrong)]), "json") for wrong in NO_EVENTS),
            (json.dumps([as_cloud_event(received_event())]), "json"),
            (json.dumps([received_event()]), "cloudevents-batch+json"),
            *(
                (json.dumps([as_cloud_event(received_event()) | wrong]), "cloudevents-batch+json")
                for wrong in ({"eventType": "Other"}, {"dataVersion": 5}, {"specversion": "0.3"})
            ),
        ],
    )
    async def test_what_is_no_event_is_refused(self, body: str, form: str, event_grid: Open) -> None:
        """With 400 and a reason, which the terminal shows too; nothing is delivered."""
        async with event_grid() as grid:
            status, text = await grid.post(body, f"application/{form}")

        assert 400 == status
        assert [f"400 POST {eventgrid.PATH}: {json.loads(text)['error']['message']}"] == grid.reports

    async def test_a_wrong_path_is_reported_with_the_right_one(self, event_grid: Open) -> None:
        """A publisher with another path is an empty 404."""
        async with event_grid() as grid:
            assert (404, "") == await replace(grid, url=f"{grid.url}/other").post("[]")

        assert [f"404 POST {eventgrid.PATH}/other: events are published to {eventgrid.PATH}"] == grid.reports

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Host": "example.com"}])
    async def test_a_web_page_from_elsewhere_is_refused(
        self, headers: dict[str, str], event_grid: Open
    ) -> None:
        """A page of another site, or of another host's name for this machine, cannot publish."""
        async with event_grid() as grid:
            status, _ = await grid.post(json.dumps([received_event()]), headers=headers)
            assert (403, 0) == (status, grid.grid.undelivered)

    async def test_one_bad_event_refuses_all(self, event_grid: Open) -> None:
        """The client is told by an exception, and may publish all again."""
        async with event_grid() as grid:
            with pytest.raises(HttpResponseError, match=r"\[1\]\.id"):
                await grid.publish(received_event(), received_event(id=1))
            assert 0 == grid.grid.undelivered

    async def test_a_single_cloudevent_is_taken(self, event_grid: Open, port: int) -> None:
        """As other clients than Microsoft's send it."""
        endpoint, event = Endpoint(), json.dumps(as_cloud_event(received_event()))
        async with endpoint.listening(port), event_grid() as grid:
            assert (200, "") == await grid.post(event, "application/cloudevents+json")
            await grid.settled()

        assert 1 == len(endpoint.requests)

    @pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413)])
    async def test_over_a_megabyte_is_too_much(self, extra: int, status: int, event_grid: Open) -> None:
        """The limit is Event Grid's, of a request and so of an event."""
        rest = len(json.dumps([received_event(data="", eventType="Other")]))
        text = "x" * (eventgrid.BODY_LIMIT - rest + extra)
        body = json.dumps([received_event(data=text, eventType="Other")])
        async with event_grid() as grid:
            assert status == (await grid.post(body))[0]
