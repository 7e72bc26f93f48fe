"""The operator's tool, as a process, with the real app and storage behind it."""

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import connection_string
from local.stack import Stack
from ops import queue_letters
from ops.__main__ import main
from ops.letters import CONNECTIONS
from ops.queue_letters import QueueLetters
from shared.envelope import DecodeError, Reason, parse_json
from shared.outcomes import dead_letter
from shared.settings import Settings
from shared.sink import QueueSink
from tests.events import PROJECT, as_cloud_event, sample
from tests.queues import Queues

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDENTITY = {"OutcomesStorage": "", "OutcomesStorage__queueServiceUri": "https://a.queue.core.windows.net"}
CANARY = "14255550127"
DEAD_LETTERS = "acs-dead-letter"
BLOBS = "event-grid"

type Result = tuple[int | None, str, str]


@pytest.fixture
def queues(stack: Stack) -> Iterator[Queues]:
    """Empty the queues after the test."""
    settings = Settings.from_environ({"OutcomesStorage": stack.connection_string})
    found = Queues(stack.connection_string, settings.queues, settings.dead_letter_queue)
    yield found
    found.clear()


@pytest.fixture
def blobs(stack: Stack) -> Iterator[ContainerClient]:
    """Have a container for Event Grid's dead letters."""
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        container.create_container()
        yield container
        container.delete_container()


async def bury(stack: Stack, *events: dict[str, Any] | str, **letter: Any) -> None:
    """Write dead letters of events as the app does."""
    function = letter.get("function", "sms")
    error = DecodeError(letter.get("reason", Reason.INVALID_DATA), "A bug, mended since.")
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    letters = [dead_letter(text, parse_json(text), function=function, error=error) for text in texts]
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": stack.connection_string}))
    await sink.write(DEAD_LETTERS, letters)
    await sink.close()


def many(count: int) -> list[dict[str, Any]]:
    """Return valid events."""
    return [sample("sms-received") | {"id": f"event-{number:03}"} for number in range(count)]


async def start(stack: Stack, *arguments: str, **environ: str) -> Process:
    """Start a command on dead letters."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", *arguments),
        cwd=PROJECT,
        env=os.environ | {"OutcomesStorage": stack.connection_string} | environ,
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> Result:
    """Wait for a command's end: its exit code, output and errors."""
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def run(stack: Stack, *arguments: str, **environ: str) -> Result:
    """Run a command on dead letters."""
    return await ended(await start(stack, "dead-letters", *arguments, **environ))


async def replay(stack: Stack, *arguments: str) -> Result:
    """Replay to the stack's own app, as fast as it goes."""
    to = f"http://127.0.0.1:{stack.port}"
    return await run(stack, "replay", "--to", to, "--rate", "1000", "--yes", *arguments)


def depth(stack: Stack) -> int:
    """Return how many dead letters the queue has, hidden ones too."""
    with QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as client:
        return client.get_queue_properties().approximate_message_count or 0


