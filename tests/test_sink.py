"""The sink: missing, hanging and unreachable storage, and documents too large for a message."""

import asyncio
import json
import logging
import os
import re
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from copy import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from azure.storage.blob import ContainerClient, generate_account_sas
from azure.storage.queue import QueueClient, QueueSasPermissions, generate_queue_sas

from examples.consumer.reading import read_outcome
from local import azurite as azurite_module
from local.ports import free_block
from shared.decoding import decode
from shared.envelope import parse_envelope
from shared.handling import DELIVERY_TIMEOUT
from shared.outcomes import Outcome
from shared.payloads.sms import SmsReceived
from shared.settings import Settings, SettingsError, get_settings
from shared.sink import MESSAGE_LIMIT, WRITE_TIMEOUT, QueueSink, SinkError, get_sink
from tests.events import PASSING_ON, PROJECT, golden, sample
from tests.queues import Queues
from tests.servers import answering, gone

OUTCOME = Outcome.of(decode(parse_envelope(sample("sms-received")), SmsReceived))


def outcome_of_size(size: int) -> Outcome:
    """Return an outcome whose document has this many bytes."""
    outcome = msgspec.structs.replace(OUTCOME, data={"fill": ""})
    return msgspec.structs.replace(OUTCOME, data={"fill": "x" * (size - len(outcome.encode()))})


def storage_at(port: int) -> Settings:
    """Return settings with a storage account on a port of this machine."""
    endpoint = f"http://127.0.0.1:{port}/a"
    account = "AccountName=a;AccountKey=c2VjcmV0"
    return Settings.from_environ(
        {"OutcomesStorage": f"{account};QueueEndpoint={endpoint};BlobEndpoint={endpoint}"}
    )


async def test_a_missing_queue_is_created(queues: Queues) -> None:
    """The first write to a new account creates the queue, also if several write at the same time."""
    queue = get_settings().queues["sms"]
    await asyncio.gather(*(get_sink().write(queue, [OUTCOME]) for _ in range(5)))
    assert len(queues.outcomes("sms")) == 5


async def test_messages_never_expire(queues: Queues) -> None:
    """By default a queue keeps a message for 7 days."""
    queue = get_settings().queues["sms"]
    await get_sink().write(queue, [OUTCOME])
    (message,) = queues.messages(queue)
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


async def test_dead_letters_never_expire(queues: Queues) -> None:
    """OUTCOME_TTL_SECONDS applies to outcomes only. A dead letter stays until someone has handled it."""
    settings = replace(get_settings(), outcome_ttl_seconds=3600)
    sink = QueueSink(settings)
    for queue in (settings.queues["sms"], settings.dead_letter_queue):
        await sink.write(queue, [OUTCOME])
    await sink.close()
    (outcome,), (letter,) = map(queues.messages, (settings.queues["sms"], settings.dead_letter_queue))
    assert outcome.expires_on is not None
    assert outcome.inserted_on is not None
    assert timedelta(hours=1) == outcome.expires_on - outcome.inserted_on
    assert letter.expires_on is not None
    assert 9999 == letter.expires_on.year


async def test_one_sink_serves_all_invocations(queues: Queues) -> None:
    """Every invocation on a loop gets the same sink, so connections are reused."""
    assert get_sink() is get_sink()
    assert queues.everything() == []


async def test_a_document_at_the_limit_is_one_message(queues: Queues) -> None:
    """49,152 bytes still fit."""
    await get_sink().write(get_settings().queues["sms"], [outcome_of_size(MESSAGE_LIMIT)])
    (document,) = queues.outcomes("sms")
    assert "dataref" not in document


async def test_a_larger_document_goes_to_a_blob(azurite: str, queues: Queues) -> None:
    """With one byte more, the message has the blob's URL. A redelivery writes the same blob."""
    outcome = outcome_of_size(MESSAGE_LIMIT + 1)
    for _ in range(2):
        await get_sink().write(get_settings().queues["sms"], [outcome])
    first, second = queues.outcomes("sms")
    assert first == second
    assert "data" not in first
    assert (first["id"], first["source"]) == (golden("sms-received")["id"], outcome.source)
    assert queues.referenced(first) == {"id": outcome.id, "source": outcome.source, "data": outcome.data}
    with ContainerClient.from_connection_string(azurite, get_settings().oversize_container) as container:
        (blob,) = container.list_blobs()
    assert "application/cloudevents+json" == blob.content_settings.content_type


def test_each_timeout_leaves_time_for_the_next() -> None:
    """Storage's error comes before the delivery's timeout, and that comes before Event Grid's."""
    assert WRITE_TIMEOUT < DELIVERY_TIMEOUT < 30


