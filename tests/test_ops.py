"""The operator's tool, with the real app and storage behind it."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from azure.storage.blob import ContainerClient
from azure.storage.queue import (
    AccountSasPermissions,
    QueueClient,
    ResourceTypes,
    Services,
    generate_account_sas,
)
from yarl import URL

from local import host
from local.__main__ import main as local_main
from local.stack import Stack
from ops import connections, letters
from ops.__main__ import main
from shared.envelope import DecodeError, Reason, parse_json
from shared.outcomes import dead_letter
from shared.settings import Settings
from shared.sink import QueueSink
from tests.events import PROJECT, as_cloud_event, golden, sample
from tests.queues import Queues

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "14255550127"
DEAD_LETTERS = "acs-dead-letter"
BLOBS = "event-grid"
NO_EVENT = "left: it holds no event"
ADDED = {
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 30,
    "lastDeliveryOutcome": "TimedOut",
    "publishTime": "2026-03-02T09:15:33Z",
    "lastDeliveryAttemptTime": "2026-03-03T09:15:33Z",
}

type Result = tuple[int | None, str, str]
type Forward = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True)
class Ops:
    """The tool, the stack whose dead letters it looks after, and that stack's queues."""

    stack: Stack
    queues: Queues
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def app(self) -> str:
        """The URL of the stack's app."""
        return self.stack.endpoint.removesuffix(host.PATH)

    async def run(self, *arguments: str) -> Result:
        """Run a command in this process: its exit code, output and errors."""
        try:
            code = await asyncio.to_thread(main, arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *self.capsys.readouterr()

    async def letters(self, command: str, *arguments: str) -> Result:
        """Run a command on dead letters, with the stack's app."""
        to = ("--to", self.app) if command == "replay" and "--to" not in arguments else ()
        return await self.run("dead-letters", command, *to, *arguments)

    async def bury(self, *events: dict[str, Any] | str, **letter: Any) -> None:
        """Write dead letters of events as the app does."""
        function = letter.get("function", "sms")
        error = DecodeError(letter.get("reason", Reason.INVALID_DATA), "A bug, mended since.")
        texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
        found = [dead_letter(text, parse_json(text), function=function, error=error) for text in texts]
        sink = QueueSink(Settings.from_environ({"OutcomesStorage": self.stack.connection_string}))
        async with asyncio.TaskGroup() as writes:
            for start in range(0, len(found), 50):
                writes.create_task(sink.write(DEAD_LETTERS, found[start : start + 50]))
        await sink.close()

    def queue(self, name: str = DEAD_LETTERS) -> QueueClient:
        """Return a client of a queue."""
        return QueueClient.from_connection_string(self.stack.connection_string, name)

    def send(self, *texts: str) -> None:
        """Put messages into the queue that are none of the app's."""
        with self.queue() as queue:
            for text in texts:
                queue.send_message(text)

    def depth(self, name: str = DEAD_LETTERS) -> int:
        """Return how many messages a queue has, hidden ones too."""
        with self.queue(name) as queue:
            return queue.get_queue_properties().approximate_message_count or 0

    async def started(self, *arguments: str, **options: Any) -> Process:
        """Start a command on dead letters in a process of its own."""
        command = (sys.executable, "-m", "ops", "dead-letters", *arguments)
        pipes = {"stdout": PIPE, "stderr": PIPE} | options
        return await asyncio.create_subprocess_exec(*command, cwd=PROJECT, **pipes)


@pytest.fixture
def ops(
    stack: Stack, stack_queues: Queues, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ops:
    """Return the tool with the local stack."""
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    monkeypatch.setenv("no_proxy", "")
    return Ops(stack, stack_queues, monkeypatch, capsys)


@pytest.fixture
def blobs(stack: Stack) -> Iterator[ContainerClient]:
    """Have a container for Event Grid's dead letters."""
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        container.create_container()
        yield container
        container.delete_container()


def counts(output: str) -> dict[str, int]:
    """Return how many dead letters had which result, from a table of results."""
    found: Counter[str] = Counter()
    for line in output.splitlines()[1:]:
        count, result, *_ = re.split(r"  +", line)
        found[result] += int(count)
    return found


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
    port = stack.azurite.first_port + 1

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

    async def test_a_replayed_event_comes_out(self, ops: Ops) -> None:
        """After a bug was mended the dead letter becomes the outcome that it should have been.

        The way there is on this machine, where no proxy leads.
        """
        await ops.bury(sample("sms-received"))
        ops.patch.setenv("http_proxy", "http://127.0.0.1:9")
        code, output, errors = await ops.letters("replay", "--yes")
        assert (0, {"accepted": 1}, "") == (code, counts(output), errors)
        assert ops.queues.dead_letters() == []
        (outcome,) = ops.queues.outcomes("sms")
        assert outcome["data"] == golden("sms-received")["data"]

    async def test_an_event_goes_to_the_function_of_its_type(self, ops: Ops) -> None:
        """An event of a wrong subscription need not be refused for ever."""
        await ops.bury(sample("chat-message-received"), reason=Reason.MISROUTED_EVENT_TYPE)
        assert (await ops.letters("replay", "--yes"))[0] == 0
        assert [outcome["type"] for outcome in ops.queues.everything()] == ["acs.chat-message.received"]

    async def test_what_is_refused_again_is_said(self, ops: Ops) -> None:
        """The new dead letter is there before the old one goes, and is not replayed in the same run."""
        bad = sample("sms-received") | {"data": {}}
        no_id = {key: value for key, value in bad.items() if key != "id"}
        await ops.bury(bad, no_id, *many(2))
        code, output, _ = await ops.letters("replay", "--yes", "--json")
        assert code == 1
        assert [json.loads(line) for line in output.splitlines()] == [
            {"count": 2, "result": "accepted", "reason": "invalid_data", "function": "sms"},
            {"count": 1, "result": "refused again", "reason": "invalid_data", "function": "sms"},
            {"count": 1, "result": "refused again", "reason": "invalid_envelope", "function": "sms"},
        ]
        assert [bad, no_id] == [letter["data"]["original"] for letter in ops.queues.dead_letters()]
        assert all(letter["data"]["detail"] != "A bug, mended since." for letter in ops.queues.dead_letters())

    async def test_each_of_several_events_with_one_id_is_counted(self, ops: Ops) -> None:
        """Different events can share an id: each refusal counts, in whatever form its event came."""
        bad = [sample("sms-received") | {"data": {"number": number}} for number in range(3)]
        await ops.bury(*bad, json.dumps(sample("sms-received"), indent=2))
        code, output, _ = await ops.letters("replay", "--yes")
        assert (1, {"accepted": 1, "refused again": 3}) == (code, counts(output))
        assert 3 == len(ops.queues.dead_letters())

    async def test_an_event_that_fails_is_left(self, ops: Ops) -> None:
        """What the endpoint answers 500 stays as it is, and the next gets its turn."""
        await ops.bury("[1]", sample("sms-received"))
        code, output, _ = await ops.letters("replay", "--yes")
        assert (1, {"accepted": 1, "left: the app failed, its log says why": 1}) == (code, counts(output))
        assert [letter["data"]["original"] for letter in ops.queues.dead_letters()] == [[1]]

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_a_dry_run_makes_the_choice_of_the_run(self, ops: Ops, command: str) -> None:
        """Without --yes nothing changes, and what it says will be left is what the run leaves."""
        await ops.bury(*many(2))
        foreign = ops.queues.dead_letters()[0]
        foreign["data"] |= {"function": "else", "original": {"eventType": "Else"}}
        ops.send(encoded(foreign), "no Base64!")
        before = await ops.letters("list", "--json")
        code, dry, errors = await ops.letters(command)
        assert (0, "nothing was changed: --yes does it\n") == (code, errors)
        assert before == await ops.letters("list", "--json")
        _, done, _ = await ops.letters(command, "--yes")
        assert sorted(counts(dry).values()) == sorted(counts(done).values())
        left = [{key for key in counts(text) if key.startswith("left")} for text in (dry, done)]
        assert left[0] == left[1] != set()

    async def test_all_are_listed(self, ops: Ops) -> None:
        """A peek would show no more than 32; the list leaves them for the next reader."""
        await ops.bury(*many(70))
        for _ in range(2):
            code, output, _ = await ops.letters("list", "--show-data")
            assert (code, output.count("event-")) == (0, 70)
        assert len(ops.queues.messages(DEAD_LETTERS)) == 32

    @pytest.mark.parametrize(
        ("filters", "left"),
        [
            (["--reason", "rejected"], ["event-000", "event-002"]),
            (["--id", "event-001"], ["event-000", "event-002"]),
            (["--reason", "invalid_data", "--function", "chat_thread"], ["event-000", "event-001"]),
            ([], []),
        ],
    )
    @pytest.mark.parametrize("command", ["purge", "replay"])
    async def test_filters(self, ops: Ops, command: str, filters: list[str], left: list[str]) -> None:
        """Only what was asked for is removed; the rest is visible at once."""
        first, second, third = many(3)
        await ops.bury(first)
        await ops.bury(second, reason=Reason.REJECTED)
        await ops.bury(third, function="chat_thread")
        assert len((await ops.letters("list", "--json", *filters))[1].splitlines()) == 3 - len(left)
        assert (await ops.letters(command, "--yes", *filters))[0] == 0
        assert left == sorted(letter["data"]["eventId"] for letter in ops.queues.dead_letters())
        assert len(ops.queues.outcomes("sms")) == (3 - len(left) if command == "replay" else 0)

    async def test_a_filter_that_matches_none_is_an_error(self, ops: Ops) -> None:
        """A misspelt reason does not look like success."""
        await ops.bury(*many(2))
        expected = "error: none of 2 dead letters matches the options\n"
        for command in ("list", "replay", "purge"):
            assert (1, "", expected) == await ops.letters(command, "--reason", "invalid-data")

    async def test_what_another_command_hides_is_said(self, ops: Ops) -> None:
        """Nothing to see is not the same as nothing there."""
        await ops.bury(*many(3))
        with ops.queue() as queue:
            assert 3 == len(list(queue.receive_messages(max_messages=3)))
        assert (await ops.letters("list"))[2].startswith("about 3 more are hidden, by another command")

    async def test_the_list_holds_nothing_personal(self, ops: Ops) -> None:
        """Neither of an odd event nor of what somebody else put into the queue, unless asked for."""
        await ops.bury(sample("sms-received") | {"id": f"+{CANARY}", "eventType": f"call\n{CANARY}"})
        foreign = ops.queues.dead_letters()[0]
        foreign["data"] |= {"reason": CANARY, "function": CANARY, "eventId": "\ud800"}
        ops.send(encoded(foreign), CANARY)
        for form in ([], ["--json"]):
            _, output, _ = await ops.letters("list", *form)
            assert (False, 3) == (CANARY in output, output.count("unusual"))
            _, output, _ = await ops.letters("list", "--show-data", *form)
            assert f"+{CANARY}" in output
            assert rf"call\n{CANARY}" in output

    async def test_show_prints_one_whole(self, ops: Ops) -> None:
        """By the id of the list or of the event; several with one id are none; no terminal is commanded."""
        first, second = many(2)
        second["data"]["Message"] = "\x9b2J\u202e \N{GRINNING FACE}"
        await ops.bury(first, json.dumps(second, ensure_ascii=False))
        _, output, _ = await ops.letters("list", "--show-data", "--json")
        row = next(
            row for line in output.splitlines() if (row := json.loads(line))["event_id"] == "event-001"
        )
        expected = next(x for x in ops.queues.dead_letters() if x["data"]["eventId"] == "event-001")
        for wanted in ("event-001", row["id"], row["id"][:13]):
            code, output, _ = await ops.letters("show", wanted)
            assert (code, json.loads(output)) == (0, expected)
            assert output.replace("\n", "").isprintable()
        assert (await ops.letters("show", "event-009"))[0] == 1
        assert (await ops.letters("show", ""))[0] == 2

    async def test_an_event_is_tried_on_a_laptop(self, ops: Ops, tmp_path: Path) -> None:
        """`show --event` prints what `python -m local send` takes."""
        await ops.bury(sample("sms-received"))
        code, output, _ = await ops.letters("show", sample("sms-received")["id"], "--event")
        assert (code, json.loads(output)) == (0, sample("sms-received"))
        (tmp_path / "event.json").write_text(output)
        port = str(ops.stack.event_grid_port)
        command = ["send", str(tmp_path / "event.json"), "--event-grid-port", port]
        assert 0 == await asyncio.to_thread(local_main, command)
        assert ops.capsys.readouterr().err == ""
        assert len(ops.queues.outcomes("sms")) == 1

    async def test_what_is_no_dead_letter_stays(self, ops: Ops) -> None:
        """Neither replay nor purge takes what they cannot read, unless purge is told to."""
        await ops.bury(sample("sms-received"))
        nested = '{"type": "acs.dead-letter", "data": {"original": ' + "[" * 10_000
        name = f"acs.dead-letter/{'0' * 64}.json"
        references = [{"dataref": f"http://host/{place}/{name}"} for place in ("acs-outcomes", "else")]
        odd = ["no Base64!", base64.b64encode(nested.encode()).decode(), *map(encoded, [1, *references])]
        ops.send(*odd)
        code, output, _ = await ops.letters("replay", "--yes")
        assert (1, {"accepted": 1, NO_EVENT: 5}) == (code, counts(output))
        _, output, _ = await ops.letters("list", "--reason", "unreadable", "--json")
        shown = {
            (await ops.letters("show", json.loads(line)["id"]))[1].strip() for line in output.splitlines()
        }
        assert {"no Base64!", nested, "1"} == shown
        code, output, _ = await ops.letters("purge", "--yes")
        assert (1, 5) == (code, ops.depth())
        for reason, count in (("unreadable", 3), ("blob_not_found", 2)):
            code, output, _ = await ops.letters("purge", "--yes", "--reason", reason)
            assert (0, {"purged": count}) == (code, counts(output))
        assert ops.depth() == 0


class TestFaults:
    """Nothing is lost, and nothing is removed that was not accepted."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
    async def test_an_end_amid_a_thousand(self, ops: Ops, number: signal.Signals) -> None:
        """Each event is in the one queue or in the other, and the one on its way perhaps in both.

        Ctrl-C says how far it came and leaves the rest visible.
        """
        await ops.bury(*many(1_000))
        process = await ops.started("replay", "--to", ops.app, "--yes")
        async with asyncio.timeout(60):
            while ops.depth() > 900:
                await asyncio.sleep(0.05)
            process.send_signal(number)
            output, errors = await process.communicate()
        written, left = ops.depth("acs-sms"), ops.depth()
        assert 1_000 <= written + left <= 1_001
        assert " of about 1000 dead letters" in errors.decode()
        if number == signal.SIGINT:
            assert (130, {"accepted": 1_000 - left}) == (process.returncode, counts(output.decode()))
            assert errors.decode().endswith("stopped: the rest is left\n")
            assert ops.queues.dead_letters() != []

    async def test_storage_that_goes_away(self, ops: Ops) -> None:
        """How far it came is said, and which setting to look at."""
        await ops.bury(*many(3))
        deleted: list[str] = []

        async def answer(request: web.Request, forward: Forward) -> web.Response:
            deleted.extend([request.path] * (request.method == "DELETE"))
            if len(deleted) < 2:
                return await forward(request)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        ops.patch.setitem(connections._OPTIONS, "retry_total", 0)
        async with before_queues(ops.stack, answer) as connection:
            ops.patch.setenv("OutcomesStorage", connection)
            code, output, errors = await ops.letters("replay", "--yes")
        assert (1, {"accepted": 1}, 2) == (code, counts(output), ops.depth())
        assert errors.splitlines() == [
            "storage is away: what was received stays hidden for 120 s",
            "error: Storage could not be reached: is OutcomesStorage right?",
        ]

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (200, "answered 200: it should be 202"),
            (307, "answered 307: it should be 202"),
            (401, "answered 401: EVENTGRID_KEY should be the system key eventgrid_extension"),
            (404, "answered 404: there is no function sms"),
            (503, "answered 503: it should be 202. Is the app running?"),
        ],
    )
    async def test_an_endpoint_that_takes_none(self, ops: Ops, status: int, expected: str) -> None:
        """One event is tried, nothing is removed, and a redirect does not get the key."""
        await ops.bury(*many(30))
        keys: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            keys.append(request.headers["x-functions-key"])
            return web.Response(status=status, headers={"Location": "/elsewhere"})

        ops.patch.setenv("EVENTGRID_KEY", "the-key\n")
        async with answering(answer) as url:
            code, _, errors = await ops.letters("replay", "--yes", "--to", url)
        assert (1, ["the-key"], 30) == (code, keys, len(ops.queues.dead_letters()))
        assert expected in errors

    async def test_an_endpoint_that_is_away(self, ops: Ops) -> None:
        """Nothing is removed, and the reason is said in one line."""
        await ops.bury(*many(3))
        to = "http://127.0.0.1:9"
        code, _, errors = await ops.letters("replay", "--yes", "--to", to)
        assert (1, 1, True) == (code, errors.count("\n"), errors.startswith(f"error: cannot reach {to}: "))
        assert len(ops.queues.dead_letters()) == 3

    async def test_another_reader_at_the_same_time(self, ops: Ops) -> None:
        """Two replays share the dead letters between them."""
        await ops.bury(*many(100))
        to = ("--to", ops.app)
        both = [await ops.started("replay", *to, "--yes", "--json") for _ in range(2)]
        async with asyncio.timeout(60):
            outputs = [(await process.communicate())[0].decode() for process in both]
        results = [json.loads(line) for output in outputs for line in output.splitlines()]
        assert {"accepted"} == {result["result"] for result in results}
        assert (100, 0) == (sum(result["count"] for result in results), ops.depth())
        assert ops.depth("acs-sms") == 100

    async def test_what_another_reader_has_removed_is_said(self, ops: Ops) -> None:
        """The exit code says that not all was done here."""
        await ops.bury(*many(1))

        async def answer(request: web.Request, forward: Forward) -> web.Response:
            if request.method == "DELETE":
                await forward(request)
            return await forward(request)

        async with before_queues(ops.stack, answer) as connection:
            ops.patch.setenv("OutcomesStorage", connection)
            code, output, _ = await ops.letters("purge", "--yes")
        assert (1, {"left: another reader had it": 1}) == (code, counts(output))

    async def test_a_slow_app_outlasts_no_lease(self, ops: Ops) -> None:
        """What the time of its page is too short for is received again, and each is posted once."""
        await ops.bury(*many(12))
        ops.patch.setattr(letters, "LEASE_SECONDS", 1)
        posted: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            posted.append((await request.json())["id"])
            await asyncio.sleep(0.2)
            return web.Response(status=202)

        async with answering(answer) as url:
            code, output, _ = await ops.letters("replay", "--yes", "--to", url)
        assert (0, {"accepted": 12}) == (code, counts(output))
        assert sorted(posted) == [event["id"] for event in many(12)]
        assert ops.queues.dead_letters() == []


class TestOversize:
    """Dead letters that are in a blob."""

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_message_and_blob_go(self, ops: Ops, command: str) -> None:
        """It is listed and replayed like any other, and nothing personal is left behind."""
        await ops.bury(large(), function="chat_thread")
        assert "chat_thread" in (await ops.letters("list"))[1]
        (message,) = ops.queues.dead_letters()
        shown = json.loads((await ops.letters("show", large()["id"]))[1])
        assert ops.queues.referenced(message).items() <= shown.items()
        assert shown["data"]["original"] == large()
        assert (await ops.letters(command, "--yes"))[0] == 0
        assert ([], []) == (ops.queues.dead_letters(), oversize_blobs(ops.stack))
        assert len(ops.queues.outcomes("chat_thread")) == (command == "replay")

    async def test_a_blob_that_another_message_refers_to_stays(self, ops: Ops) -> None:
        """The app wrote the same dead letter twice, and the run ended between the two."""
        await ops.bury(large(), large(), function="chat_thread")
        answers = [202, 503]

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=answers.pop(0))

        async with answering(answer) as url:
            assert (await ops.letters("replay", "--yes", "--to", url))[0] == 1
        (message,) = ops.queues.dead_letters()
        assert ops.queues.referenced(message)["data"]["original"] == large()

    async def test_a_blob_stays_if_not_all_messages_were_seen(self, ops: Ops) -> None:
        """Storage was away for a moment before the message that refers to it as well was received."""
        await ops.bury(large(), function="chat_thread")
        await ops.bury(*many(31))
        await ops.bury(large(), function="chat_thread")
        received: list[str] = []
        ops.patch.setitem(connections._OPTIONS, "retry_total", 0)

        async def answer(request: web.Request, forward: Forward) -> web.Response:
            is_receiving = request.method == "GET" and "visibilitytimeout" in request.query
            received.extend([request.path] * is_receiving)
            if is_receiving and len(received) == 2:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return await forward(request)

        async with before_queues(ops.stack, answer) as connection:
            ops.patch.setenv("OutcomesStorage", connection)
            assert (await ops.letters("purge", "--yes"))[0] == 1
        (message,) = ops.queues.dead_letters()
        assert ops.queues.referenced(message)["data"]["original"] == large()

    async def test_a_blob_that_a_hidden_message_may_refer_to_stays(self, ops: Ops) -> None:
        """Another reader has that message."""
        await ops.bury(large(), large(), function="chat_thread")
        with ops.queue() as queue:
            assert queue.receive_message(visibility_timeout=1) is not None
        _, _, errors = await ops.letters("purge", "--yes")
        assert "1 blobs of removed dead letters are left" in errors
        await asyncio.sleep(1.5)
        (message,) = ops.queues.dead_letters()
        assert ops.queues.referenced(message)["data"]["original"] == large()

    async def test_the_blob_of_the_new_one_stays(self, ops: Ops) -> None:
        """Refused again for the same reason, an event's document is the same, and so is its blob."""
        event = large()
        del event["data"]["createdBy"]
        event["data"]["threadId"] = None
        await ops.bury(event, function="chat_thread")
        for _ in range(2):  # the second time even the detail is the same
            code, output, _ = await ops.letters("replay", "--yes")
            assert (1, {"refused again": 1}) == (code, counts(output))
            (message,) = ops.queues.dead_letters()
            assert ops.queues.referenced(message)["data"]["original"] == event


class TestBlobs:
    """Event Grid's own dead letters."""

    async def test_both_schemas_are_replayed(self, ops: Ops, blobs: ContainerClient) -> None:
        """What Event Grid added is stripped, the function is that of the type, and the blob goes."""
        added = {key.lower(): value for key, value in ADDED.items()}
        put(
            blobs,
            "a",
            [sample("sms-received") | ADDED, as_cloud_event(sample("chat-message-received")) | added],
        )
        output = (await ops.letters("list", "--blobs", BLOBS))[1]
        assert output.count("MaxDeliveryAttemptsExceeded") == 2
        code, output, _ = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        assert (0, 2) == (code, output.count("accepted"))
        assert list(blobs.list_blob_names()) == []
        sms, chat = ops.queues.everything()
        assert (sms["type"], chat["type"]) == ("acs.sms.received", "acs.chat-message.received")
        assert "deadLetterReason" not in json.dumps([sms, chat])

    async def test_a_blob_keeps_what_was_not_accepted(self, ops: Ops, blobs: ContainerClient) -> None:
        """Accepted events are taken out, as the dry run says, and the next replay does not repeat them."""
        unknown = sample("sms-received") | ADDED | {"eventType": "Else"}
        put(blobs, "a", [unknown, sample("sms-received") | ADDED, {"else": 1}])
        dry = counts((await ops.letters("replay", "--blobs", BLOBS))[1])
        code, output, _ = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        left = {"left: no function takes it": 1, NO_EVENT: 1}
        assert (1, left | {"accepted": 1}) == (code, counts(output))
        assert left.items() <= dry.items()
        assert json.loads(blobs.download_blob(named("a")).readall()) == [unknown, {"else": 1}]
        assert len(ops.queues.everything()) == 1

    async def test_a_deeply_nested_event_is_one_of_many(self, ops: Ops, blobs: ContainerClient) -> None:
        """The Functions host takes no event nested over 64 levels, so Event Grid dead-letters it."""
        nested = json.loads("[" * 900 + "]" * 900)
        deep = sample("sms-received") | ADDED | {"data": nested}
        put(blobs, "a", [deep, sample("sms-received") | ADDED])
        code, output, _ = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        assert (1, {"accepted": 1, "left: the app failed, its log says why": 1}) == (code, counts(output))
        assert json.loads(blobs.download_blob(named("a")).readall()) == [deep]

    async def test_one_that_is_refused_is_a_dead_letter(self, ops: Ops, blobs: ContainerClient) -> None:
        """There is one dead letter before and after."""
        put(blobs, "a", [sample("sms-received") | ADDED | {"data": {}}])
        code, output, _ = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        assert (1, {"refused again": 1}) == (code, counts(output))
        assert list(blobs.list_blob_names()) == []
        assert len(ops.queues.dead_letters()) == 1

    async def test_a_blob_that_was_changed_meanwhile_stays(self, ops: Ops, blobs: ContainerClient) -> None:
        """What another reader wrote while an event was posted is not overwritten."""
        put(blobs, "a", [sample("sms-received") | ADDED])

        async def answer(_: web.Request) -> web.Response:
            blobs.upload_blob(named("a"), b"[]", overwrite=True)
            return web.Response(status=202)

        async with answering(answer) as url:
            code, output, _ = await ops.letters("replay", "--yes", "--blobs", BLOBS, "--to", url)
        assert (1, {"accepted, but another reader had it": 1}) == (code, counts(output))
        assert blobs.download_blob(named("a")).readall() == b"[]"

    async def test_purge_takes_dead_letters_alone(self, ops: Ops, blobs: ContainerClient) -> None:
        """A wrong container's blobs are never touched, nor what is in the app's own."""
        put(blobs, "a", [sample("sms-received") | ADDED])
        put(blobs, "b", {"else": 1})
        blobs.upload_blob(named("c"), b"[" * 10_000)
        blobs.upload_blob("else.json", b"{}")
        assert (await ops.letters("purge", "--yes", "--blobs", BLOBS))[0] == 1
        assert [named("b"), named("c"), "else.json"] == list(blobs.list_blob_names())
        assert (await ops.letters("purge", "--yes", "--blobs", BLOBS, "--reason", "unreadable"))[0] == 0
        assert ["else.json"] == list(blobs.list_blob_names())
        await ops.bury(large())
        for container, error in (("acs-outcomes", "no dead letters"), ("missing", "error: there is no")):
            _, _, errors = await ops.letters("purge", "--yes", "--blobs", container)
            assert errors.startswith(error)
        assert len(oversize_blobs(ops.stack)) == 1


class TestCheck:
    """The first command of the runbook."""

    async def test_all_is_well(self, ops: Ops, blobs: ContainerClient) -> None:
        """Waiting dead letters are shown with their age, and are no failure."""
        await ops.bury(*many(2))
        put(blobs, "a", [sample("sms-received") | ADDED])
        to = ("--to", ops.app, "--blobs", BLOBS)
        code, output, errors = await ops.run("check", *to, "--json")
        rows = {row["check"]: row for row in map(json.loads, output.splitlines())}
        assert (0, "", {"ok"}) == (code, errors, {row["result"] for row in rows.values()})
        own, event_grid = (rows[f"dead letters in {place}"] for place in (DEAD_LETTERS, BLOBS))
        assert (2, 1) == (own["waiting"], event_grid["waiting"])
        assert datetime.fromisoformat(own["oldest"]) <= datetime.now(UTC)
        assert {"function sms", "function membership", "permissions", "container acs-outcomes"} < rows.keys()
        assert len(ops.queues.dead_letters()) == 2
        _, table, _ = await ops.run("check", *to)
        assert [*rows] == [re.split(r"  +", line)[0] for line in table.splitlines()[1:]]

    @pytest.mark.parametrize("permissions", ["rwdla", "rwdlup"], ids=["the tool's", "the app's"])
    async def test_a_permission_that_is_missing(self, ops: Ops, permissions: str) -> None:
        """A signature that lets nobody remove messages, and one that lets the app add none."""
        parts = dict(part.split("=", 1) for part in ops.stack.connection_string.strip(";").split(";"))
        signature = generate_account_sas(
            parts["AccountName"],
            parts["AccountKey"],
            ResourceTypes(object=True, container=True),
            AccountSasPermissions.from_string(permissions),  # type: ignore[no-untyped-call]
            datetime.now(UTC) + timedelta(hours=1),
            services=Services(queue=True, blob=True),
        )
        endpoints = ";".join(f"{name}={parts[name]}" for name in ("QueueEndpoint", "BlobEndpoint"))
        ops.patch.setenv("OutcomesStorage", f"{endpoints};SharedAccessSignature={signature}")
        code, output, _ = await ops.run("check", "--to", ops.app, "--json")
        found = {row["check"]: row for row in map(json.loads, output.splitlines())}["permissions"]
        assert (1, "failed") == (code, found["result"])
        assert "signature" in found["detail"]

    async def test_storage_and_app_that_are_away(self, ops: Ops) -> None:
        """Each has one line with what to look at."""
        ops.patch.setitem(connections._OPTIONS, "retry_total", 0)
        away = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", ops.stack.connection_string)
        ops.patch.setenv("OutcomesStorage", away)
        code, output, _ = await ops.run("check")
        assert code == 1
        assert [line.split("  ")[0] for line in output.splitlines()[1:3]] == ["storage", "function sms"]
        assert "is OutcomesStorage right?" in output
        assert "cannot reach http://127.0.0.1:7071" in output

    async def test_an_identity(self, ops: Ops) -> None:
        """Without a login the cure is said; an app elsewhere is not taken for the local one."""
        ops.patch.setenv("OutcomesStorage", "")
        ops.patch.setenv("OutcomesStorage__queueServiceUri", "https://a.queue.core.windows.net")
        ops.patch.setattr("azure.identity.DefaultAzureCredential.get_token_info", refuse)
        code, output, _ = await ops.run("check")
        assert (1, True) == (code, "is `az login` needed?" in output)
        assert "say with --to where the app is" in output


class TestCommandLine:
    """What needs no dead letters."""

    async def test_a_reader_that_has_seen_enough(self, ops: Ops) -> None:
        """`| head` makes no noise, though Python keeps what it prints until the end."""
        await ops.bury(*many(1))
        reader, writer = os.pipe()
        os.close(reader)
        process = await ops.started("list", stdout=writer)
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
    async def test_an_error_is_one_line(self, ops: Ops, environ: dict[str, str], expected: str) -> None:
        """It says what to put right; an app elsewhere is never taken for the local one."""
        for name, value in environ.items():
            ops.patch.setenv(name, value)
        code, _, errors = await ops.run("dead-letters", "replay", "--yes")
        assert (code, errors.count("\n"), errors.startswith("error: ")) == (1, 1, True)
        assert expected in errors

    @pytest.mark.parametrize(
        "option",
        [
            "--to=http://contoso.com",
            "--to=https://user:SECRET@contoso.com",
            "--to=https://contoso.com?code=SECRET",
            "--to=https://contoso.com#SECRET",
            "--to=https://[SECRET",
            "--to=https://contoso.com:SECRET",
            "--to=https://",
            "--to=https://c\u00f3ntoso.com",
            "--to=http://127.0.0.1.contoso.com",
            "--function=x",
            "--blobs=",
            "--blobs=$logs",
            "--y",
        ],
    )
    async def test_a_wrong_option_is_refused(self, ops: Ops, option: str) -> None:
        """Personal data and the key are neither sent in the clear nor shown; nothing is done by half."""
        code, _, errors = await ops.run("dead-letters", "replay", option)
        assert (2, False) == (code, "SECRET" in errors)
        assert errors.startswith("usage: python -m ops dead-letters replay")
        name, _, _ = option.partition("=")
        assert f"error: argument {name}: " in errors or f"unrecognized arguments: {name}" in errors

    async def test_a_wrong_key_in_the_environment_is_refused(self, ops: Ops) -> None:
        """It is not shown."""
        ops.patch.setenv("EVENTGRID_KEY", "SECRET\u0436")
        code, _, errors = await ops.run("dead-letters", "replay")
        assert (1, "error: EVENTGRID_KEY should be printable ASCII\n") == (code, errors)


def refuse(*_: object, **__: object) -> None:
    """Have no login."""
    from azure.core.exceptions import ClientAuthenticationError

    raise ClientAuthenticationError("no login")
