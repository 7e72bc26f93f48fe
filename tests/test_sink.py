"""The sink: storage that is missing, hanging or away, and documents too large for a message."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from copy import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp import web
from azure.storage.blob import ContainerClient, generate_account_sas
from azure.storage.queue import QueueClient, QueueSasPermissions, generate_queue_sas

from examples.consumer.reading import read_outcome
from shared.decoding import decode
from shared.envelope import parse_envelope
from shared.outcomes import Outcome
from shared.payloads import SmsReceived
from shared.settings import Settings, SettingsError, get_settings
from shared.sink import MESSAGE_LIMIT, QueueSink, SinkError, get_sink
from tests.events import FAMILIES, golden, sample
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
    assert queues.referenced(first) == {"id": outcome.id, "source": outcome.source, "data": outcome.data}


async def test_storage_that_cannot_be_reached_raises_within_20_seconds(azurite: str) -> None:
    """Event Grid waits 30 s; by then the app must have said that the event is to be sent again, and why.

    Where only blobs' endpoint hangs, whoever reads the error is not sent to look at the queues'.
    """
    with closing(socket.socket()) as hanging, closing(socket.socket()) as refusing:
        for server in (hanging, refusing):
            server.bind(("127.0.0.1", 0))
        hanging.listen()
        port = hanging.getsockname()[1]
        without_blobs = re.sub("BlobEndpoint=[^;]*", f"BlobEndpoint=http://127.0.0.1:{port}/a", azurite)
        queue, container = r"acs-sms \(SMS_QUEUE\)", r"acs-outcomes \(OVERSIZE_CONTAINER\)"
        await asyncio.gather(
            _unreachable(storage_at(port), OUTCOME, queue),
            _unreachable(storage_at(refusing.getsockname()[1]), OUTCOME, queue),
            _unreachable(
                Settings.from_environ({"OutcomesStorage": without_blobs}),
                outcome_of_size(MESSAGE_LIMIT + 1),
                container,
            ),
        )


async def _unreachable(settings: Settings, outcome: Outcome, place: str) -> None:
    sink = QueueSink(settings)
    with pytest.raises(SinkError, match=rf"OutcomesStorage right\? .*{place}"):
        async with asyncio.timeout(20):
            await sink.write("acs-sms", [outcome])
    await sink.close()


async def test_a_proxy_is_used_where_the_environment_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop in an office reaches Azure through it."""
    asked = asyncio.Queue[bytes]()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.put_nowait(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        storage = "AccountName=contoso;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
        sink = QueueSink(Settings.from_environ({"OutcomesStorage": storage}))
        write = asyncio.create_task(sink.write("acs-sms", [OUTCOME]))
        async with asyncio.timeout(10):
            assert b"CONNECT contoso.queue.core.windows.net:443 HTTP/1.1\r\n" == await asked.get()
        write.cancel()
        with suppress(asyncio.CancelledError):
            await write
        await sink.close()


async def test_a_connection_string_that_cannot_be_used_is_named() -> None:
    """What the SDK finds wrong is a setting to mend, not a bug of the app's."""
    storage = "AccountName=a;AccountKey=c2VjcmV0;QueueSecondaryEndpoint=http://127.0.0.1:9/a"
    with pytest.raises(SettingsError, match=r"^OutcomesStorage names no queue endpoint"):
        QueueSink(Settings.from_environ({"OutcomesStorage": storage}))


async def test_a_wrong_key_names_the_setting(azurite: str) -> None:
    """What the operator must mend is in the error, and the key is not."""
    wrong = azurite.replace("AccountKey=Eby8", "AccountKey=AAAA")
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": wrong}))
    try:
        with pytest.raises(SinkError, match="Storage refused the credential of OutcomesStorage") as refused:
            await sink.write("acs-sms", [OUTCOME])
    finally:
        await sink.close()
    assert "AAAA" not in str(refused.value)


async def test_what_storage_refuses_is_named(queues: Queues) -> None:
    """A queue name that storage does not take is named with its setting and storage's own code."""
    with pytest.raises(
        SinkError, match=r"Storage answered 400 InvalidResourceName\. .* queue A_B \(DEAD_LETTER_QUEUE\)"
    ):
        await get_sink().write("A_B", [OUTCOME])
    assert queues.everything() == []


@pytest.mark.parametrize("key", ["id", "eventType", "threadId"])
async def test_an_over_long_identifier_is_dead_lettered(key: str, queues: Queues) -> None:
    """An id that no queue message can hold is no reason to send the event again for a day."""
    event = sample("chat-message-received")
    (event["data"] if key == "threadId" else event)[key] = "\x01" * 100_000
    await FAMILIES["chat_message"].handle(json.dumps(event))
    (message,) = queues.everything()
    assert message["type"] == "acs.dead-letter"
    assert queues.referenced(message)["data"]["original"] == event


@pytest.mark.parametrize(("key", "expected"), [("topic", "unknown"), ("subject", None)])
async def test_an_over_long_attribute_is_left_out(key: str, expected: str | None, queues: Queues) -> None:
    """What the outcome can do without does not refuse the event."""
    await FAMILIES["sms"].handle(json.dumps(sample("sms-received") | {key: "x" * 100_000}))
    (outcome,) = queues.outcomes("sms")
    assert expected == outcome.get("source" if key == "topic" else key)


async def test_a_small_outcome_is_read_from_its_message_and_a_foreign_blob_is_refused(queues: Queues) -> None:
    """The reader goes to the one container that it was given, never where a message sends it."""
    await get_sink().write(get_settings().queues["sms"], [OUTCOME])
    (message,) = queues.messages(get_settings().queues["sms"])
    container = ContainerClient("http://127.0.0.1:1/a", "c")
    assert read_outcome(message.content, container).data == OUTCOME.data
    blob = f"acs.sms.received/{'0' * 64}.json"
    for place in (f"d/{blob}", "c/secret.json", f"c/../d/{blob}", f"c/.{blob}", f"c/%2e%2e/d/{blob}"):
        foreign = {
            "specversion": "1.0",
            "id": "a",
            "source": "b",
            "type": "c",
            "dataref": f"http://127.0.0.1:1/a/{place}",
        }
        with pytest.raises(ValueError, match="not in the container c"):
            read_outcome(json.dumps(foreign), container)


SENT = "<QueueMessagesList><QueueMessage><MessageId>1</MessageId></QueueMessage></QueueMessagesList>"

NOT_WRITTEN = "Not written: an outcome for the queue acs-sms (SMS_QUEUE)."

type Fault = tuple[int, str]
"""A status, and the code of storage's that comes with it."""


@asynccontextmanager
async def _answering(answer: Callable[[web.Request], web.Response]) -> AsyncIterator[QueueSink]:
    """Connect a sink to storage that answers as Azurite never does."""

    async def answered(request: web.Request) -> web.Response:
        return answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answered)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sink = QueueSink(storage_at(runner.addresses[0][1]))
        yield sink
        await sink.close()
    finally:
        await runner.cleanup()