@asynccontextmanager
async def hanging_first(connections: int) -> AsyncIterator[tuple[int, list[str]]]:
    """Run storage whose first connections never answer. Gives its port and the requests it answered."""
    answered = list[str]()
    left = iter(range(connections))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hangs = next(left, None) is not None
        with closing(writer), suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await reader.readexactly(int(re.findall(r"(?i)content-length: (\d+)", head)[0]))
                if not hangs:
                    answered.append(head.partition("?")[0])
                    body = SENT if head.startswith("POST") else ""
                    writer.write(
                        f"HTTP/1.1 201 Created\r\nContent-Length: {len(body)}\r\n{XML}{body}".encode()
                    )

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], answered


async def test_a_connection_that_hangs_is_given_up_and_tried_again() -> None:
    """Behind a load balancer a connection may be dead. This delays the delivery, but does not fail it."""
    async with hanging_first(1) as (port, answered), asyncio.timeout(10):
        sink = QueueSink(storage_at(port))
        await sink.write("acs-sms", [OUTCOME])
        await sink.close()
    assert ["POST /a/acs-sms/messages"] == answered


async def test_a_connection_to_blobs_that_hangs_is_given_up_and_tried_again() -> None:
    """The message that refers to the blob is written after the blob, and only once."""
    async with hanging_first(1) as (port, answered), asyncio.timeout(10):
        sink = QueueSink(storage_at(port))
        await sink.write("acs-sms", [outcome_of_size(MESSAGE_LIMIT + 1)])
        await sink.close()
    blob, message = answered
    assert blob.startswith("PUT /a/acs-outcomes/acs.sms.received/")
    assert "POST /a/acs-sms/messages" == message


async def test_connections_that_hang_do_not_keep_others_waiting() -> None:
    """All of 150 deliveries at the same time are written, although the first 100 connections hang."""
    async with hanging_first(100) as (port, answered), asyncio.timeout(WRITE_TIMEOUT):
        sink = QueueSink(storage_at(port))
        await asyncio.gather(*(sink.write("acs-sms", [OUTCOME]) for _ in range(150)))
        await sink.close()
    assert ["POST /a/acs-sms/messages"] * 150 == answered


