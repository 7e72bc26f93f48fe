"""The sink: storage that is missing, hanging or away, and documents too large for a message."""

import asyncio
import json
import socket
from contextlib import closing

import msgspec
import pytest
from azure.core.exceptions import AzureError

from shared.decoding import decode
from shared.envelope import parse_envelope
from shared.outcomes import Outcome
from shared.payloads import SmsReceived
from shared.settings import Settings, get_settings
from shared.sink import MESSAGE_LIMIT, QueueSink, SinkTimeoutError, get_sink
from tests.events import golden, sample
from tests.queues import Queues

OUTCOME = Outcome.of(decode(parse_envelope(sample("sms-received")), SmsReceived))


def outcome_of_size(size: int) -> Outcome:
    """Return an outcome whose document has this many bytes."""
    outcome = msgspec.structs.replace(OUTCOME, data={"fill": ""})
    return msgspec.structs.replace(OUTCOME, data={"fill": "x" * (size - len(outcome.encode()))})


def storage_at(port: int) -> Settings:
    """Return settings with a storage account on a port of this machine."""
    endpoint = f"http://127.0.0.1:{port}/a"
    return Settings.from_environ(
        {"OutcomesStorage": f"AccountName=a;AccountKey=c2VjcmV0;QueueEndpoint={endpoint};"}
    )


async def test_a_missing_queue_is_created(queues: Queues) -> None:
    """The first write to a new account makes the queue, and goes on; concurrent first writes too."""
    queue = get_settings().queues["sms"]
    await asyncio.gather(*(get_sink().write(queue, [OUTCOME]) for _ in range(5)))
    assert len(queues.outcomes("sms")) == 5


async def test_messages_never_expire(queues: Queues) -> None:
    """A queue keeps a message for 7 days unless told otherwise."""
    queue = get_settings().queues["sms"]
    await get_sink().write(queue, [OUTCOME])
    (message,) = queues.messages(queue)
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


async def test_one_sink_serves_all_invocations(queues: Queues) -> None:
    """Connections are reused: every invocation on a loop gets the same sink."""
    assert get_sink() is get_sink()
    assert queues.everything() == []


async def test_a_document_at_the_limit_is_one_message(queues: Queues) -> None:
    """49,152 bytes still fit."""
    await get_sink().write(get_settings().queues["sms"], [outcome_of_size(MESSAGE_LIMIT)])
    (document,) = queues.outcomes("sms")
    assert "dataref" not in document


async def test_a_larger_document_goes_to_a_blob(queues: Queues) -> None:
    """One byte more: the message carries the blob's URL, and a redelivery writes the same blob."""
    outcome = outcome_of_size(MESSAGE_LIMIT + 1)
    for _ in range(2):
        await get_sink().write(get_settings().queues["sms"], [outcome])
    first, second = queues.outcomes("sms")
    assert first == second
    assert "data" not in first
    assert (first["id"], first["source"]) == (golden("sms-received")["id"], outcome.source)
    assert queues.referenced(first) == json.loads(outcome.encode())


@pytest.mark.parametrize("hanging", [True, False], ids=["hanging", "refusing"])
async def test_storage_that_cannot_be_reached_raises_within_20_seconds(hanging: bool) -> None:
    """Event Grid waits 30 s; by then the app must have said that the event is to be sent again."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        if hanging:
            server.listen()
        sink = QueueSink(storage_at(server.getsockname()[1]))
        try:
            with pytest.raises((AzureError, SinkTimeoutError)):
                async with asyncio.timeout(20):
                    await sink.write("acs-sms", [OUTCOME])
        finally:
            await sink.close()