class TestQueue:
    """The app's own dead letters."""

    async def test_a_replayed_event_comes_out(self, stack: Stack, queues: Queues) -> None:
        """After a bug was mended the dead letter becomes the outcome that it should have been."""
        await bury(stack, sample("sms-received"))
        assert await replay(stack) == (0, "1 accepted\n", "")
        assert queues.dead_letters() == []
        (outcome,) = queues.outcomes("sms")
        assert outcome["data"] == sample_outcome("sms-received")

    async def test_an_event_goes_to_the_function_of_its_type(self, stack: Stack, queues: Queues) -> None:
        """An event of a wrong subscription need not be refused for ever."""
        await bury(stack, sample("chat-message-received"), reason=Reason.MISROUTED_EVENT_TYPE)
        assert (await replay(stack))[0] == 0
        assert [outcome["type"] for outcome in queues.everything()] == ["acs.chat-message.received"]

    async def test_a_refused_event_keeps_exactly_one(self, stack: Stack, queues: Queues) -> None:
        """The new dead letter is there before the old one goes; duplicates do not grow."""
        bad = sample("sms-received") | {"data": {}}
        await bury(stack, bad, *many(2))
        code, output, _ = await replay(stack)
        assert (code, output.splitlines()[:2]) == (1, ["3 accepted", "of these, dead-lettered again:"])
        (letter,) = queues.dead_letters()
        assert letter["data"]["original"] == bad
        assert letter["data"]["detail"] != "A bug, mended since."

    async def test_an_event_that_fails_is_left(self, stack: Stack, queues: Queues) -> None:
        """What the endpoint answers 500 stays as it is, and the next gets its turn."""
        await bury(stack, "[1]", sample("sms-received"))
        assert (await replay(stack))[:2] == (1, "1 accepted, 1 failed\n")
        assert [letter["data"]["original"] for letter in queues.dead_letters()] == [[1]]

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_nothing_changes_without_yes(self, command: str, stack: Stack, queues: Queues) -> None:
        """It says how many, of which reasons, and leaves them visible."""
        await bury(stack, *many(3))
        before = {(message.id, message.content) for message in queues.messages(DEAD_LETTERS)}
        code, output, _ = await run(stack, command)
        assert code == 0
        assert "3 dead letters; --yes does it" in output
        assert "3  invalid_data  sms" in output
        assert before == {(message.id, message.content) for message in queues.messages(DEAD_LETTERS)}

    async def test_all_are_listed(self, stack: Stack, queues: Queues) -> None:
        """A peek would show no more than 32; the list leaves them for the next reader."""
        await bury(stack, *many(70))
        for _ in range(2):
            code, output, _ = await run(stack, "list", "--show-data")
            assert (code, output.count("event-")) == (0, 70)
        assert len(queues.messages(DEAD_LETTERS)) == 32

    @pytest.mark.parametrize(
        ("filters", "left"),
        [
            (["--reason", "rejected"], ["event-000", "event-002"]),
            (["--function", "chat_thread"], ["event-000", "event-001"]),
            (["--reason", "rejected", "--function", "chat_thread"], ["event-000", "event-001", "event-002"]),
            ([], []),
        ],
    )
    @pytest.mark.parametrize("command", ["purge", "replay"])
    async def test_filters(
        self, command: str, filters: list[str], left: list[str], stack: Stack, queues: Queues
    ) -> None:
        """Only what was asked for is removed; the rest is visible at once."""
        first, second, third = many(3)
        await bury(stack, first)
        await bury(stack, second, reason=Reason.REJECTED)
        await bury(stack, third, function="chat_thread")
        code, output, _ = await run(stack, "list", "--show-data", *filters)
        assert (code, output.count("event-")) == (0, 3 - len(left))
        assert (await (replay(stack, *filters) if command == "replay" else purge(stack, *filters)))[0] == 0
        assert left == sorted(letter["data"]["eventId"] for letter in queues.dead_letters())
        replayed = 3 - len(left) if command == "replay" else 0
        assert len(queues.outcomes("sms")) == replayed

    async def test_the_list_holds_nothing_personal(self, stack: Stack, queues: Queues) -> None:
        """Neither of an odd event nor of what somebody else put into the queue, unless asked for."""
        await bury(stack, sample("sms-received") | {"id": f"+{CANARY}", "eventType": f"call\n{CANARY}"})
        foreign = queues.dead_letters()[0] | {"id": "x"}
        foreign["data"] |= {"reason": CANARY, "function": CANARY}
        await send(stack, base64.b64encode(json.dumps(foreign).encode()).decode(), CANARY)
        _, output, _ = await run(stack, "list")
        assert CANARY not in output
        assert output.count("unusual") == 3
        _, output, _ = await run(stack, "list", "--show-data")
        assert f"+{CANARY}" in output
        assert rf"'call\n{CANARY}'" in output

    async def test_show_prints_one_whole(self, stack: Stack, queues: Queues) -> None:
        """By the id of the list or of the event; several with one id are none."""
        await bury(stack, *many(2))
        _, output, _ = await run(stack, "list", "--show-data")
        row = next(line for line in output.splitlines() if "event-001" in line)
        expected = next(x for x in queues.dead_letters() if x["data"]["eventId"] == "event-001")
        for wanted in ("event-001", row.split()[0]):
            code, output, _ = await run(stack, "show", wanted)
            assert (code, json.loads(output)) == (0, expected)
        assert (await run(stack, "show", "event-009"))[0] == 1

    async def test_what_is_no_dead_letter_stays(self, stack: Stack, queues: Queues) -> None:
        """Neither replay nor purge takes what they cannot read, unless purge is told to."""
        await bury(stack, sample("sms-received"))
        await send(stack, "no Base64!")
        assert (await replay(stack))[:2] == (1, "1 accepted, 1 without an event or a function for it\n")
        assert len(queues.outcomes("sms")) == 1
        assert (await purge(stack))[:2] == (0, "none purged\n")
        assert depth(stack) == 1
        assert (await purge(stack, "--reason", "unreadable"))[:2] == (0, "1 purged\n")
        assert depth(stack) == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
    async def test_an_end_before_the_end_loses_nothing(
        self, number: signal.Signals, stack: Stack, queues: Queues
    ) -> None:
        """Each event is in the one queue or in the other; Ctrl-C says how many, and hides none."""
        await bury(stack, *many(30))
        to = f"http://127.0.0.1:{stack.port}"
        process = await start(stack, "dead-letters", "replay", "--to", to, "--rate", "8", "--yes")
        async with asyncio.timeout(30):
            while len(queues.outcomes("sms")) < 12:
                await asyncio.sleep(0.02)
        process.send_signal(number)
        code, _, errors = await ended(process)
        written = {outcome["id"].partition(":")[0] for outcome in queues.outcomes("sms")}
        assert 30 <= len(written) + depth(stack) <= 30 + CONNECTIONS
        assert " of 30: " in errors
        if number == signal.SIGINT:
            left = {letter["data"]["eventId"] for letter in queues.dead_letters()}
            assert written | left == {event["id"] for event in many(30)}
            assert code == 130
            assert errors.splitlines()[-1] == f"stopped: {30 - len(left)} of 30 accepted, the rest are left"

    async def test_ctrl_c_waits_for_what_is_under_way(self, stack: Stack, queues: Queues) -> None:
        """As many events as there are connections are posted at once; those are accepted, the rest left."""
        await bury(stack, *many(2 * CONNECTIONS))
        under_way, gate = list[int](), asyncio.Event()

        async def answer(_: web.Request) -> web.Response:
            under_way.append(1)
            await gate.wait()
            return web.Response(status=202)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server, asyncio.timeout(30):
            to = ("--to", str(server.make_url("/")))
            process = await start(stack, "dead-letters", "replay", *to, "--rate", "1000", "--yes")
            while len(under_way) < CONNECTIONS:
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.5)
            gate.set()
            code, _, errors = await ended(process)
        assert (code, len(under_way)) == (130, CONNECTIONS)
        assert (
            errors.splitlines()[-1]
            == f"stopped: {CONNECTIONS} of {2 * CONNECTIONS} accepted, the rest are left"
        )
        assert len(queues.dead_letters()) == CONNECTIONS

    async def test_one_is_handled_by_one(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        """What another command received once the lease had passed is that command's."""
        await bury(stack, *many(1))
        monkeypatch.setattr(queue_letters, "LEASE_SECONDS", 1)
        with (
            QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as queue,
            ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container,
        ):
            first, second = QueueLetters(queue, container), QueueLetters(queue, container)
            (letter,) = first.collect(report)
            assert first.hold(letter)
            assert second.collect(report) == []
            await asyncio.sleep(1.5)
            assert second.collect(report) == [letter]
            assert not first.hold(letter)
            assert second.remove(letter)


class TestOversize:
    """Dead letters that are in a blob."""

    @pytest.fixture(autouse=True)
    def settled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take blobs for settled at once."""
        monkeypatch.setattr(queue_letters, "SETTLED_SECONDS", -60)

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_message_and_blob_go(
        self, command: str, stack: Stack, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is listed and replayed like any other, and nothing personal is left behind."""
        await bury(stack, large(), function="chat_thread")
        assert "chat_thread" in (await run(stack, "list"))[1]
        (message,) = queues.dead_letters()
        shown = json.loads((await run(stack, "show", large()["id"]))[1])
        assert queues.referenced(message).items() <= shown.items()
        assert shown["data"]["original"] == large()
        assert await in_process(stack, monkeypatch, command) == 0
        assert queues.dead_letters() == []
        assert not dead_letter_blobs(stack)
        assert len(queues.outcomes("chat_thread")) == (command == "replay")

    async def test_the_blob_of_the_new_one_stays(
        self, stack: Stack, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refused again for the same reason, an event's document is the same, and so is its blob."""
        event = large()
        del event["data"]["createdBy"]
        await bury(stack, event, function="chat_thread")
        for _ in range(2):  # the second time even the detail is the same
            assert await in_process(stack, monkeypatch, "replay") == 1
            (message,) = queues.dead_letters()
            assert queues.referenced(message)["data"]["original"] == event


class TestBlobs:
    """Event Grid's own dead letters."""

    async def test_both_schemas_are_replayed(
        self, stack: Stack, queues: Queues, blobs: ContainerClient
    ) -> None:
        """What Event Grid added is stripped, the function is that of the type, and the blob goes."""
        put(blobs, "a", [sample("sms-received") | ADDED, cloud_event("chat-message-received")])
        output = (await run(stack, "list", "--blobs", BLOBS))[1]
        assert output.count("MaxDeliveryAttemptsExceeded") == 2
        assert await replay(stack, "--blobs", BLOBS) == (0, "2 accepted\n", "")
        assert list(blobs.list_blob_names()) == []
        sms, chat = queues.everything()
        assert (sms["type"], chat["type"]) == ("acs.sms.received", "acs.chat-message.received")
        assert "deadLetterReason" not in json.dumps([sms, chat])

    async def test_a_blob_keeps_what_was_not_accepted(
        self, stack: Stack, queues: Queues, blobs: ContainerClient
    ) -> None:
        """Accepted events are taken out, so that the next replay does not send them again."""
        unknown = sample("sms-received") | ADDED | {"eventType": "Else"}
        put(blobs, "a", [sample("sms-received") | ADDED, unknown])
        assert (await replay(stack, "--blobs", BLOBS))[0] == 1
        assert json.loads(blobs.download_blob("a").readall()) == [unknown]
        assert len(queues.everything()) == 1

    async def test_a_blob_of_many_is_emptied(
        self, stack: Stack, queues: Queues, blobs: ContainerClient
    ) -> None:
        """Its events are posted at the same time, and taken out of it one after the other."""
        put(blobs, "a", [event | ADDED for event in many(2 * CONNECTIONS)])
        assert await replay(stack, "--blobs", BLOBS) == (0, f"{2 * CONNECTIONS} accepted\n", "")
        assert list(blobs.list_blob_names()) == []
        assert len(queues.outcomes("sms")) == 2 * CONNECTIONS

    async def test_one_that_the_app_refuses_is_its_own_dead_letter(
        self, stack: Stack, queues: Queues, blobs: ContainerClient
    ) -> None:
        """There is one dead letter before and after."""
        put(blobs, "a", [sample("sms-received") | ADDED | {"data": {}}])
        code, output, _ = await replay(stack, "--blobs", BLOBS)
        assert (code, "dead-lettered again" in output) == (1, True)
        assert list(blobs.list_blob_names()) == []
        assert len(queues.dead_letters()) == 1

    async def test_purge_takes_dead_letters_alone(self, stack: Stack, blobs: ContainerClient) -> None:
        """A wrong container's blobs are not lost; the app's own container is refused."""
        put(blobs, "a", [sample("sms-received") | ADDED])
        put(blobs, "b", {"else": 1})
        assert (await purge(stack, "--blobs", BLOBS))[:2] == (0, "1 purged\n")
        assert list(blobs.list_blob_names()) == ["b"]
        assert (await purge(stack, "--blobs", "acs-outcomes"))[0] == 1


class TestCommandLine:
    """What needs no dead letters."""

    async def test_queues_shows_depth_and_age(self, stack: Stack, queues: Queues) -> None:
        """Of each queue of the app, missing ones too."""
        await bury(stack, *many(2))
        code, output, _ = await ended(await start(stack, "queues", SMS_QUEUE="missing"))
        rows = [line.split() for line in output.splitlines()]
        assert (code, len(rows)) == (0, 6)
        assert rows[1] == ["missing", "none", "yet", "-"]
        assert rows[5][:3] == [DEAD_LETTERS, "about", "2"]
        assert len(queues.dead_letters()) == 2

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"OutcomesStorage": ""}, "OutcomesStorage is missing"),
            ({"OutcomesStorage": "x"}, "OutcomesStorage is no storage connection string"),
            ({"DEAD_LETTER_QUEUE": "No"}, "DEAD_LETTER_QUEUE should be"),
            ({"OutcomesStorage": "AccountName=a;AccountKey=b"}, "say with --to where their app is"),
            (IDENTITY, "say with --to where their app is"),
            ({"OutcomesStorage": connection_string(9)}, "storage could not be reached"),
            ({}, "cannot reach http://127.0.0.1:9"),
        ],
    )
    async def test_an_error_is_one_line(
        self, environ: dict[str, str], expected: str, stack: Stack, queues: Queues
    ) -> None:
        """It says what to put right; an app elsewhere is never taken for the local one."""
        await bury(stack, *many(1))
        to = [] if environ else ["--to", "http://127.0.0.1:9"]
        code, _, errors = await run(stack, "replay", "--yes", *to, **environ)
        assert (code, errors.count("\n")) == (1, 1)
        assert errors.startswith("error: ")
        assert expected in errors
        assert len(queues.dead_letters()) == 1

    @pytest.mark.parametrize(
        ("status", "expected"),
        [(200, "answered 200 instead of 202"), (307, "answered 307"), (401, "--key"), (503, "answered 503")],
    )
    async def test_an_answer_that_would_meet_all_stops(
        self, status: int, expected: str, stack: Stack, queues: Queues
    ) -> None:
        """Those under way are the last, nothing is removed, and a redirect does not get the key."""
        await bury(stack, *many(30))
        keys: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            keys.append(request.headers["x-functions-key"])
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            command = ("replay", "--yes", "--to", str(server.make_url("/")))
            code, _, errors = await run(stack, *command, EVENTGRID_KEY="the key")
        assert (code, set(keys)) == (1, {"the key"})
        assert len(keys) <= CONNECTIONS
        assert expected in errors
        assert "(0 of 30 accepted, the rest are left)" in errors
        assert len(queues.dead_letters()) == 30

    @pytest.mark.parametrize("option", ["--to=http://contoso.com", "--rate=0", "--function=x"])
    async def test_a_wrong_option_is_refused(self, option: str, stack: Stack) -> None:
        """Personal data and the key are not sent in the clear."""
        code, _, errors = await run(stack, "replay", option)
        assert code == 2
        assert "error: argument " in errors


