"""The HTTP contract of the local host's Event Grid endpoint."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import pytest

from local import host
from local.errors import AppNotLoadedError
from local.host import Invoker

NOTIFICATION = {"aeg-event-type": "Notification"}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}


class FakeApp:
    """Keeps the events it gets; `fail` in one makes it fail, `wait` makes three wait for each other."""

    def __init__(self) -> None:
        self.functions = ("sms", "membership")
        self.events: list[tuple[str, str]] = []
        self._together = asyncio.Barrier(3)

    async def invoke(self, function: str, event: str) -> str | None:
        """Keep the event."""
        self.events.append((function, event))
        if "wait" in event:
            await self._together.wait()
        return "RuntimeError('secret')" if "fail" in event else None


@dataclass(frozen=True)
class Answer:
    """What the endpoint answered."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Client:
    """Talks to an endpoint that is served for a test."""

    session: aiohttp.ClientSession
    url: str
    app: FakeApp

    async def ask(
        self,
        body: str | bytes = "",
        *,
        headers: dict[str, str] = NOTIFICATION,
        method: str = "POST",
        path: str = f"{host.PATH}?functionName=sms",
    ) -> Answer:
        """Make a request."""
        content = body.encode() if isinstance(body, str) else body
        async with self.session.request(
            method, self.url + path, data=BytesIO(content), headers=headers
        ) as response:
            return Answer(response.status, await response.text(), dict(response.headers))

    @property
    def events(self) -> list[str]:
        """The events that reached the app."""
        return [event for _, event in self.app.events]


@asynccontextmanager
async def _client(current_app: Callable[[], Awaitable[Invoker]], app: FakeApp) -> AsyncIterator[Client]:
    async with host.serving(current_app, 0) as port, aiohttp.ClientSession() as session:
        yield Client(session, f"http://127.0.0.1:{port}", app)


@pytest.fixture(name="client")
async def _serving_client() -> AsyncIterator[Client]:
    app = FakeApp()

    async def current_app() -> Invoker:
        return app

    async with _client(current_app, app) as client:
        yield client


class TestRouting:
    """Which function a request is for."""

    @pytest.mark.parametrize(
        ("query", "name"),
        [("", ""), ("?functionName=", ""), ("?functionName=SMS", "SMS"), ("?functionName=x", "x")],
    )
    async def test_an_unknown_function_is_not_found(self, client: Client, query: str, name: str) -> None:
        """A function that is missing, unknown or in the wrong case is a 404 that names it."""
        answer = await client.ask("[{}]", path=host.PATH + query)

        assert (404, f"cannot find function: '{name}'") == (answer.status, answer.text)
        assert [] == client.events

    async def test_an_extension_is_found_in_any_case(self, client: Client) -> None:
        """The extension's name in the path may be in any case."""
        answer = await client.ask("[{}]", path="/runtime/webhooks/eventgrid?functionName=sms")

        assert 202 == answer.status

    async def test_an_unknown_extension_is_not_found(self, client: Client) -> None:
        """Another extension is a 404 without a body."""
        answer = await client.ask("[{}]", path="/runtime/webhooks/blobs?functionName=sms")

        assert (404, "") == (answer.status, answer.text)

    async def test_the_home_page_says_that_the_host_is_up(self, client: Client) -> None:
        """The root answers 200, for whoever waits for the host."""
        answer = await client.ask(method="GET", path="/", headers={})

        assert 200 == answer.status
        assert "up" in answer.text

    @pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
    async def test_the_method_does_not_matter(self, client: Client, method: str) -> None:
        """Every method with a notification's header delivers."""
        answer = await client.ask('{"id":"1"}', method=method)

        assert (202, ['{"id":"1"}']) == (answer.status, client.events)


class TestHandshakes:
    """How subscriptions are validated."""

    @pytest.mark.parametrize("origin", ["eventgrid.azure.us", "eventgrid.azure.cn", "eventgrid.azure.net"])
    async def test_options_allows_event_grid(self, client: Client, origin: str) -> None:
        """OPTIONS allows an origin of Event Grid's."""
        answer = await client.ask(method="OPTIONS", headers={"WebHook-Request-Origin": origin})

        assert (200, "", origin) == (answer.status, answer.text, answer.headers["Webhook-Allowed-Origin"])

    @pytest.mark.parametrize("headers", [{}, {"WebHook-Request-Origin": "example.com"}])
    async def test_options_allows_nobody_else(self, client: Client, headers: dict[str, str]) -> None:
        """OPTIONS allows only Event Grid when another origin, or none, asks."""
        answer = await client.ask(method="OPTIONS", headers=headers)

        assert "eventgrid.azure.net" == answer.headers["Webhook-Allowed-Origin"]

    @pytest.mark.parametrize(
        "content",
        [
            [{"data": {"validationCode": "abc"}}],
            {"data": {"validationCode": "abc"}},
            {"specversion": "1.0", "data": '{"validationCode":"abc"}'},
        ],
    )
    async def test_a_validation_echoes_its_code(self, client: Client, content: object) -> None:
        """A validation event in either schema is answered 200 with its code, as text."""
        answer = await client.ask(json.dumps(content), headers=VALIDATION)

        assert (200, '{"validationResponse":"abc"}') == (answer.status, answer.text)
        assert "text/plain; charset=utf-8" == answer.headers["Content-Type"]
        assert [] == client.events

    @pytest.mark.parametrize("body", ["", "{", "[]", "1", "[{}]", '[{"data":"x"}]', '[{"data":{}}]'])
    async def test_a_validation_without_a_code_fails(self, client: Client, body: str) -> None:
        """A validation event that holds no code is a 500 without a body."""
        answer = await client.ask(body, headers=VALIDATION)

        assert (500, "") == (answer.status, answer.text)

    async def test_an_unsubscription_is_accepted(self, client: Client) -> None:
        """The end of a subscription is a 202, and nothing happens."""
        answer = await client.ask(headers={"aeg-event-type": "Unsubscribe"})

        assert (202, "", []) == (answer.status, answer.text, client.events)

    @pytest.mark.parametrize("headers", [{}, {"aeg-event-type": "Other"}])
    async def test_another_kind_of_request_is_bad(self, client: Client, headers: dict[str, str]) -> None:
        """A request that says none of the known kinds is a 400 without a body."""
        answer = await client.ask("[{}]", headers=headers)

        assert (400, "", []) == (answer.status, answer.text, client.events)