async def test_storage_that_cannot_be_reached_raises_within_20_seconds(azurite: str) -> None:
    """Event Grid waits 30 s. The app answers before that and says why.

    If only the blob endpoint hangs, the error names that endpoint and not the queue endpoint.
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


@pytest.mark.parametrize(
    ("storage", "asked"),
    [
        (
            "AccountName=contoso;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
            "CONNECT contoso.queue.core.windows.net:443 HTTP/1.1",
        ),
        (
            "AccountName=contoso;AccountKey=c2VjcmV0;EndpointSuffix=core.chinacloudapi.cn",
            "CONNECT contoso.queue.core.chinacloudapi.cn:443 HTTP/1.1",
        ),
        (
            "UseDevelopmentStorage=true",
            r"POST http://127.0.0.1:10001/devstoreaccount1/acs-sms/messages\?messagettl=-1&.* HTTP/1.1",
        ),
    ],
)
async def test_a_proxy_is_used_where_the_environment_has_one(
    storage: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used for Azure, in every cloud. Azurite is reached directly."""
    requests = asyncio.Queue[bytes]()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.put_nowait(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        sink = QueueSink(Settings.from_environ({"OutcomesStorage": storage}))
        write = asyncio.create_task(sink.write("acs-sms", [OUTCOME]))
        async with asyncio.timeout(10):
            assert re.fullmatch(asked, (await requests.get()).decode().strip())
        write.cancel()
        with suppress(asyncio.CancelledError, SinkError):
            await write
        await sink.close()


@pytest.mark.parametrize(
    "storage",
    [
        "AccountName=a;AccountKey=c2VjcmV0;QueueSecondaryEndpoint=http://127.0.0.1:9/a",
        "AccountName=a;AccountKey=secret",
    ],
)
async def test_a_connection_string_that_cannot_be_used_is_named(storage: str) -> None:
    """What the SDK refuses is an error in a setting, not a bug of the app."""
    with pytest.raises(SettingsError, match=r"^OutcomesStorage names no queue endpoint"):
        QueueSink(Settings.from_environ({"OutcomesStorage": storage}))


async def test_a_wrong_key_names_the_setting(azurite: str) -> None:
    """The error says what to correct. It does not contain the key."""
    wrong = azurite.replace("AccountKey=Eby8", "AccountKey=AAAA")
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": wrong}))
    try:
        with pytest.raises(SinkError, match="Storage refused the credential of OutcomesStorage") as refused:
            await sink.write("acs-sms", [OUTCOME])
    finally:
        await sink.close()
    assert "AAAA" not in str(refused.value)


async def test_what_storage_refuses_is_named(queues: Queues) -> None:
    """The error for a queue name that storage refuses has the setting and storage's own code."""
    with pytest.raises(
        SinkError, match=r"Storage answered 400 InvalidResourceName\. .* queue A_B \(DEAD_LETTER_QUEUE\)"
    ):
        await get_sink().write("A_B", [OUTCOME])
    assert queues.everything() == []


@pytest.mark.parametrize("key", ["id", "eventType", "threadId"])
async def test_an_over_long_identifier_is_dead_lettered(key: str, queues: Queues) -> None:
    """An id too long for a queue message must not cause retries for a day."""
    event = sample("chat-message-received")
    (event["data"] if key == "threadId" else event)[key] = "\x01" * 100_000
    await PASSING_ON["chat_message"].handle(json.dumps(event))
    (message,) = queues.everything()
    assert message["type"] == "acs.dead-letter"
    assert queues.referenced(message)["data"]["original"] == event


@pytest.mark.parametrize(("key", "expected"), [("topic", "unknown"), ("subject", None)])
async def test_an_over_long_attribute_is_left_out(key: str, expected: str | None, queues: Queues) -> None:
    """The outcome is complete without it."""
    await PASSING_ON["sms"].handle(json.dumps(sample("sms-received") | {key: "x" * 100_000}))
    (outcome,) = queues.outcomes("sms")
    assert expected == outcome.get("source" if key == "topic" else key)


async def test_a_small_outcome_is_read_from_its_message_and_a_foreign_blob_is_refused(queues: Queues) -> None:
    """The reader reads from its own container only, whatever a message refers to."""
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


XML = "Content-Type: application/xml\r\n\r\n"
SENT = "<QueueMessagesList><QueueMessage><MessageId>1</MessageId></QueueMessage></QueueMessagesList>"

NOT_WRITTEN = "Not written: an outcome for the queue acs-sms (SMS_QUEUE)."

type Fault = tuple[int, str]
"""A status, and the code of storage's that comes with it."""


@asynccontextmanager
async def _answering(
    answer: Callable[[web.Request], web.Response | Awaitable[web.Response]],
) -> AsyncIterator[QueueSink]:
    """Connect a sink to storage that gives answers which Azurite never gives."""
    async with answering(answer) as url:
        sink = QueueSink(storage_at(int(url.rpartition(":")[2])))
        yield sink
        await sink.close()


def _refusal(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"x-ms-error-code": code})


async def test_a_short_throttling_is_ridden_out() -> None:
    """A delivery does not fail because storage is busy for a moment."""
    answers = [
        _refusal(503, "ServerBusy"),
        web.Response(status=201, text=SENT, content_type="application/xml"),
    ]
    async with _answering(lambda _: answers.pop(0)) as sink:
        await sink.write("acs-sms", [OUTCOME])
    assert answers == []


async def test_storage_is_asked_again_when_it_says() -> None:
    """The app waits as long as Retry-After says. A repeated request has the same id."""
    times, ids = list[float](), set[str]()

    def answer(request: web.Request) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        ids.add(request.headers["x-ms-client-request-id"])
        if len(times) == 1:
            return web.Response(status=503, headers={"Retry-After": "2"})
        return web.Response(status=201, text=SENT, content_type="application/xml")

    async with _answering(answer) as sink:
        await sink.write("acs-sms", [OUTCOME])
    assert times[0] + 2 <= times[1]
    assert 1 == len(ids)


async def test_a_long_pause_is_left_to_event_grid() -> None:
    """If storage asks for more time than a delivery has, its answer is raised at once."""

    def answer(_: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "60", "x-ms-error-code": "ServerBusy"})

    async with _answering(answer) as sink, asyncio.timeout(10):
        with pytest.raises(SinkError, match=r"^Storage answered 503 ServerBusy: "):
            await sink.write("acs-sms", [OUTCOME])


async def test_a_redirect_is_not_followed() -> None:
    """The outcome and its authorization are sent to the configured account only."""
    asked = list[str]()

    def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with _answering(answer) as sink:
        with pytest.raises(SinkError, match=r"^Storage answered 307\. "):
            await sink.write("acs-sms", [OUTCOME])
    assert ["/a/acs-sms/messages"] == asked


