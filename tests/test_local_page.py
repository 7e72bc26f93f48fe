"""The API of the local stack's page, as a user's own tests use it: docs/local.md."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.journal import LIMIT, Journal
from local.stack import Stack
from tests.events import golden, sample
from tests.queues import Queues

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("stack_queues")]


@pytest_asyncio.fixture(name="http", loop_scope="session")
async def _http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.page) as http:
        yield http


async def send(http: aiohttp.ClientSession, **sending: object) -> dict[str, Any]:
    """Send an event, and return what became of it at first."""
    async with http.post("/api/send", json=sending) as answer:
        assert 202 == answer.status
        (number,) = (await answer.json())["deliveries"]
    async with http.get(f"/api/events/{number}?wait") as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def control(http: aiohttp.ClientSession, **change: object) -> None:
    """Break or mend something, or change Event Grid's time."""
    async with http.post("/api/control", json=change) as answer:
        assert 200 == answer.status


async def test_events_come_with_their_outcomes(http: aiohttp.ClientSession) -> None:
    """What was sent is found by a field, with the outcome that storage took."""
    event = sample("sms-received") | {"id": "api-1"}
    await send(http, event=json.dumps(event))
    async with http.get("/api/events", params={"id": "api-1"}) as answer:
        (found,) = await answer.json()

    assert ("written", "sms", "sms") == (found["fate"], found["function"], found["subscription"])
    (written,) = found["written"]
    assert golden("sms-received")["data"] == json.loads(written["document"])["data"]
    assert ("acs-sms", len(written["document"])) == (written["place"], written["size"])


async def test_a_large_outcome_is_the_blob_and_the_message(
    http: aiohttp.ClientSession, stack_queues: Queues
) -> None:
    """Texts are cut, unless all of them are asked for."""
    event = sample("sms-received")
    event["data"]["Message"] = "x" * 70_000
    told = await send(http, event=json.dumps(event))
    async with http.get(f"/api/events/{told['number']}?full") as answer:
        whole = await answer.json()

    blob, message = (json.loads(each["document"]) for each in whole["written"])
    assert event["data"]["Message"] == blob["data"]["message"]
    assert message["dataref"].endswith(whole["written"][0]["place"])
    assert len(told["event"]) < told["size"] == len(whole["event"])
    assert blob["data"] == stack_queues.referenced(message)["data"]


@pytest.mark.parametrize("fault", ["storage-away", "function-fails"])
async def test_what_is_broken_is_retried(fault: str, http: aiohttp.ClientSession, stack: Stack) -> None:
    """An attempt fails on purpose, and the next, when Event Grid's time says, is whole again."""
    await control(http, fault=fault, attempts=1)
    told = await send(http, event=json.dumps(sample("sms-received")))
    assert ("retrying", fault) == (told["fate"], told["attempts"][0]["fault"])
    await control(http, time_scale=1_000)
    async with asyncio.timeout(10):
        while stack.event_grid.undelivered:
            await asyncio.sleep(0.05)
    await control(http, time_scale=1)
    async with http.get(f"/api/events/{told['number']}") as answer:
        found = await answer.json()

    assert ["written", 500, 202] == [found["fate"], *(attempt["status"] for attempt in found["attempts"])]


async def test_the_stream_tells_of_changes(http: aiohttp.ClientSession, stack: Stack) -> None:
    """All deliveries come first, then each change, without texts."""
    async with http.get("/api/stream") as stream:
        await stream.content.readuntil(b"\n\n")
        (published,) = stack.event_grid.publish([sample("sms-received")])
        fates: list[str] = []
        async with asyncio.timeout(10):
            while "written" not in fates:
                message = await stream.content.readuntil(b"\n\n")
                found = json.loads(message.partition(b"data: ")[2])
                assert {""} == {each["event"] for each in found}
                fates += [each["fate"] for each in found if each["number"] == published.number]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, '{"fault": "storage-503"}', 415),
        (
            {"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"},
            '{"fault": "storage-503"}',
            403,
        ),
        (
            {"Content-Type": "application/json", "Origin": "http://localhost:1"},
            '{"fault": "storage-503"}',
            403,
        ),
        ({"Content-Type": "application/json", "Host": "example.com"}, '{"fault": "storage-503"}', 403),
        ({"Content-Type": "application/json"}, '{"fault": "other"}', 400),
        ({"Content-Type": "application/json"}, '{"time_scale": 0}', 400),
        ({"Content-Type": "application/json"}, "{", 400),
    ],
)
async def test_a_change_needs_the_same_origin_and_json(
    headers: Mapping[str, str], body: str, status: int, http: aiohttp.ClientSession, stack: Stack
) -> None:
    """A page from elsewhere changes nothing, nor does what is not understood."""
    async with http.post("/api/control", data=body, headers=headers) as answer:
        assert status == answer.status
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert (None, 1) == (stack.journal.fault, stack.event_grid.time_scale)


@pytest.mark.parametrize("path", ["/", "/page.js", "/lit-html.js"])
async def test_the_page_runs_its_own_script_alone(path: str, http: aiohttp.ClientSession) -> None:
    """Its files come with a policy that allows no inline script and no other site."""
    async with http.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy


async def test_the_last_deliveries_are_kept() -> None:
    """There are never more than so many."""
    journal = Journal(list[str]().append)
    for number in range(LIMIT + 5):
        journal.add(json.dumps({"id": number}), "sms")

    assert (LIMIT, "5") == (len(journal.deliveries), next(iter(journal.deliveries.values())).id)