class TestDelivery:
    """How a notification becomes invocations."""

    async def test_every_event_is_an_invocation(self, client: Client) -> None:
        """An array's events reach the function one by one, and the answer is an empty 202."""
        answer = await client.ask('[{"id":"1"}, {"id":"2"}]')

        assert (202, "") == (answer.status, answer.text)
        assert [("sms", '{"id":"1"}'), ("sms", '{"id":"2"}')] == client.app.events

    async def test_an_empty_array_is_no_invocation(self, client: Client) -> None:
        """No events are accepted, too."""
        answer = await client.ask("[]")

        assert (202, []) == (answer.status, client.events)

    async def test_the_kind_of_request_is_found_in_any_case(self, client: Client) -> None:
        """The header's value may be in any case."""
        answer = await client.ask("[{}]", headers={"Aeg-Event-Type": "NOTIFICATION"})

        assert 202 == answer.status

    @pytest.mark.parametrize(
        "event",
        [
            '{"n": 12345678901234567890123, "f": 1.10000000000000000001, "e": 1E400}',
            '{"a": "\\ud83d\\ude00 \\\\ud800 é 漢", "a": 2}',
            '{"time": "2026-01-01T00:00:00.1234567Z"}',
        ],
    )
    async def test_an_event_arrives_as_it_was_written(self, client: Client, event: str) -> None:
        """Numbers, escapes, dates and repeated keys are not rewritten."""
        await client.ask(f" {event} ")
        await client.ask(f"[{event}]")

        assert [event, event] == client.events

    async def test_half_a_character_is_replaced(self, client: Client) -> None:
        """An escape of half a surrogate pair becomes the replacement character, as in the cloud."""
        answer = await client.ask('{"a":"\\ud800 \\uDC00\\ud83d\\ude00"}')

        assert (202, ['{"a":"\\ufffd \\ufffd\\ud83d\\ude00"}']) == (answer.status, client.events)

    async def test_the_content_type_does_not_matter(self, client: Client) -> None:
        """Any content type delivers; its charset is used."""
        headers = {**NOTIFICATION, "Content-Type": "application/cloudevents+json; charset=utf-16"}
        answer = await client.ask('{"a":"é"}'.encode("utf-16"), headers=headers)

        assert (202, ['{"a":"é"}']) == (answer.status, client.events)

    @pytest.mark.parametrize(
        "body",
        ["", "{", "[{}", "[{}] x", "{},{}", "1", '"x"', "null", "true", "[" * 100_000, '[{"a":' * 100_000],
    )
    async def test_what_holds_no_events_fails(self, client: Client, body: str) -> None:
        """A scalar, malformed JSON or too deep a one is a 500 without a body, and no invocation."""
        answer = await client.ask(body)

        assert (500, "", []) == (answer.status, answer.text, client.events)

    async def test_one_failure_fails_the_delivery(self, client: Client) -> None:
        """One failed event among others is a 500 that names the function, and nothing of the error."""
        answer = await client.ask('[{"id":"1"},{"id":"fail"},{"id":"3"}]')

        assert (500, "Exception while executing function: Functions.sms") == (answer.status, answer.text)
        assert 3 == len(client.events)

    @pytest.mark.parametrize("element", ["1", '"x"', "null", "[]"])
    async def test_an_element_that_is_no_object_fails_the_delivery(
        self, client: Client, element: str
    ) -> None:
        """An element that cannot be an event is a 500, but the others are invoked."""
        answer = await client.ask(f'[{element},{{"id":"2"}}]')

        assert (500, ['{"id":"2"}']) == (answer.status, client.events)

    async def test_events_are_handled_at_the_same_time(self, client: Client) -> None:
        """All of an array's events are started before the first ends."""
        async with asyncio.timeout(5):
            answer = await client.ask('[{"id":"wait"},{"id":"wait"},{"id":"wait"}]')

        assert 202 == answer.status

    async def test_a_large_event_is_delivered(self, client: Client) -> None:
        """Events may be many megabytes, far beyond aiohttp's own limit."""
        event = json.dumps({"text": "x" * 20_000_000})
        answer = await client.ask(event)

        assert 202 == answer.status
        assert [len(event)] == [len(received) for received in client.events]


async def test_an_app_that_does_not_load_is_unavailable() -> None:
    """While the app does not load, everything is a 503 that Event Grid retries."""

    async def no_app() -> Invoker:
        raise AppNotLoadedError

    async with _client(no_app, FakeApp()) as client:
        answer = await client.ask("[{}]")

    assert (503, "Function host is not running.") == (answer.status, answer.text)