async def test_each_write_has_an_id_of_its_own() -> None:
    """Storage's logs distinguish requests by it."""
    ids = set[str]()

    def answer(request: web.Request) -> web.Response:
        ids.add(request.headers["x-ms-client-request-id"])
        return web.Response(status=201, text=SENT, content_type="application/xml")

    async with _answering(answer) as sink:
        await sink.write("acs-sms", [OUTCOME, OUTCOME])
    assert 2 == len(ids)


async def test_a_connection_that_breaks_is_tried_again() -> None:
    """Storage may have the message already. Then it is there twice, and consumers drop the repeat."""
    requests = list[str]()

    async def answer(request: web.Request) -> web.Response:
        requests.append(await request.text())
        if len(requests) == 1:
            return gone(request)
        return web.Response(status=201, text=SENT, content_type="application/xml")

    async with _answering(answer) as sink:
        await sink.write("acs-sms", [OUTCOME])
    first, second = requests
    assert first == second


@pytest.mark.parametrize("minutes", [-45, 45])
async def test_a_clock_that_is_wrong_still_writes(
    minutes: int, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature is valid from some time before it is made."""
    now = time.time()
    monkeypatch.setattr("shared.queue_writer.time.time", lambda: now + minutes * 60)
    get_sink.cache_clear()
    await get_sink().write(get_settings().queues["sms"], [OUTCOME])
    assert 1 == len(queues.outcomes("sms"))


async def test_a_signature_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is used, it has been valid for an hour and will be valid for another."""
    now, validity = datetime(2026, 3, 2, 9, 15, tzinfo=UTC), list[tuple[str, str]]()
    monkeypatch.setattr("shared.queue_writer.time.time", lambda: now.timestamp())

    def answer(request: web.Request) -> web.Response:
        validity.append((request.query["st"], request.query["se"]))
        return web.Response(status=201, text=SENT, content_type="application/xml")

    hour = timedelta(hours=1)
    async with _answering(answer) as sink:
        for _ in range(12):
            await sink.write("acs-sms", [OUTCOME])
            start, end = map(datetime.fromisoformat, validity[-1])
            assert start + hour <= now <= end - hour
            now += timedelta(minutes=15)
    assert len(set(validity)) in {3, 4}


async def _refused(fault: Fault, creating: Fault | None = None) -> tuple[str, int]:
    """Write to storage with this answer. Returns the error and the number of requests."""
    methods = list[str]()

    def answer(request: web.Request) -> web.Response:
        methods.append(request.method)
        return _refusal(*(creating if creating and request.method == "PUT" else fault))

    async with _answering(answer) as sink, asyncio.timeout(20):
        with pytest.raises(SinkError) as refused:
            await sink.write("acs-sms", [OUTCOME])
    return str(refused.value), len(methods)


async def test_a_long_throttling_raises_within_20_seconds() -> None:
    """The error has storage's answer. Storage that is full is tried as often as storage that is busy."""
    busy, full = await asyncio.gather(_refused((503, "ServerBusy")), _refused((507, "InsufficientStorage")))
    load = "if it goes on, look at the load on the storage account and at the status of Azure"
    assert (f"Storage answered 503 ServerBusy: {load}. {NOT_WRITTEN}", 4) == busy
    assert (f"Storage answered 507 InsufficientStorage. {NOT_WRITTEN}", 4) == full


@pytest.mark.parametrize("fault", [(409, "QueueDisabled"), (413, "RequestBodyTooLarge")])
async def test_what_no_repetition_cures_raises_at_once(fault: Fault) -> None:
    """The error has the queue's setting and storage's own code."""
    status, code = fault
    assert (f"Storage answered {status} {code}. {NOT_WRITTEN}", 1) == await _refused(fault)


@pytest.mark.parametrize(
    ("status", "code", "what_to_do"),
    [
        (403, "AccountIsDisabled", "enable the storage account, or its subscription"),
        (403, "AuthorizationFailure", "allow this network in the storage account's firewall"),
        (403, "KeyBasedAuthenticationNotPermitted", "use an identity, by OutcomesStorage__queueServiceUri"),
        (403, "AuthorizationServiceMismatch", "the signature must allow the services bq, .*"),
        (409, "ContainerBeingDeleted", "it is being deleted: try again in a minute"),
    ],
)
async def test_a_refusal_says_what_to_do(status: int, code: str, what_to_do: str) -> None:
    """Not every reader knows storage's codes."""
    error, requests = await _refused((status, code))
    assert re.fullmatch(rf"Storage answered {status} {code}: {what_to_do}\. {re.escape(NOT_WRITTEN)}", error)
    assert 1 == requests


@pytest.mark.parametrize("exists", [(204, ""), (409, "QueueAlreadyExists")], ids=["204", "409"])
async def test_a_queue_that_another_instance_has_just_created_is_no_fault(exists: Fault) -> None:
    """Storage answers 204 if the queue has the same metadata, else 409. The message is written after it."""
    answers = iter([_refusal(404, "QueueNotFound"), _refusal(*exists)])
    methods = list[str]()

    def answer(request: web.Request) -> web.Response:
        methods.append(request.method)
        return next(answers, web.Response(status=201, text=SENT, content_type="application/xml"))

    async with _answering(answer) as sink:
        await sink.write("acs-sms", [OUTCOME])
    assert ["POST", "PUT", "POST"] == methods


async def test_a_queue_that_is_being_deleted_raises() -> None:
    """For half a minute it can neither be written to nor created. Event Grid delivers the event again."""
    result = await _refused((404, "QueueNotFound"), creating=(409, "QueueBeingDeleted"))
    answer = "Storage answered 404 QueueNotFound: it is being deleted: try again in a minute."
    assert (f"{answer} {NOT_WRITTEN}", 3) == result


async def test_an_azurite_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses the API version of the SDK, which writes blobs; the operator's tool says what to do, too."""
    monkeypatch.setattr(azurite_module, "OPTIONS", ("--silent",))
    port = free_block(len(azurite_module.SERVICES))
    connection = azurite_module.connection_string(port)
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": connection}))
    async with azurite_module.running(port, tmp_path):
        await sink.write("acs-sms", [OUTCOME])
        with pytest.raises(SinkError) as refused:
            await sink.write("acs-sms", [outcome_of_size(MESSAGE_LIMIT + 1)])
        ops = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", "dead-letters", "list"),
            cwd=PROJECT,
            env=os.environ | {"OutcomesStorage": connection},
            stderr=PIPE,
        )
        _, errors = await ops.communicate()
        await sink.close()
    answer = (
        "Storage answered 400 InvalidHeaderValue: if this is Azurite, update it or start it with "
        "--skipApiVersionCheck."
    )
    container = "Not written: an outcome for the container acs-outcomes (OVERSIZE_CONTAINER)."
    assert f"{answer} {container}" == str(refused.value)
    assert f"error: {answer}\n" == errors.decode()


