"""The local host's Event Grid endpoint: the answers of the real Functions host, and its warnings."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from local import host
from local.host import Invoker
from local.journal import Journal

ANSWERS = json.loads(Path(__file__).with_name("functions_host_answers.json").read_bytes())
NOTIFICATION = {"aeg-event-type": "Notification"}


class FakeApp:
    """The functions that the real host was asked with; `wait` in an event has three wait for each other."""

    def __init__(self) -> None:
        self.loads = True
        self.functions = ("echo", "boom", "mixed")
        self.events: list[str] = []
        self._together = asyncio.Barrier(3)

    async def invoke(self, function: str, event: str) -> str | None:
        """Keep the event, and return an error's text where the function raises."""
        self.events.append(event)
        if "wait" in event:
            await self._together.wait()
        raises = function == "boom" or (function == "mixed" and "fail" in event)
        return "RuntimeError('secret')" if raises else None


@dataclass(frozen=True)
class Client:
    """Posts to an endpoint that is served for a test."""

    session: aiohttp.ClientSession
    url: str
    app: FakeApp
    reports: list[str]

    async def ask(
        self,
        body: bytes | str = b"",
        *,
        headers: dict[str, Any] = NOTIFICATION,
        method: str = "POST",
        path: str = f"{host.PATH}?functionName=echo",
    ) -> tuple[int, bytes, CIMultiDict[str]]:
        """Make a request, and return the status, body and headers of the answer."""
        sent: CIMultiDict[str] = CIMultiDict()
        for name, value in headers.items():
            for each in value if isinstance(value, list) else [value]:
                sent.add(name, each)
        async with self.session.request(
            method,
            URL(self.url + path, encoded=True),
            data=BytesIO(body.encode() if isinstance(body, str) else body),
            headers=sent,
            skip_auto_headers=["Content-Type"],
        ) as response:
            return response.status, await response.read(), CIMultiDict(response.headers)


@pytest.fixture(name="client")
async def _client() -> AsyncIterator[Client]:
    app, reports = FakeApp(), list[str]()

    async def current_app() -> Invoker | None:
        return app if app.loads else None

    async with (
        host.serving(current_app, 0, Journal(reports.append)) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, f"http://127.0.0.1:{port}", app, reports)


def octets(content: dict[str, str]) -> bytes:
    """Return the bytes that a row of the table holds."""
    return base64.b64decode(content["base64"]) if "base64" in content else content["text"].encode()


def nested(row: dict[str, Any]) -> bytes:
    """Return what a row of the table sent: its text, or an object of so many levels."""
    if "sent" in row:
        return octets(row["sent"])
    text = '{"a":' * (row["depth"] - 1) + "{}" + "}" * (row["depth"] - 1)
    return f"[{text}]".encode() if row["array"] else text.encode()


class TestRealHost:
    """What the real Functions host answered, row by row."""

    @pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in ANSWERS["requests"]])
    async def test_a_request_is_answered_as_by_the_real_host(
        self, row: dict[str, Any], client: Client
    ) -> None:
        """Status, body and headers of the answer are the same."""
        status, body, headers = await client.ask(
            octets(row["body"]), headers=row["headers"], method=row["method"], path=row["path"]
        )

        assert (row["status"], octets(row["answer"])) == (status, body)
        expected = row.get("answer_headers", {})
        assert expected == {name: headers.get(name) for name in expected}

    @pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in ANSWERS["texts"]])
    async def test_a_function_is_given_the_text_of_the_real_host(
        self, row: dict[str, Any], client: Client
    ) -> None:
        """The event is parsed and written again, by the host's own rules."""
        status, body, _ = await client.ask(nested(row))

        assert (row["status"], octets(row["answer"])) == (status, body)
        if "arrives" in row:
            assert [octets(text).decode() for text in row["arrives"]] == client.app.events
        else:
            assert (status == 202) == bool(client.app.events)

    @pytest.mark.parametrize(
        ("sent", "arrives"),
        [
            ("-0", "0"),
            ("1E0", "1.0"),
            ("1.10", "1.1"),
            ("-0.0", "-0.0"),
            ("0.0001", "0.0001"),
            ("0.00001", "1E-05"),
            ("1.2345e-5", "1.2345E-05"),
            ("1e16", "10000000000000000.0"),
            ("1.234567890123457e16", "12345678901234570.0"),
            ("1e17", "1E+17"),
            ("2.5E-324", "5E-324"),
            ("-1e400", '"-Infinity"'),
            ("NaN", '"NaN"'),
            ("9" * 380, "9" * 380),
        ],
    )
    async def test_a_number_is_written_as_by_the_real_host(
        self, sent: str, arrives: str, client: Client
    ) -> None:
        """Integers keep their digits; floats are written by .NET's rules, infinities as strings."""
        await client.ask(f'{{"n": [{sent}]}}')

        assert [f'{{"n":[{arrives}]}}'] == client.app.events

    @pytest.mark.parametrize(
        "body", ['{"n":' + "9" * 381 + "}", "[" * 100_000, '[{"a":' * 100_000, '[{"id":"1"}']
    )
    async def test_what_the_host_cannot_parse_reaches_no_function(self, body: str, client: Client) -> None:
        """An integer of over 380 digits, deep nesting and malformed JSON are an empty 500."""
        status, answer, _ = await client.ask(body)

        assert (500, b"", []) == (status, answer, client.app.events)

    @pytest.mark.parametrize("element", ["1", '"x"', "null", "[]"])
    async def test_an_element_that_is_no_object_fails_the_delivery(
        self, element: str, client: Client
    ) -> None:
        """It is an empty 500, but the objects beside it are invoked."""
        status, body, _ = await client.ask(f'[{{"id":"1"}},{element},{{"id":"2"}}]')

        assert (500, b"", ['{"id":"1"}', '{"id":"2"}']) == (status, body, client.app.events)

    @pytest.mark.parametrize(("code", "answer"), [("5", "5"), ("true", "True"), ("null", "")])
    async def test_a_code_that_is_no_string_is_answered_as_one(
        self, code: str, answer: str, client: Client
    ) -> None:
        """A number, true or null comes back as text."""
        body = f'[{{"data":{{"validationCode":{code}}}}}]'
        status, text, _ = await client.ask(body, headers={"aeg-event-type": "SubscriptionValidation"})

        assert (200, {"validationResponse": answer}) == (status, json.loads(text))

    async def test_an_app_that_does_not_load_is_not_found(self, client: Client) -> None:
        """While the app does not load, every function is an empty 404: no function is indexed."""
        client.app.loads = False
        status, body, _ = await client.ask("[{}]")

        assert (404, b"") == (status, body)

    async def test_the_home_page_says_that_the_host_is_up(self, client: Client) -> None:
        """The root answers 200, for whoever waits for the host."""
        status, body, _ = await client.ask(method="GET", path="/", headers={})

        assert (200, True) == (status, b"up" in body)

    async def test_events_are_handled_at_the_same_time(self, client: Client) -> None:
        """All of an array's events are started before the first ends."""
        async with asyncio.timeout(5):
            status, _, _ = await client.ask('[{"id":"wait"},{"id":"wait"},{"id":"wait"}]')

        assert 202 == status

    async def test_a_large_event_is_delivered(self, client: Client) -> None:
        """Events may be many megabytes, far beyond aiohttp's own limit."""
        event = json.dumps({"text": "x" * 20_000_000}, separators=(",", ":"))
        status, _, _ = await client.ask(event)

        assert (202, [len(event)]) == (status, [len(received) for received in client.app.events])