ADDED = {
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 30,
    "lastDeliveryOutcome": "TimedOut",
    "publishTime": "2026-03-02T09:15:33Z",
    "lastDeliveryAttemptTime": "2026-03-03T09:15:33Z",
}


def cloud_event(name: str) -> dict[str, Any]:
    """Return a sample as Event Grid dead-letters it in the schema of CloudEvents."""
    return as_cloud_event(sample(name)) | {key.lower(): value for key, value in ADDED.items()}


def put(container: ContainerClient, name: str, content: object) -> None:
    """Write a blob as Event Grid does."""
    container.upload_blob(name, json.dumps(content).encode())


def sample_outcome(name: str) -> Any:
    """Return the data of the outcome that a sample is known to give."""
    return json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text())["data"]


def large() -> dict[str, Any]:
    """Return a valid event whose dead letter is too large for a message."""
    event: dict[str, Any] = sample("chat-thread-created")
    (member, *_) = event["data"]["members"]
    event["data"]["members"] = [member | {"memberId": f"{member['memberId']}{n}"} for n in range(700)]
    return event


async def purge(stack: Stack, *arguments: str) -> Result:
    """Purge for good."""
    return await run(stack, "purge", "--yes", *arguments)


async def send(stack: Stack, *texts: str) -> None:
    """Put messages into the queue that are none of the app's."""
    with QueueServiceClient.from_connection_string(stack.connection_string) as service:
        for text in texts:
            service.get_queue_client(DEAD_LETTERS).send_message(text)


async def in_process(stack: Stack, monkeypatch: pytest.MonkeyPatch, command: str) -> int:
    """Run a command in this process, where a test may change a constant."""
    to = ["--to", f"http://127.0.0.1:{stack.port}"] if command == "replay" else []
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    monkeypatch.setattr(sys, "argv", ["ops", "dead-letters", command, "--yes", *to])
    return await asyncio.to_thread(main)


def dead_letter_blobs(stack: Stack) -> list[str]:
    """Return the names of the blobs that dead letters refer to."""
    with ContainerClient.from_connection_string(stack.connection_string, "acs-outcomes") as container:
        return list(container.list_blob_names(name_starts_with="acs.dead-letter/"))


def report(count: int) -> None:
    """Take no notice."""
