"""The whole path: HTTP endpoint, Microsoft's worker runtime, the app, storage, and a consumer's clients.

The app is the local stack's. To test a running `func start` instead, set E2E_ENDPOINT to the URL of its Event
Grid endpoint and E2E_STORAGE to the connection string of its Azurite. Each test empties the app's queues.
"""

import asyncio
import json
import os
from typing import Any, NamedTuple

import aiohttp
import pytest

from shared.settings import Settings
from tests.bad_events import BAD
from tests.events import SAMPLES, as_cloud_event, golden, sample
from tests.queues import Queues

pytestmark = pytest.mark.asyncio(loop_scope="session")


class RunningApp(NamedTuple):
    """An app that takes events over HTTP."""

    endpoint: str
    connection_string: str


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> RunningApp:
    """Return the app of the environment variables. Without them start the local stack."""
    if "E2E_ENDPOINT" in os.environ:
        return RunningApp(os.environ["E2E_ENDPOINT"], os.environ["E2E_STORAGE"])
    stack = request.getfixturevalue("stack")
    return RunningApp(stack.endpoint, stack.connection_string)


@pytest.fixture
def queues(app: RunningApp) -> Queues:
    """Return the app's queues, emptied."""
    queues = Queues(app.connection_string, Settings.from_environ({"OutcomesStorage": app.connection_string}))
    queues.clear()
    return queues


async def post(app: RunningApp, function: str, body: str | bytes) -> tuple[int, str]:
    """Deliver as Event Grid does, and return the answer's status and body."""
    headers = {"aeg-event-type": "Notification", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as client,
        client.post(app.endpoint, params={"functionName": function}, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.text()


def family_of(name: str) -> str:
    """Return the family of a sample, from the type of its outcome."""
    family: str = golden(name)["type"].split(".")[1].replace("-", "_")
    return family


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("cloud_events", [False, True], ids=["event grid", "cloud events"])
async def test_an_event_comes_out_as_its_outcome(
    name: str, cloud_events: bool, app: RunningApp, queues: Queues
) -> None:
    """It is read with azure-storage-queue and azure-core's CloudEvent."""
    body = as_cloud_event(sample(name)) if cloud_events else [sample(name)]
    assert await post(app, family_of(name), json.dumps(body)) == (202, "")
    (event,) = queues.cloud_events(family_of(name))
    expected = golden(name)
    assert (event.id, event.source, event.type) == (expected["id"], expected["source"], expected["type"])
    assert event.data == expected["data"]
    assert [expected] == queues.everything()


@pytest.mark.parametrize("text", [text for text, *_ in BAD.values() if text[0] == "{" and len(text) > 1])
async def test_a_bad_event_is_accepted_and_dead_lettered(text: str, app: RunningApp, queues: Queues) -> None:
    """Otherwise Event Grid would deliver it again for a day."""
    assert await post(app, "sms", text) == (202, "")
    (letter,) = queues.everything()
    assert letter["type"] == "acs.dead-letter"
    assert letter["data"]["original"] == json.loads(text)


async def test_a_batch_with_a_bad_event_loses_nothing(app: RunningApp, queues: Queues) -> None:
    """The good events are written, the bad one is dead-lettered, and the batch is not delivered again."""
    events = [sample("sms-received"), {"bad": True}, sample("sms-delivery-report")]
    assert await post(app, "sms", json.dumps(events)) == (202, "")
    types = sorted(outcome["type"] for outcome in queues.everything())
    assert types == ["acs.dead-letter", "acs.sms.delivery-reported", "acs.sms.received"]


async def test_a_redelivery_is_the_same_bytes(app: RunningApp, queues: Queues) -> None:
    """A consumer that has seen the `source` and `id` may drop the second outcome."""
    for _ in range(2):
        assert await post(app, "sms", json.dumps(sample("sms-received"))) == (202, "")
    first, second = queues.messages("acs-sms")
    assert first.content == second.content
    assert first.id != second.id


async def test_a_thread_of_250_participants_comes_out_whole(app: RunningApp, queues: Queues) -> None:
    """A document that is too large for the queue is in the blob that the message refers to."""
    event: dict[str, Any] = sample("chat-thread-created")
    (member, *_) = event["data"]["members"]
    event["data"]["members"] = [
        member | {"memberId": f"{member['memberId']}{number}"} for number in range(250)
    ]
    assert await post(app, "chat_thread", json.dumps(event)) == (202, "")
    (message,) = queues.everything()
    assert "data" not in message
    assert len(queues.referenced(message)["data"]["participants"]) == 250


async def test_many_at_once_are_all_written(app: RunningApp, queues: Queues) -> None:
    """Invocations share one client of storage without disturbing each other."""
    events = [sample("chat-message-received") | {"id": f"event-{number:02}"} for number in range(30)]
    answers = await asyncio.gather(*(post(app, "chat_message", json.dumps(event)) for event in events))
    assert {(202, "")} == set(answers)
    ids = {outcome["id"] for outcome in queues.outcomes("chat_message")}
    assert ids == {f"event-{number:02}:acs.chat-message.received" for number in range(30)}


async def test_an_account_in_azure_is_not_emptied() -> None:
    """The tests refuse to delete what may be someone's outcomes."""
    azure = (
        "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=a2V5;EndpointSuffix=core.windows.net"
    )
    with pytest.raises(ValueError, match="'contoso'"):
        Queues(azure, Settings.from_environ({"OutcomesStorage": azure})).clear()
