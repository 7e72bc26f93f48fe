"""The operator's tool, with the real app and storage behind it."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from azure.storage.blob import ContainerClient
from azure.storage.queue import AccountSasPermissions, QueueClient, ResourceTypes, generate_account_sas
from yarl import URL

from local.__main__ import main as local_main
from local.stack import Stack
from ops import queue_letters, storage
from ops.__main__ import main
from ops.endpoint import POST_SECONDS
from shared.envelope import DecodeError, Reason, parse_json
from shared.outcomes import dead_letter
from shared.settings import Settings
from shared.sink import QueueSink
from tests.events import PROJECT, as_cloud_event, golden, sample
from tests.queues import Queues

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("stack_queues")]

CANARY = "14255550127"
DEAD_LETTERS = "acs-dead-letter"
BLOBS = "event-grid"
UNREADABLE = "left: no dead letter can be read from it"
NOT_FOUND = "left: its blob is not found, is OVERSIZE_CONTAINER right?"
ADDED = {
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 30,
    "lastDeliveryOutcome": "TimedOut",
    "publishTime": "2026-03-02T09:15:33Z",
    "lastDeliveryAttemptTime": "2026-03-03T09:15:33Z",
}

type Result = tuple[int | None, str, str]
type Run = Callable[..., Awaitable[Result]]
type Forward = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
def queues(stack_queues: Queues) -> Queues:
    """Return the stack's queues."""
    return stack_queues


@pytest.fixture
def blobs(stack: Stack) -> Iterator[ContainerClient]:
    """Have a container for Event Grid's dead letters."""
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        container.create_container()
        yield container
        container.delete_container()


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command in this process: its exit code, output and errors."""
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    monkeypatch.setenv("no_proxy", "")

    async def run(*arguments: str) -> Result:
        try:
            code = await asyncio.to_thread(main, arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def letters(run: Run, stack: Stack) -> Run:
    """Return what runs a command on dead letters, and gives the documents that it prints."""

    async def letters(command: str, *arguments: str) -> Result:
        to = ("--to", f"http://127.0.0.1:{stack.port}") if command == "replay" else ()
        return await run("dead-letters", command, *to, *arguments)

    return letters


def counts(output: str) -> dict[str, int]:
    """Return how many dead letters had which result, from a table of results."""
    lines = [re.split(r"  +", line) for line in output.splitlines()]
    return {result: int(count) for count, result, *_ in lines[1:]}


async def bury(stack: Stack, *events: dict[str, Any] | str, **letter: Any) -> None:
    """Write dead letters of events as the app does."""
    function = letter.get("function", "sms")
    error = DecodeError(letter.get("reason", Reason.INVALID_DATA), "A bug, mended since.")
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    found = [dead_letter(text, parse_json(text), function=function, error=error) for text in texts]
    sink = QueueSink(Settings.from_environ({"OutcomesStorage": stack.connection_string}))
    async with asyncio.TaskGroup() as writes:
        for start in range(0, len(found), 50):
            writes.create_task(sink.write(DEAD_LETTERS, found[start : start + 50]))
    await sink.close()


def many(count: int) -> list[dict[str, Any]]:
    """Return valid events."""
    return [sample("sms-received") | {"id": f"event-{number:03}"} for number in range(count)]


def large() -> dict[str, Any]:
    """Return a valid event whose dead letter is too large for a message."""
    event: dict[str, Any] = sample("chat-thread-created")
    (member, *_) = event["data"]["members"]
    event["data"]["members"] = [member | {"memberId": f"{member['memberId']}{n}"} for n in range(700)]
    return event


def encoded(document: object) -> str:
    """Return a document as it is in a message."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def send(stack: Stack, *texts: str) -> None:
    """Put messages into the queue that are none of the app's."""
    with QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as queue:
        for text in texts:
            queue.send_message(text)


def depth(stack: Stack, queue: str = DEAD_LETTERS) -> int:
    """Return how many messages a queue has, hidden ones too."""
    with QueueClient.from_connection_string(stack.connection_string, queue) as client:
        return client.get_queue_properties().approximate_message_count or 0