async def test_a_delivery_is_one_record(queues: Queues, caplog: pytest.LogCaptureFixture) -> None:
    """The worker forwards records from INFO up. azure-core would write one for each request."""
    caplog.set_level(logging.INFO)
    event = sample("sms-received")
    large = event | {"data": event["data"] | {"Message": "x" * MESSAGE_LIMIT}}
    for text in (json.dumps(event), json.dumps(large), "no JSON"):
        await PASSING_ON["sms"].handle(text)
    assert ["acs_events"] * 3 == [record.name for record in caplog.records]
    assert 3 == len(queues.everything())


async def test_a_queue_that_was_deleted_is_created_again(azurite: str, queues: Queues) -> None:
    """This also holds for a sink that has written to it before."""
    queue = get_settings().queues["sms"]
    await get_sink().write(queue, [OUTCOME])
    with QueueClient.from_connection_string(azurite, queue) as client:
        client.delete_queue()
    await get_sink().write(queue, [OUTCOME])
    assert len(queues.outcomes("sms")) == 1


async def test_a_signature_stays_out_of_what_is_written(azurite: str, queues: Queues) -> None:
    """With a shared access signature, a large outcome refers to its blob without the signature."""
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
    """The error names the container's setting, not the queue's."""
    settings = replace(get_settings(), oversize_container="NO")
    sink = QueueSink(settings)
    with pytest.raises(SinkError, match=r"for the container NO \(OVERSIZE_CONTAINER\)\.$"):
        await sink.write(settings.queues["sms"], [outcome_of_size(MESSAGE_LIMIT + 1)])
    await sink.close()
    assert [] == queues.everything()


async def test_a_signature_without_a_blob_endpoint_is_named() -> None:
    """An incomplete connection string is an error in a setting, not a bug of the app."""
    connection = "QueueEndpoint=http://127.0.0.1:9/a;SharedAccessSignature=sv=1"
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": connection}))
    with pytest.raises(SettingsError, match="OutcomesStorage should have a BlobEndpoint"):
        await sink.write("acs-sms", [outcome_of_size(MESSAGE_LIMIT + 1)])
    await sink.close()


async def test_a_missing_permission_is_named(azurite: str, queues: Queues) -> None:
    """The error says that the signature does not allow writing, and which setting it is in."""
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
