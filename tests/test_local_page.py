"""The API of the local stack's page, as a user's own tests use it: docs/local.md."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from local.journal import LIMIT, Broken, Journal
from local.stack import Stack
from tests.events import golden, sample
from tests.queues import Queues

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("stack_queues")]


@pytest_asyncio.fixture(name="http", loop_scope="session")
async def _http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.page) as http:
        yield http


async def send(http: aiohttp.ClientSession, event: object) -> dict[str, Any]:
    """Send an event, and return its delivery when it is known what becomes of it."""
    async with http.post("/api/send?wait", json=event) as answer:
        (delivery,) = await answer.json()
        return dict(delivery)


async def change(http: aiohttp.ClientSession, action: str, value: object) -> None:
    """Break something, or change Event Grid's time."""
    async with http.post(f"/api/{action}", json=value) as answer:
        assert 200 == answer.status


async def test_events_come_with_their_outcomes(http: aiohttp.ClientSession) -> None:
    """What was sent is found by a field, with the outcome that storage took."""
    await send(http, sample("sms-received") | {"id": "api-1"})
    await send(http, sample("sms-received") | {"id": "api-2"})
    async with http.get("/api/events?ide=api-1") as answer:
        assert (400, "unknown parameter 'ide'") == (answer.status, (await answer.text()).partition(":")[0])
    async with http.get("/api/events?id=api-1") as answer:
        (found,) = await answer.json()

    assert ("written", "sms", "sms") == (found["fate"], found["function"], found["subscription"])
    (written,) = found["written"]
    assert "acs-sms" == written["place"]
    assert golden("sms-received")["data"] == json.loads(written["document"])["data"]


async def test_a_large_outcome_is_the_blob_and_the_message(
    http: aiohttp.ClientSession, stack_queues: Queues
) -> None:
    """What storage took is shown whole: the blob, and the message that refers to it."""
    event = sample("sms-received")
    event["data"]["Message"] = "x" * 70_000
    found = await send(http, event)

    blob, message = (json.loads(each["document"]) for each in found["written"])
    assert event["data"]["Message"] == blob["data"]["message"]
    assert message["dataref"].endswith(found["written"][0]["place"])
    assert blob["data"] == stack_queues.referenced(message)["data"]


@pytest.mark.parametrize(
    ("query", "function", "subscription", "fate"),
    [
        ("schema=CloudEventSchemaV1_0", "sms", "sms", "written"),
        ("direct", "sms", None, "written"),
        ("function=membership", "membership", None, "dead_lettered"),
    ],
)
async def test_an_event_is_sent_in_another_way(
    query: str, function: str, subscription: str | None, fate: str, http: aiohttp.ClientSession
) -> None:
    """In the other schema, straight to the function of its type, or to one that is named."""
    async with http.post(f"/api/send?wait&{query}", json=sample("sms-received")) as answer:
        (found,) = await answer.json()

    assert (function, subscription, fate) == (found["function"], found["subscription"], found["fate"])


@pytest.mark.parametrize("fault", ["storage-away", "function-fails"])
async def test_what_is_broken_is_retried(fault: str, http: aiohttp.ClientSession, stack: Stack) -> None:
    """An attempt fails on purpose, and the next, when Event Grid's time says, is whole again."""
    await change(http, "break", {"fault": fault, "attempts": 1})
    told = await send(http, sample("sms-received"))
    assert ("retrying", fault) == (told["fate"], told["attempts"][0]["fault"])
    await change(http, "time-scale", 1_000)
    async with asyncio.timeout(10):
        while stack.event_grid.undelivered:
            await asyncio.sleep(0.05)
    await change(http, "time-scale", 1)
    async with http.get("/api/events", params={"number": told["number"]}) as answer:
        (found,) = await answer.json()

    assert ["written", 500, 202] == [found["fate"], *(attempt["status"] for attempt in found["attempts"])]


async def test_the_stream_tells_of_changes(http: aiohttp.ClientSession, stack: Stack) -> None:
    """All deliveries come at once, and again when one changes, without texts."""
    async with http.get("/api/stream") as stream:
        await stream.content.readuntil(b"\n\n")
        (published,) = stack.event_grid.publish([sample("sms-received")])
        fates: list[str] = []
        async with asyncio.timeout(10):
            while "written" not in fates:
                message = await stream.content.readuntil(b"\n\n")
                found = json.loads(message.partition(b"data: ")[2])
                assert not any({"event", "written"} & each.keys() for each in found)
                fates += [each["fate"] for each in found if each["number"] == published.number]


@pytest.mark.parametrize(
    ("headers", "action", "body", "said"),
    [
        ({"Content-Type": "text/plain"}, "time-scale", "2", "415 send JSON"),
        ({"Sec-Fetch-Site": "same-site"}, "time-scale", "2", "403 a web page from another site"),
        ({"Origin": "http://localhost:1"}, "time-scale", "2", "403 a web page from http://localhost:1"),
        ({"Host": "example.com"}, "time-scale", "2", "403 the host 'example.com'"),
        ({}, "break", '{"fault": "other"}', "400 unknown fault 'other': use one of storage-503, storage-"),
        ({}, "break", '{"fault": "storage-503", "attempts": 0}', "400 Expected `int` >= 1"),
        ({}, "time-scale", "0", "400 Expected `float` > 0"),
        ({}, "send", '{"id"\n: }', "400 this is not JSON: Expecting value: line 2 column 3"),
        ({}, "send", "[" * 10_000, "400 this is not JSON"),
        ({}, "send?schema=other", "{}", "400 unknown schema 'other': use one of CloudEventSchemaV1_0, "),
        ({}, "send?shema=other", "{}", "400 unknown parameter 'shema': use one of wait, direct"),
    ],
)
async def test_a_change_needs_the_same_origin_and_json(
    headers: Mapping[str, str], action: str, body: str, said: str, http: aiohttp.ClientSession, stack: Stack
) -> None:
    """A page from elsewhere changes nothing, nor does what is not understood, and the answer says why."""
    grid, before = stack.event_grid, set(stack.event_grid.journal.deliveries)
    headers = {"Content-Type": "application/json", **headers}
    async with http.post(f"/api/{action}", data=body, headers=headers) as answer:
        assert f"{answer.status} {await answer.text()}".startswith(said)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert (Broken(), 1, before) == (grid.journal.broken, grid.time_scale, set(grid.journal.deliveries))


@pytest.mark.parametrize("path", ["/", "/page.js", "/lit-html/lit-html.js"])
async def test_the_page_runs_its_own_script_alone(path: str, http: aiohttp.ClientSession) -> None:
    """Its files come with a policy that allows no inline script and no other site."""
    async with http.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert {"default-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy


async def test_the_last_deliveries_are_kept() -> None:
    """There are never more than so many."""
    journal = Journal(list[str]().append)
    for number in range(LIMIT + 5):
        journal.add(json.dumps({"id": number}), "sms")

    assert (LIMIT, "5") == (len(journal.deliveries), next(iter(journal.deliveries.values())).id)