def put(container: ContainerClient, name: str, content: object) -> None:
    """Write a blob as Event Grid does."""
    container.upload_blob(named(name), json.dumps(content).encode())


def named(name: str) -> str:
    """Return a blob's name as Event Grid gives it."""
    return f"ACS-SMS/2026/3/3/9/{name}.json"


def oversize_blobs(stack: Stack) -> list[str]:
    """Return the names of the blobs that dead letters refer to."""
    with ContainerClient.from_connection_string(stack.connection_string, "acs-outcomes") as container:
        return list(container.list_blob_names(name_starts_with="acs.dead-letter/"))


async def started(stack: Stack, *arguments: str, **options: Any) -> Process:
    """Start a command in a process of its own."""
    environ = os.environ | {"OutcomesStorage": stack.connection_string}
    command = (sys.executable, "-m", "ops", "dead-letters", *arguments)
    pipes = {"stdout": PIPE, "stderr": PIPE} | options
    return await asyncio.create_subprocess_exec(*command, cwd=PROJECT, env=environ, **pipes)


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Serve an endpoint, or what stands before one."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@asynccontextmanager
async def before_queues(
    stack: Stack, answer: Callable[[web.Request, Forward], Awaitable[web.Response]]
) -> AsyncIterator[str]:
    """Stand between a command and the stack's queues; the connection string that leads here."""
    port = stack.storage_port + 1

    async def forward(request: web.Request) -> web.Response:
        url = URL(f"http://127.0.0.1:{port}{request.raw_path}", encoded=True)
        body = await request.read()
        async with client.request(request.method, url, headers=request.headers, data=body) as found:
            body, headers = await found.read(), found.headers.copy()
            headers.popall("Transfer-Encoding", None)
            return web.Response(status=found.status, headers=headers, body=body)

    async def between(request: web.Request) -> web.Response:
        return await answer(request, forward)

    async with ClientSession(skip_auto_headers=["Content-Type"]) as client, answering(between) as url:
        yield stack.connection_string.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{URL(url).port}/")