def _refusal(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"x-ms-error-code": code})


async def test_a_short_throttling_is_ridden_out() -> None:
    """A busy moment of storage is no reason to fail a delivery."""
    answers = [
        _refusal(503, "ServerBusy"),
        web.Response(status=201, text=SENT, content_type="application/xml"),
    ]
    async with _answering(lambda _: answers.pop(0)) as sink:
        await sink.write("acs-sms", [OUTCOME])
    assert answers == []


async def _refused(fault: Fault, creating: Fault | None = None) -> tuple[str, int]:
    """Write to storage that answers so; the error, within 20 seconds, and after how many requests."""
    methods = list[str]()

    def answer(request: web.Request) -> web.Response:
        methods.append(request.method)
        return _refusal(*(creating if creating and request.method == "PUT" else fault))

    async with _answering(answer) as sink, asyncio.timeout(20):
        with pytest.raises(SinkError) as refused:
            await sink.write("acs-sms", [OUTCOME])
    return str(refused.value), len(methods)


async def test_a_long_throttling_raises_within_20_seconds() -> None:
    """What storage answered is in the error; storage that is full is tried as often as one that is busy."""
    busy, full = await asyncio.gather(_refused((503, "ServerBusy")), _refused((507, "InsufficientStorage")))
    assert (f"Storage answered 503 ServerBusy. {NOT_WRITTEN}", 4) == busy
    assert (f"Storage answered 507 InsufficientStorage. {NOT_WRITTEN}", 4) == full