class TestWarnings:
    """What the terminal says about a request that is refused."""

    @pytest.mark.parametrize(
        ("request_", "status", "cure"),
        [
            ({"headers": {}}, 400, "-H 'aeg-event-type: Notification'"),
            ({"path": f"{host.PATH}?functionName=Echo"}, 404, "echo, boom, mixed"),
            ({"path": host.PATH}, 404, "echo, boom, mixed"),
            ({"path": "/api/echo"}, 404, f"{host.PATH}?functionName=NAME"),
            ({"path": "/runtime/webhooks/blobs?functionName=echo"}, 404, f"{host.PATH}?functionName=NAME"),
            ({"method": "PATCH"}, 404, f"{host.PATH}?functionName=NAME"),
            ({"body": ""}, 500, "not JSON"),
            ({"body": "{"}, 500, "not JSON"),
            ({"body": "5"}, 500, "neither an object nor an array"),
            ({"body": "[5]"}, 500, "not a JSON object"),
            ({"body": '{"a":' * 65 + "1" + "}" * 65}, 500, "64 levels"),
            ({"body": '{"a":' + "9" * 381 + "}"}, 500, "380 digits"),
            ({"body": "[]", "headers": {"aeg-event-type": "SubscriptionValidation"}}, 500, "validationCode"),
            (
                {"headers": NOTIFICATION | {"Content-Type": "application/x-www-form-urlencoded"}},
                500,
                "-H 'content-type: application/json'",
            ),
            (
                {"headers": NOTIFICATION | {"Content-Type": "application/json; charset=nosuch"}},
                500,
                "charset",
            ),
        ],
    )
    async def test_a_refusal_names_the_cure(
        self, request_: dict[str, Any], status: int, cure: str, client: Client
    ) -> None:
        """One line for each refusal says what was wrong and what to send instead."""
        answer, _, _ = await client.ask(**({"body": '{"id":"1"}'} | request_))

        assert status == answer
        (report,) = client.reports
        assert cure in report

    async def test_a_request_cannot_command_the_terminal(self, client: Client) -> None:
        """Control characters of a path or a function's name are escaped."""
        await client.ask(path="/%1B%5B2J")
        await client.ask(path=f"{host.PATH}?functionName=%1B%5B2J")

        assert [] == [report for report in client.reports if not report.isprintable()]

    async def test_each_event_has_a_line(self, client: Client) -> None:
        """What became of it is said, and no more where nothing was wrong with the request."""
        await client.ask("[{}]")
        await client.ask("[{}]", path=f"{host.PATH}?functionName=boom")

        assert ["ignored", "failed"] == [report.split()[3] for report in client.reports]


class TestBrowsers:
    """What a browser may send on behalf of a page from elsewhere."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
            {"Origin": "https://example.com"},
            {"Origin": "null"},
            {"Host": "example.com"},
            {"Host": "127.0.0.1.example.com:7071"},
        ],
    )
    async def test_a_page_from_elsewhere_is_refused(self, headers: dict[str, str], client: Client) -> None:
        """Another site, another port's page and another host's name are a 403, which is reported."""
        status, _, _ = await client.ask("[{}]", headers=NOTIFICATION | headers)

        assert (403, [], 1) == (status, client.app.events, len(client.reports))

    @pytest.mark.parametrize(
        "headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Host": "localhost"}]
    )
    async def test_programs_of_this_machine_are_taken(self, headers: dict[str, str], client: Client) -> None:
        """A program, and the host's own page, may post under each name of this machine."""
        status, _, _ = await client.ask("[{}]", headers=NOTIFICATION | headers)

        assert 202 == status