class TestQueue:
    """The app's own dead letters."""

    async def test_a_replayed_event_comes_out(
        self, stack: Stack, queues: Queues, letters: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a bug was mended the dead letter becomes the outcome that it should have been.

        The way there is on this machine, where no proxy leads.
        """
        await bury(stack, sample("sms-received"))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        code, output, errors = await letters("replay", "--yes")
        assert (0, {"accepted": 1}, "") == (code, counts(output), errors)
        assert queues.dead_letters() == []
        (outcome,) = queues.outcomes("sms")
        assert outcome["data"] == golden("sms-received")["data"]

    async def test_an_event_goes_to_the_function_of_its_type(
        self, stack: Stack, queues: Queues, letters: Run
    ) -> None:
        """An event of a wrong subscription need not be refused for ever."""
        await bury(stack, sample("chat-message-received"), reason=Reason.MISROUTED_EVENT_TYPE)
        assert (await letters("replay", "--yes"))[0] == 0
        assert [outcome["type"] for outcome in queues.everything()] == ["acs.chat-message.received"]

    async def test_what_is_refused_again_is_said(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """The new dead letter is there before the old one goes, and is not replayed in the same run."""
        bad = sample("sms-received") | {"data": {}}
        no_id = {key: value for key, value in bad.items() if key != "id"}
        await bury(stack, bad, no_id, *many(2))
        code, output, _ = await letters("replay", "--yes", "--json")
        assert code == 1
        assert [json.loads(line) for line in output.splitlines()] == [
            {"count": 2, "result": "accepted", "reason": "invalid_data", "function": "sms"},
            {"count": 1, "result": "refused again", "reason": "invalid_data", "function": "sms"},
            {"count": 1, "result": "refused again", "reason": "invalid_envelope", "function": "sms"},
        ]
        assert [bad, no_id] == [letter["data"]["original"] for letter in queues.dead_letters()]
        assert all(letter["data"]["detail"] != "A bug, mended since." for letter in queues.dead_letters())

    async def test_an_event_that_fails_is_left(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """What the endpoint answers 500 stays as it is, and the next gets its turn."""
        await bury(stack, "[1]", sample("sms-received"))
        code, output, _ = await letters("replay", "--yes")
        assert (1, {"accepted": 1, "left: the app failed, its log says why": 1}) == (code, counts(output))
        assert [letter["data"]["original"] for letter in queues.dead_letters()] == [[1]]

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_a_dry_run_makes_the_choice_of_the_run(
        self, command: str, stack: Stack, queues: Queues, letters: Run
    ) -> None:
        """Without --yes nothing changes, and what it says will be left is what the run leaves."""
        await bury(stack, *many(2))
        foreign = queues.dead_letters()[0]
        foreign["data"] |= {"function": "else", "eventType": "Else", "eventId": "else"}
        send(stack, encoded(foreign), "no Base64!")
        before = await letters("list", "--json")
        code, dry, errors = await letters(command)
        assert (0, "nothing was changed: --yes does it\n") == (code, errors)
        assert before == await letters("list", "--json")
        _, done, _ = await letters(command, "--yes")
        assert sorted(counts(dry).values()) == sorted(counts(done).values())
        left = [{key for key in counts(text) if key.startswith("left")} for text in (dry, done)]
        assert left[0] == left[1] != set()

    async def test_all_are_listed(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """A peek would show no more than 32; the list leaves them for the next reader."""
        await bury(stack, *many(70))
        for _ in range(2):
            code, output, _ = await letters("list", "--show-data")
            assert (code, output.count("event-")) == (0, 70)
        assert len(queues.messages(DEAD_LETTERS)) == 32

    @pytest.mark.parametrize(
        ("filters", "left"),
        [
            (["--reason", "rejected"], ["event-000", "event-002"]),
            (["--reason", "invalid_data", "--function", "chat_thread"], ["event-000", "event-001"]),
            ([], []),
        ],
    )
    @pytest.mark.parametrize("command", ["purge", "replay"])
    async def test_filters(
        self, command: str, filters: list[str], left: list[str], stack: Stack, queues: Queues, letters: Run
    ) -> None:
        """Only what was asked for is removed; the rest is visible at once."""
        first, second, third = many(3)
        await bury(stack, first)
        await bury(stack, second, reason=Reason.REJECTED)
        await bury(stack, third, function="chat_thread")
        assert len((await letters("list", "--json", *filters))[1].splitlines()) == 3 - len(left)
        assert (await letters(command, "--yes", *filters))[0] == 0
        assert left == sorted(letter["data"]["eventId"] for letter in queues.dead_letters())
        assert len(queues.outcomes("sms")) == (3 - len(left) if command == "replay" else 0)

    async def test_a_filter_that_matches_none_is_an_error(self, stack: Stack, letters: Run) -> None:
        """A misspelt reason does not look like success."""
        await bury(stack, *many(2))
        expected = "error: none of 2 dead letters has this reason and function\n"
        assert (1, "", expected) == await letters("list", "--reason", "invalid-data")

    async def test_what_another_command_hides_is_said(self, stack: Stack, letters: Run) -> None:
        """Nothing to see is not the same as nothing there."""
        await bury(stack, *many(3))
        with QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as queue:
            assert 3 == len(list(queue.receive_messages(max_messages=3)))
        assert (await letters("list"))[2].startswith("about 3 more are hidden, by another command")

    async def test_the_list_holds_nothing_personal(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """Neither of an odd event nor of what somebody else put into the queue, unless asked for."""
        await bury(stack, sample("sms-received") | {"id": f"+{CANARY}", "eventType": f"call\n{CANARY}"})
        foreign = queues.dead_letters()[0]
        foreign["data"] |= {"reason": CANARY, "function": CANARY}
        send(stack, encoded(foreign), CANARY)
        for form in ([], ["--json"]):
            _, output, _ = await letters("list", *form)
            assert (False, 3) == (CANARY in output, output.count("unusual"))
            _, output, _ = await letters("list", "--show-data", *form)
            assert f"+{CANARY}" in output
            assert rf"call\n{CANARY}" in output

    async def test_show_prints_one_whole(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """By the id of the list or of the event; several with one id are none; no terminal is commanded."""
        first, second = many(2)
        second["data"]["Message"] = "\x9b2J\u202e \N{GRINNING FACE}"
        await bury(stack, first, json.dumps(second, ensure_ascii=False))
        _, output, _ = await letters("list", "--show-data", "--json")
        row = next(
            row for line in output.splitlines() if (row := json.loads(line))["event_id"] == "event-001"
        )
        expected = next(x for x in queues.dead_letters() if x["data"]["eventId"] == "event-001")
        for wanted in ("event-001", row["id"], row["id"][:13]):
            code, output, _ = await letters("show", wanted)
            assert (code, json.loads(output)) == (0, expected)
            assert output.replace("\n", "").isprintable()
        assert (await letters("show", "event-009"))[0] == 1
        assert (await letters("show", ""))[0] == 1

    async def test_an_event_is_tried_on_a_laptop(
        self, stack: Stack, queues: Queues, letters: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """`show --event` prints what `python -m local send` takes."""
        await bury(stack, sample("sms-received"))
        code, output, _ = await letters("show", sample("sms-received")["id"], "--event")
        assert (code, json.loads(output)) == (0, sample("sms-received"))
        (tmp_path / "event.json").write_text(output)
        command = ["send", str(tmp_path / "event.json"), "--direct", "--port", str(stack.port)]
        assert 0 == await asyncio.to_thread(local_main, command)
        assert capsys.readouterr().err == ""
        assert len(queues.outcomes("sms")) == 1

    async def test_what_is_no_dead_letter_stays(self, stack: Stack, letters: Run) -> None:
        """Neither replay nor purge takes what they cannot read, unless purge is told to."""
        await bury(stack, sample("sms-received"))
        nested = '{"type": "acs.dead-letter", "data": {"original": ' + "[" * 10_000
        name = f"acs.dead-letter/{'0' * 64}.json"
        references = [{"dataref": f"http://host/{place}/{name}"} for place in ("acs-outcomes", "else")]
        odd = ["no Base64!", base64.b64encode(nested.encode()).decode(), *map(encoded, [1, *references])]
        send(stack, *odd)
        code, output, _ = await letters("replay", "--yes")
        assert (1, {"accepted": 1, UNREADABLE: 3, NOT_FOUND: 2}) == (code, counts(output))
        _, output, _ = await letters("list", "--reason", "unreadable", "--json")
        shown = {(await letters("show", json.loads(line)["id"]))[1].strip() for line in output.splitlines()}
        assert {"no Base64!", nested, "1"} == shown
        code, output, _ = await letters("purge", "--yes")
        assert (1, 5) == (code, depth(stack))
        for reason, count in (("unreadable", 3), ("blob_not_found", 2)):
            code, output, _ = await letters("purge", "--yes", "--reason", reason)
            assert (0, {"purged": count}) == (code, counts(output))
        assert depth(stack) == 0


class TestFaults:
    """Nothing is lost, and nothing is removed that was not accepted."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
    async def test_an_end_amid_a_thousand(self, number: signal.Signals, stack: Stack, queues: Queues) -> None:
        """Each event is in the one queue or in the other, and the one on its way perhaps in both.

        Ctrl-C says how far it came and leaves the rest visible.
        """
        await bury(stack, *many(1_000))
        process = await started(stack, "replay", "--to", f"http://127.0.0.1:{stack.port}", "--yes")
        async with asyncio.timeout(60):
            while depth(stack) > 900:
                await asyncio.sleep(0.05)
            process.send_signal(number)
            output, errors = await process.communicate()
        written, left = depth(stack, "acs-sms"), depth(stack)
        assert 1_000 <= written + left <= 1_001
        assert " of about 1000 dead letters" in errors.decode()
        if number == signal.SIGINT:
            assert (130, {"accepted": 1_000 - left}) == (process.returncode, counts(output.decode()))
            assert errors.decode().endswith("stopped: the rest is left\n")
            assert queues.dead_letters() != []

    async def test_storage_that_goes_away(
        self, stack: Stack, letters: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """How far it came is said, and which setting to look at."""
        await bury(stack, *many(3))
        deleted: list[str] = []

        async def answer(request: web.Request, forward: Forward) -> web.Response:
            deleted.extend([request.method] if request.method == "DELETE" or deleted else [])
            if len(deleted) < 2:
                return await forward(request)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        monkeypatch.setitem(storage._OPTIONS, "retry_total", 0)
        async with before_queues(stack, answer) as connection:
            monkeypatch.setenv("OutcomesStorage", connection)
            code, output, errors = await letters("replay", "--yes")
        assert (1, {"accepted": 1}, 2) == (code, counts(output), depth(stack))
        assert errors.splitlines() == [
            "storage is away: what was received stays hidden for 120 s",
            "error: storage could not be reached: is OutcomesStorage right?",
        ]

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (200, "answered 200: it should be 202"),
            (307, "answered 307: it should be 202"),
            (401, "answered 401: --key should be the system key eventgrid_extension"),
            (404, "answered 404: there is no function sms"),
            (503, "answered 503: it should be 202. Is the app running?"),
        ],
    )
    async def test_an_endpoint_that_takes_none(
        self,
        status: int,
        expected: str,
        stack: Stack,
        queues: Queues,
        run: Run,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """One event is tried, nothing is removed, and a redirect does not get the key."""
        await bury(stack, *many(30))
        keys: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            keys.append(request.headers["x-functions-key"])
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        monkeypatch.setenv("EVENTGRID_KEY", "the-key\n")
        async with answering(answer) as url:
            code, _, errors = await run("dead-letters", "replay", "--yes", "--to", url)
        assert (1, ["the-key"], 30) == (code, keys, len(queues.dead_letters()))
        assert expected in errors

    async def test_an_endpoint_that_is_away(self, stack: Stack, queues: Queues, run: Run) -> None:
        """Nothing is removed, and the reason is said in one line."""
        await bury(stack, *many(3))
        to = "http://127.0.0.1:9"
        code, _, errors = await run("dead-letters", "replay", "--yes", "--to", to)
        assert (1, 1, True) == (code, errors.count("\n"), errors.startswith(f"error: cannot reach {to}: "))
        assert len(queues.dead_letters()) == 3

    async def test_another_reader_at_the_same_time(self, stack: Stack) -> None:
        """Two replays share the dead letters between them."""
        await bury(stack, *many(100))
        to = ("--to", f"http://127.0.0.1:{stack.port}")
        both = [await started(stack, "replay", *to, "--yes", "--json") for _ in range(2)]
        async with asyncio.timeout(60):
            outputs = [(await process.communicate())[0].decode() for process in both]
        results = [json.loads(line) for output in outputs for line in output.splitlines()]
        assert {"accepted"} == {result["result"] for result in results}
        assert (100, 0) == (sum(result["count"] for result in results), depth(stack))
        assert depth(stack, "acs-sms") == 100

    async def test_what_another_reader_has_removed_is_said(
        self, stack: Stack, letters: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The exit code says that not all was done here."""
        await bury(stack, *many(1))

        async def answer(request: web.Request, forward: Forward) -> web.Response:
            if request.method == "DELETE":
                await forward(request)
            return await forward(request)

        async with before_queues(stack, answer) as connection:
            monkeypatch.setenv("OutcomesStorage", connection)
            code, output, _ = await letters("purge", "--yes")
        assert (1, {"left: another reader had it": 1}) == (code, counts(output))

    async def test_a_slow_app_outlasts_no_lease(
        self, stack: Stack, queues: Queues, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the time of its page is too short for is received again, and each is posted once."""
        await bury(stack, *many(12))
        monkeypatch.setattr(queue_letters, "LEASE_SECONDS", POST_SECONDS + 1)
        posted: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            posted.append((await request.json())["id"])
            await asyncio.sleep(0.2)
            return web.Response(status=202)

        async with answering(answer) as url:
            code, output, _ = await run("dead-letters", "replay", "--yes", "--to", url)
        assert (0, {"accepted": 12}) == (code, counts(output))
        assert sorted(posted) == [event["id"] for event in many(12)]
        assert queues.dead_letters() == []


class TestOversize:
    """Dead letters that are in a blob."""

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_message_and_blob_go(
        self, command: str, stack: Stack, queues: Queues, letters: Run
    ) -> None:
        """It is listed and replayed like any other, and nothing personal is left behind."""
        await bury(stack, large(), function="chat_thread")
        assert "chat_thread" in (await letters("list"))[1]
        (message,) = queues.dead_letters()
        shown = json.loads((await letters("show", large()["id"]))[1])
        assert queues.referenced(message).items() <= shown.items()
        assert shown["data"]["original"] == large()
        assert (await letters(command, "--yes"))[0] == 0
        assert ([], []) == (queues.dead_letters(), oversize_blobs(stack))
        assert len(queues.outcomes("chat_thread")) == (command == "replay")

    async def test_a_blob_that_another_message_refers_to_stays(
        self, stack: Stack, queues: Queues, run: Run
    ) -> None:
        """The app wrote the same dead letter twice, and the run ended between the two."""
        await bury(stack, large(), large(), function="chat_thread")
        answers = [202, 503]

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=answers.pop(0))

        async with answering(answer) as url:
            assert (await run("dead-letters", "replay", "--yes", "--to", url))[0] == 1
        (message,) = queues.dead_letters()
        assert queues.referenced(message)["data"]["original"] == large()

    async def test_a_blob_that_a_hidden_message_may_refer_to_stays(
        self, stack: Stack, queues: Queues, letters: Run
    ) -> None:
        """Another reader has that message."""
        await bury(stack, large(), large(), function="chat_thread")
        with QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as queue:
            assert queue.receive_message(visibility_timeout=1) is not None
        _, _, errors = await letters("purge", "--yes")
        assert "1 blobs of removed dead letters are left" in errors
        await asyncio.sleep(1.5)
        (message,) = queues.dead_letters()
        assert queues.referenced(message)["data"]["original"] == large()

    async def test_the_blob_of_the_new_one_stays(self, stack: Stack, queues: Queues, letters: Run) -> None:
        """Refused again for the same reason, an event's document is the same, and so is its blob."""
        event = large()
        del event["data"]["createdBy"]
        event["data"]["threadId"] = None
        await bury(stack, event, function="chat_thread")
        for _ in range(2):  # the second time even the detail is the same
            code, output, _ = await letters("replay", "--yes")
            assert (1, {"refused again": 1}) == (code, counts(output))
            (message,) = queues.dead_letters()
            assert queues.referenced(message)["data"]["original"] == event


class TestBlobs:
    """Event Grid's own dead letters."""

    async def test_both_schemas_are_replayed(
        self, queues: Queues, blobs: ContainerClient, letters: Run
    ) -> None:
        """What Event Grid added is stripped, the function is that of the type, and the blob goes."""
        added = {key.lower(): value for key, value in ADDED.items()}
        put(
            blobs,
            "a",
            [sample("sms-received") | ADDED, as_cloud_event(sample("chat-message-received")) | added],
        )
        output = (await letters("list", "--blobs", BLOBS))[1]
        assert output.count("MaxDeliveryAttemptsExceeded") == 2
        code, output, _ = await letters("replay", "--yes", "--blobs", BLOBS)
        assert (0, 2) == (code, output.count("accepted"))
        assert list(blobs.list_blob_names()) == []
        sms, chat = queues.everything()
        assert (sms["type"], chat["type"]) == ("acs.sms.received", "acs.chat-message.received")
        assert "deadLetterReason" not in json.dumps([sms, chat])

    async def test_a_blob_keeps_what_was_not_accepted(
        self, queues: Queues, blobs: ContainerClient, letters: Run
    ) -> None:
        """Accepted events are taken out, as the dry run says, and the next replay does not repeat them."""
        unknown = sample("sms-received") | ADDED | {"eventType": "Else"}
        put(blobs, "a", [unknown, sample("sms-received") | ADDED, {"else": 1}])
        dry = counts((await letters("replay", "--blobs", BLOBS))[1])
        code, output, _ = await letters("replay", "--yes", "--blobs", BLOBS)
        left = {"left: no function takes it": 1, UNREADABLE: 1}
        assert (1, left | {"accepted": 1}) == (code, counts(output))
        assert left.items() <= dry.items()
        assert json.loads(blobs.download_blob(named("a")).readall()) == [unknown, {"else": 1}]
        assert len(queues.everything()) == 1

    async def test_one_that_the_app_refuses_is_its_own_dead_letter(
        self, queues: Queues, blobs: ContainerClient, letters: Run
    ) -> None:
        """There is one dead letter before and after."""
        put(blobs, "a", [sample("sms-received") | ADDED | {"data": {}}])
        code, output, _ = await letters("replay", "--yes", "--blobs", BLOBS)
        assert (1, {"refused again": 1}) == (code, counts(output))
        assert list(blobs.list_blob_names()) == []
        assert len(queues.dead_letters()) == 1

    async def test_purge_takes_dead_letters_alone(self, blobs: ContainerClient, letters: Run) -> None:
        """A wrong container's blobs are never touched; the app's own container is refused."""
        put(blobs, "a", [sample("sms-received") | ADDED])
        put(blobs, "b", {"else": 1})
        blobs.upload_blob(named("c"), b"[" * 10_000)
        blobs.upload_blob("else.json", b"{}")
        assert (await letters("purge", "--yes", "--blobs", BLOBS))[0] == 1
        assert [named("b"), named("c"), "else.json"] == list(blobs.list_blob_names())
        assert (await letters("purge", "--yes", "--blobs", BLOBS, "--reason", "unreadable"))[0] == 0
        assert ["else.json"] == list(blobs.list_blob_names())
        for container, error in (
            ("acs-outcomes", "holds the app's own documents"),
            ("missing", "there is no"),
        ):
            code, _, errors = await letters("purge", "--yes", "--blobs", container)
            assert (1, True) == (code, error in errors)


class TestCheck:
    """The first command of the runbook."""

    async def test_all_is_well(self, stack: Stack, queues: Queues, blobs: ContainerClient, run: Run) -> None:
        """Waiting dead letters are shown with their age, and are no failure."""
        await bury(stack, *many(2))
        put(blobs, "a", [sample("sms-received") | ADDED])
        to = ("--to", f"http://127.0.0.1:{stack.port}", "--blobs", BLOBS)
        code, output, errors = await run("check", *to, "--json")
        rows = {row["check"]: row for row in map(json.loads, output.splitlines())}
        assert (0, "", {"ok"}) == (code, errors, {row["result"] for row in rows.values()})
        assert (2, 1) == (
            rows[f"dead letters in {DEAD_LETTERS}"]["waiting"],
            rows[f"dead letters in {BLOBS}"]["waiting"],
        )
        assert datetime.fromisoformat(rows[f"dead letters in {DEAD_LETTERS}"]["oldest"]) <= datetime.now(UTC)
        assert {"function sms", "function membership", "permissions", "container acs-outcomes"} < rows.keys()
        assert len(queues.dead_letters()) == 2
        _, table, _ = await run("check", *to)
        assert [*rows] == [re.split(r"  +", line)[0] for line in table.splitlines()[1:]]

    @pytest.mark.parametrize("permissions", ["rwdla", "rwdlup"], ids=["the tool's", "the app's"])
    async def test_a_permission_that_is_missing(
        self,
        permissions: str,
        stack: Stack,
        run: Run,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A signature that lets nobody remove messages, and one that lets the app add none."""
        parts = dict(part.split("=", 1) for part in stack.connection_string.strip(";").split(";"))
        signature = generate_account_sas(
            parts["AccountName"],
            parts["AccountKey"],
            ResourceTypes(object=True, container=True),
            AccountSasPermissions.from_string(permissions),  # type: ignore[no-untyped-call]
            datetime.now(UTC) + timedelta(hours=1),
        )
        endpoints = ";".join(f"{name}={parts[name]}" for name in ("QueueEndpoint", "BlobEndpoint"))
        monkeypatch.setenv("OutcomesStorage", f"{endpoints};SharedAccessSignature={signature}")
        code, output, _ = await run("check", "--to", f"http://127.0.0.1:{stack.port}", "--json")
        found = {row["check"]: row for row in map(json.loads, output.splitlines())}["permissions"]
        assert (1, "failed") == (code, found["result"])
        assert "signature" in found["detail"]

    async def test_storage_and_app_that_are_away(
        self, run: Run, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each has one line with what to look at."""
        monkeypatch.setitem(storage._OPTIONS, "retry_total", 0)
        away = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", stack.connection_string)
        monkeypatch.setenv("OutcomesStorage", away)
        code, output, _ = await run("check")
        assert code == 1
        assert [line.split("  ")[0] for line in output.splitlines()[1:3]] == ["storage", "function sms"]
        assert "is OutcomesStorage right?" in output
        assert "cannot reach http://127.0.0.1:7071" in output

    async def test_an_identity(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a login the cure is said; an app elsewhere is not taken for the local one."""
        monkeypatch.setenv("OutcomesStorage", "")
        monkeypatch.setenv("OutcomesStorage__queueServiceUri", "https://a.queue.core.windows.net")
        monkeypatch.setattr("azure.identity.DefaultAzureCredential.get_token_info", refuse)
        code, output, _ = await run("check")
        assert (1, True) == (code, "is `az login` needed?" in output)
        assert "say with --to where the app is" in output


class TestCommandLine:
    """What needs no dead letters."""

    async def test_a_reader_that_has_seen_enough(self, stack: Stack) -> None:
        """`| head` makes no noise, though Python keeps what it prints until the end."""
        await bury(stack, *many(1))
        reader, writer = os.pipe()
        os.close(reader)
        process = await started(stack, "list", stdout=writer)
        os.close(writer)
        _, errors = await process.communicate()
        assert (0, b"") == (process.returncode, errors)

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"OutcomesStorage": ""}, "OutcomesStorage is missing"),
            ({"OutcomesStorage": "x"}, "OutcomesStorage is no storage connection string"),
            ({"DEAD_LETTER_QUEUE": "No"}, "DEAD_LETTER_QUEUE should be"),
            ({"OutcomesStorage": "AccountName=a;AccountKey=b"}, "say with --to where the app is"),
        ],
    )
    async def test_an_error_is_one_line(
        self, environ: dict[str, str], expected: str, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It says what to put right; an app elsewhere is never taken for the local one."""
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code, _, errors = await run("dead-letters", "replay", "--yes")
        assert (code, errors.count("\n"), errors.startswith("error: ")) == (1, 1, True)
        assert expected in errors

    @pytest.mark.parametrize(
        ("option", "expected"),
        [
            *(
                (f"--to={url}", "argument --to: should be https://HOST, or http://127.0.0.1:PORT")
                for url in (
                    "http://contoso.com",
                    "https://user:SECRET@contoso.com",
                    "https://contoso.com?code=SECRET",
                    "https://contoso.com#SECRET",
                    "https://[SECRET",
                    "https://contoso.com:SECRET",
                    "https://",
                    "https://c\u00f3ntoso.com",
                    "http://127.0.0.1.contoso.com",
                )
            ),
            ("--key=SECRET\u0436", "argument --key: should be printable ASCII, in $EVENTGRID_KEY too"),
            ("--key=SECRET\nSECRET", "argument --key: should be printable ASCII, in $EVENTGRID_KEY too"),
            ("--function=x", "argument --function: invalid choice"),
            ("--blobs=", "argument --blobs: should be a name of a blob container"),
            ("--blobs=$logs", "argument --blobs: should be a name of a blob container"),
            ("--y", "unrecognized arguments: --y"),
        ],
    )
    async def test_a_wrong_option_is_refused(self, option: str, expected: str, run: Run) -> None:
        """Personal data and the key are neither sent in the clear nor shown; nothing is done by half."""
        code, _, errors = await run("dead-letters", "replay", option)
        assert (2, True, False) == (code, f"error: {expected}" in errors, "SECRET" in errors)

    async def test_a_wrong_key_in_the_environment_is_refused(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is not shown."""
        monkeypatch.setenv("EVENTGRID_KEY", "SECRET\u0436")
        code, _, errors = await run("dead-letters", "replay")
        assert (2, True, False) == (code, "argument --key: should be" in errors, "SECRET" in errors)


def refuse(*_: object, **__: object) -> None:
    """Have no login."""
    from azure.core.exceptions import ClientAuthenticationError

    raise ClientAuthenticationError("no login")