@pytest.mark.parametrize(
    "fault", [(403, "AccountIsDisabled"), (409, "QueueDisabled"), (413, "RequestBodyTooLarge")]
)
async def test_what_no_repetition_cures_raises_at_once(fault: Fault) -> None:
    """The queue's setting and storage's own code say where to look."""
    status, code = fault
    assert (f"Storage answered {status} {code}. {NOT_WRITTEN}", 1) == await _refused(fault)


async def test_a_queue_that_is_being_deleted_raises() -> None:
    """It can neither be written to nor created for half a minute: Event Grid sends the event again."""
    result = await _refused((404, "QueueNotFound"), creating=(409, "QueueBeingDeleted"))
    assert (f"Storage answered 404 QueueNotFound. {NOT_WRITTEN}", 3) == result


async def test_a_queue_that_was_deleted_is_created_again(azurite: str, queues: Queues) -> None:
    """A sink that has written to it before is no exception."""
    queue = get_settings().queues["sms"]
    await get_sink().write(queue, [OUTCOME])
    with QueueClient.from_connection_string(azurite, queue) as client:
        client.delete_queue()
    await get_sink().write(queue, [OUTCOME])
    assert len(queues.outcomes("sms")) == 1


async def test_a_signature_stays_out_of_what_is_written(azurite: str, queues: Queues) -> None:
    """With a shared access signature a large outcome refers to its blob, and readers can follow."""
    signature = generate_account_sas(
        "devstoreaccount1",
        _part(azurite, "AccountKey"),
        resource_types="co",
        permission="racwl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
        services="bq",
    )
    endpoints = "".join(f"{name}={_part(azurite, name)};" for name in ("QueueEndpoint", "BlobEndpoint"))
    connection = f"{endpoints}SharedAccessSignature={signature}"
    container = get_settings().oversize_container
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": connection, "OVERSIZE_CONTAINER": container}))
    await sink.write(get_settings().queues["sms"], [outcome_of_size(MESSAGE_LIMIT + 1)])
    await sink.close()
    (message,) = queues.outcomes("sms")
    assert "sig" not in message["dataref"]
    for reader in (azurite, connection):
        with ContainerClient.from_connection_string(reader, container) as oversize:
            assert {"fill"} == read_outcome(json.dumps(message), oversize).data.keys()  # type: ignore[union-attr]


def _part(connection_string: str, name: str) -> str:
    return connection_string.split(f"{name}=")[1].partition(";")[0]


async def test_a_container_that_cannot_be_written_to_is_named(queues: Queues) -> None:
    """An error of the container's says which setting names it, not the queue's."""
    settings = replace(get_settings(), oversize_container="NO")
    sink = QueueSink(settings)
    with pytest.raises(SinkError, match=r"for the container NO \(OVERSIZE_CONTAINER\)\.$"):
        await sink.write(settings.queues["sms"], [outcome_of_size(MESSAGE_LIMIT + 1)])
    await sink.close()
    assert [] == queues.everything()


async def test_a_signature_without_a_blob_endpoint_is_named() -> None:
    """What a connection string lacks is a setting to mend, not a bug of the app's."""
    connection = "QueueEndpoint=http://127.0.0.1:9/a;SharedAccessSignature=sv=1"
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": connection}))
    with pytest.raises(SettingsError, match="OutcomesStorage should have a BlobEndpoint"):
        await sink.write("acs-sms", [outcome_of_size(MESSAGE_LIMIT + 1)])
    await sink.close()


async def test_a_missing_permission_is_named(azurite: str, queues: Queues) -> None:
    """A signature that allows to read and not to write: the error says so, and in which setting it is."""
    await get_sink().write(get_settings().queues["sms"], [OUTCOME])
    with QueueClient.from_connection_string(azurite, get_settings().queues["sms"]) as client:
        expiry = datetime.now(UTC) + timedelta(hours=1)
        signature = generate_queue_sas(
            "devstoreaccount1",
            client.queue_name,
            client.credential.account_key,
            permission=QueueSasPermissions(read=True),
            expiry=expiry,
        )
        endpoint = client.url.rpartition("/")[0]
    connection = f"QueueEndpoint={endpoint};SharedAccessSignature={signature}"
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": connection}))
    with pytest.raises(SinkError, match=r"^The signature in OutcomesStorage lacks the permission to add"):
        await sink.write(get_settings().queues["sms"], [OUTCOME])
    await sink.close()
    assert len(queues.outcomes("sms")) == 1
