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
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from azure.storage import queue as azure_queue
from azure.storage.blob import ContainerClient

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
from tests.servers import answering, before, gone

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "14255550127"
DEAD_LETTERS = "acs-dead-letter"
BLOBS = "event-grid"
NAME = "ACS-SMS/2026/3/3/9/{}.json"
ACCEPTED, REFUSED = "accepted", "refused again"
FAILED = "left: the app failed, its log says why"
NO_EVENT = "left: it holds no event"
DETAIL = "A bug, mended since."
SMS = sample("sms-received")
EVENTS = [SMS | {"id": f"event-{number:03}"} for number in range(1_000)]
LARGE = SMS | {"data": SMS["data"] | {"Message": "x" * 60_000}}
WRONG_URLS = """
    http://contoso.com https://user:SECRET@contoso.com https://contoso.com?code=SECRET https://[SECRET https://
    https://contoso.com#SECRET https://contoso.com:SECRET https://c\u00f3ntoso.com http://127.0.0.1.contoso.com
"""
WRONG = ["--function=x", "--id=", "--blobs=", "--blobs=$logs", "--y"]
WRONG += [f"--to={url}" for url in WRONG_URLS.split()]
ADDED: dict[str, Any] = {"deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 30}
ADDED |= {"publishTime": SMS["eventTime"], "lastDeliveryOutcome": "TimedOut"}


class Result(NamedTuple):
    """What a command did."""

    code: int
    output: str
    errors: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What was printed with --json."""
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def counts(self) -> tuple[int, dict[str, int]]:
        """The exit code, and how many dead letters had which result."""
        counts = (Counter({row["result"]: row["count"]}) for row in self.rows)
        return self.code, dict(sum(counts, Counter[str]()))


@dataclass(frozen=True)
class Ops:
    """The tool, the stack whose dead letters it looks after, the URL of its app, and its queues."""

    stack: Stack
    app: str
    queues: Queues
    queue: azure_queue.QueueClient
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    async def run(self, *arguments: str) -> Result:
        """Run a command in this process."""
        try:
            code = await asyncio.to_thread(main, arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return Result(code, *self.capsys.readouterr())

    async def letters(self, command: str, *arguments: str) -> Result:
        """Run a command on dead letters, a replay with the stack's app."""
        to = ("--to", self.app) if command == "replay" and "--to" not in arguments else ()
        form = () if command == "show" else ("--json",)
        return await self.run("dead-letters", command, *arguments, *to, *form)

    async def started(self, *arguments: str, **options: Any) -> Process:
        """Start a command on dead letters in a process of its own."""
        command = (sys.executable, "-m", "ops", "dead-letters", *arguments)
        pipes = {"stdout": PIPE, "stderr": PIPE, **options}
        return await asyncio.create_subprocess_exec(*command, cwd=PROJECT, **pipes)

    async def bury(self, *events: Any, function: str = "sms", reason: Reason = Reason.INVALID_DATA) -> None:
        """Write dead letters of events as the app does."""
        error = DecodeError(reason, DETAIL)
        texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
        found = [dead_letter(text, parse_json(text), function=function, error=error) for text in texts]
        sink = QueueSink(Settings.from_environ({"OutcomesStorage": self.stack.connection_string}))
        for start in range(0, len(found), 50):
            await sink.write(DEAD_LETTERS, found[start : start + 50])
        await sink.close()

    def send(self, *messages: object) -> None:
        """Put into the queue what is none of the app's: texts, or documents as the app encodes them."""
        for each in messages:
            text = each if isinstance(each, str) else base64.b64encode(json.dumps(each).encode()).decode()
            self.queue.send_message(text)

    def left(self) -> list[Any]:
        """Return the events of the dead letters that are visible, also of those in blobs."""
        found = self.queues.dead_letters()
        whole = [self.queues.referenced(each) if "dataref" in each else each for each in found]
        return [letter["data"]["original"] for letter in whole]

    @asynccontextmanager
    async def storage(self, answer: Callable[[web.Request], web.Response | None]) -> AsyncIterator[None]:
        """Stand between the tool and the stack's queues."""
        there, port = self.stack.connection_string, self.stack.azurite.first_port + 1
        async with before(port, answer) as here:
            self.patch.setenv("OutcomesStorage", there.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{here}/"))
            yield


@pytest.fixture
def ops(
    stack: Stack, stack_queues: Queues, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Ops]:
    """Have the tool and the local stack."""
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setitem(connections._WAITS, "retry_total", 0)
    app, _, _ = stack.endpoint.partition("/runtime/")
    with azure_queue.QueueClient.from_connection_string(stack.connection_string, DEAD_LETTERS) as queue:
        yield Ops(stack, app, stack_queues, queue, monkeypatch, capsys)


@pytest.fixture
def blobs(stack: Stack) -> Iterator[ContainerClient]:
    """Have a container for Event Grid's dead letters."""
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        container.create_container()
        yield container
        container.delete_container()


def put(container: ContainerClient, *events: object) -> None:
    """Write a blob as Event Grid does."""
    container.upload_blob(NAME.format("a"), json.dumps(events).encode())


def content(container: ContainerClient) -> Any:
    """Return what is in that blob."""
    return json.loads(container.download_blob(NAME.format("a")).readall())


class TestQueue:
    """The app's own dead letters, in messages and in blobs."""

    async def test_replayed_events_come_out(self, ops: Ops) -> None:
        """They become what they should have been, also those of a wrong subscription. No proxy is asked."""
        await ops.bury(SMS)
        await ops.bury(sample("chat-message-received"), reason=Reason.MISROUTED_EVENT_TYPE)
        ops.patch.setenv("http_proxy", "http://127.0.0.1:9")
        result = await ops.letters("replay", "--yes")
        assert ((0, {ACCEPTED: 2}), "") == (result.counts, result.errors)
        sms, chat = ops.queues.everything()
        assert (golden("sms-received")["data"], "acs.chat-message.received") == (sms["data"], chat["type"])

    async def test_what_is_refused_again_is_said(self, ops: Ops) -> None:
        """Each refusal counts, also of events that share an id. Dead letters of before the run are none."""
        bad = [SMS | {"data": {"number": number}} for number in range(2)]
        bad.append({key: value for key, value in bad[0].items() if key != "id"})
        await ops.bury(*bad, json.dumps(SMS, indent=2), *EVENTS[:2])
        await ops.bury(EVENTS[0], reason=Reason.REJECTED)
        await asyncio.sleep(1 - datetime.now(UTC).microsecond / 1e6)  # storage tells the time in seconds
        assert (await ops.letters("replay", "--yes", "--reason", "invalid_data")).rows == [
            {"count": 3, "result": "accepted", "reason": "invalid_data", "function": "sms"},
            {"count": 2, "result": "refused again", "reason": "invalid_data", "function": "sms"},
            {"count": 1, "result": "refused again", "reason": "invalid_envelope", "function": "sms"},
        ]
        assert [EVENTS[0], *bad] == ops.left()
        assert all(letter["data"]["detail"] != DETAIL for letter in ops.queues.dead_letters()[1:])

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_a_dry_run_makes_the_choice_of_the_run(self, ops: Ops, command: str) -> None:
        """Without --yes nothing changes, and what it says will be left is what the run leaves."""
        await ops.bury(*EVENTS[:2])
        foreign = ops.queues.dead_letters()[0]
        foreign["data"] |= {"function": "else", "original": {"eventType": "Else"}}
        ops.send(foreign, "no Base64!")
        before = await ops.letters("list")
        dry = await ops.letters(command)
        assert (0, "nothing was changed: --yes does it\n") == (dry.code, dry.errors)
        assert before == await ops.letters("list")
        done = await ops.letters(command, "--yes")
        assert sorted(row["count"] for row in dry.rows) == sorted(row["count"] for row in done.rows)
        left = [[row for row in result.rows if "left" in row["result"]] for result in (dry, done)]
        assert left[0] == left[1] != []

    async def test_all_are_listed(self, ops: Ops) -> None:
        """A peek would show no more than 32; the list leaves them for the next reader."""
        await ops.bury(*EVENTS[:70])
        for _ in range(2):
            ids = [row["event_id"] for row in (await ops.letters("list", "--show-data")).rows]
            assert [event["id"] for event in EVENTS[:70]] == sorted(ids)
        assert len(ops.left()) == 32

    @pytest.mark.parametrize(
        ("filters", "left"),
        [
            ("--reason rejected", [0, 2]),
            ("--id event-001", [0, 2]),
            ("--reason invalid_data --function chat_thread", [0, 1]),
            ("", []),
            ("--reason misspelt", [0, 1, 2]),
        ],
    )
    @pytest.mark.parametrize("command", ["purge", "replay"])
    async def test_filters(self, ops: Ops, command: str, filters: str, left: list[int]) -> None:
        """Only what was asked for is removed; the rest is visible at once. To choose none is an error."""
        events = EVENTS[:3]
        await ops.bury(events[0])
        await ops.bury(events[1], reason=Reason.REJECTED)
        await ops.bury(events[2], function="chat_thread")
        assert len((await ops.letters("list", *filters.split())).rows) == 3 - len(left)
        result = await ops.letters(command, *filters.split(), "--yes")
        nothing = "error: none of 3 dead letters matches the options\n"
        assert (result.code, result.errors) == ((1, nothing) if len(left) == 3 else (0, ""))
        assert [events[number] for number in left] == sorted(ops.left(), key=lambda event: str(event["id"]))
        assert len(ops.queues.outcomes("sms")) == (3 - len(left) if command == "replay" else 0)

    async def test_the_list_holds_nothing_personal(self, ops: Ops) -> None:
        """Neither of an odd event nor of what somebody else put into the queue, unless asked for."""
        await ops.bury(SMS | {"id": f"+{CANARY}", "eventType": f"call\n{CANARY}"})
        foreign = ops.queues.dead_letters()[0]
        foreign["data"] |= {"reason": CANARY, "function": CANARY, "original": {"id": "\ud800"}}
        ops.send(foreign, foreign | {"data": foreign["data"] | {"reason": "rejected"}}, CANARY)
        for form in ([], ["--json"]):
            shown = (await ops.run("dead-letters", "list", *form)).output
            assert (False, 1, 4) == (CANARY in shown, shown.count(DETAIL), shown.count("unusual"))
            shown = (await ops.run("dead-letters", "list", "--show-data", *form)).output
            assert (True, True) == (f"+{CANARY}" in shown, rf"call\n{CANARY}" in shown)

    async def test_show_prints_one_whole(self, ops: Ops) -> None:
        """By the id of the list or of the event; several with one id are none; no terminal is commanded."""
        first, second = EVENTS[0], EVENTS[1] | {"data": {"Message": "\x9b2J\u202e \N{GRINNING FACE}"}}
        await ops.bury(first, first | {"data": {}}, json.dumps(second, ensure_ascii=False))
        rows = (await ops.letters("list", "--show-data")).rows
        (listed,) = (row["id"] for row in rows if row["event_id"] == "event-001")
        (expected,) = (each for each in ops.queues.dead_letters() if each["data"]["eventId"] == "event-001")
        for wanted in ("event-001", listed, listed[:13]):
            result = await ops.letters("show", wanted)
            assert (0, expected) == (result.code, json.loads(result.output))
            assert result.output.replace("\n", "").isprintable()
        assert [1, 1, 2] == [(await ops.letters("show", id_)).code for id_ in ("event-000", "event-009", "")]

    async def test_an_event_is_tried_on_a_laptop(self, ops: Ops, tmp_path: Path) -> None:
        """`show --event` prints what `python -m local send` takes."""
        await ops.bury(SMS)
        result = await ops.letters("show", SMS["id"], "--event")
        assert (0, SMS) == (result.code, json.loads(result.output))
        (tmp_path / "event.json").write_text(result.output)
        command = ["send", str(tmp_path / "event.json"), "--event-grid-port", str(ops.stack.event_grid_port)]
        assert 0 == await asyncio.to_thread(local_main, command)
        assert ("", 1) == (ops.capsys.readouterr().err, len(ops.queues.outcomes("sms")))

    async def test_what_is_no_dead_letter_stays(self, ops: Ops) -> None:
        """What cannot be read is left, unless purge is told to take it, and so is what the app fails on."""
        await ops.bury("[1]", SMS)
        nested = '{"type": "acs.dead-letter", "data": {"original": ' + "[" * 10_000
        name = f"acs.dead-letter/{'0' * 64}.json"
        references = [{"dataref": f"http://host/{place}/{name}"} for place in ("acs-outcomes", "else")]
        odd = {"type": "acs.dead-letter", "data": {"reason": "x", "function": "sms", "original": "\ud800"}}
        ops.send("no Base64!", base64.b64encode(nested.encode()).decode(), 1, *references, odd)
        result = await ops.letters("replay", "--yes")
        assert (1, {ACCEPTED: 1, FAILED: 2, NO_EVENT: 5}) == result.counts
        rows = (await ops.letters("list", "--reason", "unreadable")).rows
        shown = {(await ops.letters("show", row["id"])).output.strip() for row in rows}
        assert {"no Base64!", nested, "1"} == shown
        assert (1, 5) == ((await ops.letters("purge", "--yes")).code, ops.queues.depth(DEAD_LETTERS))
        for reason, count in (("unreadable", 3), ("blob_not_found", 2)):
            assert (0, {"purged": count}) == (await ops.letters("purge", "--yes", "--reason", reason)).counts
        assert ops.queues.depth(DEAD_LETTERS) == 0

    @pytest.mark.parametrize("command", ["replay", "purge"])
    async def test_message_and_blob_go(self, ops: Ops, command: str) -> None:
        """It is shown and replayed like any other, and nothing personal is left behind."""
        await ops.bury(LARGE)
        (message,) = ops.queues.dead_letters()
        shown = json.loads((await ops.letters("show", LARGE["id"])).output)
        assert ops.queues.referenced(message).items() <= shown.items()
        assert (0, "") == (await ops.letters(command, "--yes"))[::2]  # its code and errors
        assert ([], []) == (ops.queues.dead_letters(), ops.queues.oversize("acs.dead-letter"))
        assert len(ops.queues.outcomes("sms")) == (command == "replay")

    async def test_a_blob_that_another_message_refers_to_stays(self, ops: Ops) -> None:
        """The app wrote the same dead letter twice, and the run leaves one of them."""
        await ops.bury(LARGE, LARGE)
        statuses = [202, 500]
        async with answering(lambda _: web.Response(status=statuses.pop(0))) as url:
            assert (await ops.letters("replay", "--yes", "--to", url)).code == 1
        assert [LARGE] == ops.left()

    async def test_a_blob_that_a_hidden_message_may_refer_to_stays(self, ops: Ops) -> None:
        """Another reader has that message, which is said."""
        await ops.bury(LARGE, LARGE)
        (message,) = ops.queue.receive_messages(max_messages=1)
        errors = (await ops.letters("purge", "--yes")).errors
        ops.queue.update_message(message, visibility_timeout=0)
        assert errors.splitlines() == [
            "about 1 more are hidden, by another command or by one that was killed",
            "1 blobs of removed dead letters are left",
        ]
        assert [LARGE] == ops.left()

    async def test_the_blob_of_the_new_one_stays(self, ops: Ops) -> None:
        """Refused again for the same reason, an event's document is the same, and so is its blob."""
        event = LARGE | {"data": {"Message": "x" * 60_000}}
        await ops.bury(event)
        for _ in range(2):  # the second time even the detail is the same
            assert (1, {REFUSED: 1}) == (await ops.letters("replay", "--yes")).counts
            assert [event] == ops.left()


class TestFaults:
    """Nothing is lost, nothing is removed that was not accepted, and what is wrong is said."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
    async def test_an_end_amid_a_thousand(self, ops: Ops, number: signal.Signals) -> None:
        """Each event is in one queue, and one perhaps in both. Ctrl-C says how far it came and hides none."""
        await ops.bury(*EVENTS)
        process = await ops.started("replay", "--to", ops.app, "--yes", "--json")
        async with asyncio.timeout(60):
            while ops.queues.depth(DEAD_LETTERS) > 900:
                await asyncio.sleep(0.05)
            process.send_signal(number)
            output, errors = [each.decode() for each in await process.communicate()]
        left = ops.queues.depth(DEAD_LETTERS)
        assert 1_000 <= ops.queues.depth("acs-sms") + left <= 1_001
        assert " of about 1000 dead letters" in errors
        if number == signal.SIGINT:
            assert (130, {ACCEPTED: 1_000 - left}) == Result(process.returncode or 0, output, errors).counts
            assert errors.endswith("stopped: the rest is left\n")
            assert ops.left() != []

    async def test_storage_that_goes_away(self, ops: Ops) -> None:
        """How far it came is said, and what to start. No blob goes: others may refer to it."""
        await ops.bury(LARGE)
        await ops.bury(*EVENTS[:2])
        deleted: list[str] = []

        def answer(request: web.Request) -> web.Response | None:
            deleted.extend([request.path] * (request.method == "DELETE"))
            return gone(request) if len(deleted) > 1 else None

        async with ops.storage(answer):
            result = await ops.letters("replay", "--yes")
        assert ((1, {ACCEPTED: 1}), 2) == (result.counts, ops.queues.depth(DEAD_LETTERS))
        assert result.errors.splitlines() == [
            "storage is away: what was received stays hidden for 120 s",
            "1 blobs of removed dead letters are left",
            "error: Storage could not be reached: start the local stack with `make run`.",
        ]
        assert len(ops.queues.oversize("acs.dead-letter")) == 1

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (200, "answered 200: it should be 202. Is the app running?"),
            (307, "answered 307: it should be 202"),
            (401, "answered 401: EVENTGRID_KEY should be the system key eventgrid_extension"),
            (404, "answered 404: there is no function sms"),
            (0, "error: cannot reach http://127.0.0.1:"),
        ],
    )
    async def test_an_endpoint_that_takes_none(self, ops: Ops, status: int, expected: str) -> None:
        """One event is tried, nothing is removed, and a redirect does not get the key."""
        await ops.bury(*EVENTS[:30])
        keys: list[str] = []

        def answer(request: web.Request) -> web.Response:
            keys.append(request.headers["x-functions-key"])
            return web.Response(status=status, headers={"Location": "/else"}) if status else gone(request)

        ops.patch.setenv("EVENTGRID_KEY", "the-key\n")
        async with answering(answer) as url:
            result = await ops.letters("replay", "--yes", "--to", url)
        assert (1, ["the-key"], 30) == (result.code, keys, len(ops.left()))
        assert (True, 1) == (expected in result.errors, result.errors.count("\n"))

    async def test_another_reader_at_the_same_time(self, ops: Ops) -> None:
        """Two replays share the dead letters between them."""
        await ops.bury(*EVENTS[:100])
        both = [await ops.started("replay", "--to", ops.app, "--yes", "--json") for _ in range(2)]
        async with asyncio.timeout(60):
            outputs = [(await process.communicate())[0].decode() for process in both]
        assert (0, {ACCEPTED: 100}) == Result(0, "".join(outputs), "").counts
        assert (0, 100) == (ops.queues.depth(DEAD_LETTERS), ops.queues.depth("acs-sms"))

    async def test_what_another_reader_has_removed_is_said(self, ops: Ops) -> None:
        """The exit code says that not all was done here."""
        await ops.bury(*EVENTS[:1])

        def answer(request: web.Request) -> None:
            if request.method == "DELETE":
                ops.queues.clear()

        async with ops.storage(answer):
            assert (1, {"left: another reader had it": 1}) == (await ops.letters("purge", "--yes")).counts

    async def test_a_slow_app_outlasts_no_lease(self, ops: Ops) -> None:
        """A run longer than a lease posts each event once, while it is hidden, and none that is newer."""
        await ops.bury("[1]", *EVENTS[:12])
        ops.patch.setattr(letters, "LEASE_SECONDS", 2)
        posted, visible = list[Any](), list[Any]()

        async def answer(request: web.Request) -> web.Response:
            posted.append(await request.json())
            visible.extend(event for event in ops.left() if event == posted[-1])
            await asyncio.sleep(0.3)
            if len(posted) == 10:
                await ops.bury(SMS)
            return web.Response(status=500 if posted[-1] == [1] else 202)

        async with answering(answer) as url:
            result = await ops.letters("replay", "--yes", "--to", url)
        assert ((1, {ACCEPTED: 12, FAILED: 1}), [], [[1], SMS]) == (result.counts, visible, ops.left())
        assert sorted(map(str, [[1], *EVENTS[:12]])) == sorted(map(str, posted))

    async def test_a_reader_that_has_seen_enough(self, ops: Ops) -> None:
        """`| head` makes no noise, though Python keeps what it prints until the end."""
        await ops.bury(*EVENTS[:1])
        reader, writer = os.pipe()
        os.close(reader)
        process = await ops.started("list", stdout=writer)
        os.close(writer)
        _, errors = await process.communicate()
        assert (0, b"") == (process.returncode, errors)

    @pytest.mark.parametrize(
        ("setting", "value", "expected"),
        [
            ("OutcomesStorage", "", "OutcomesStorage is missing"),
            ("OutcomesStorage", "AccountName=a;AccountKey=b", "say with --to where the app is"),
            ("DEAD_LETTER_QUEUE", "No", "DEAD_LETTER_QUEUE should be"),
            ("EVENTGRID_KEY", "SECRET\u0436", "EVENTGRID_KEY should be printable ASCII\n"),
        ],
    )
    async def test_an_error_is_one_line(self, ops: Ops, setting: str, value: str, expected: str) -> None:
        """It says what to put right; an app elsewhere is never taken for the local one."""
        ops.patch.setenv(setting, value)
        code, _, errors = await ops.run("dead-letters", "replay", "--yes")
        assert (code, errors.count("\n"), errors.startswith("error: ")) == (1, 1, True)
        assert expected in errors

    @pytest.mark.parametrize("option", WRONG)
    async def test_a_wrong_option_is_refused(self, ops: Ops, option: str) -> None:
        """The key is neither sent in the clear nor shown; nothing is done by half."""
        code, _, errors = await ops.run("dead-letters", "replay", option)
        assert (2, False) == (code, "SECRET" in errors)
        assert errors.startswith("usage: python -m ops dead-letters replay")
        name, _, _ = option.partition("=")
        assert f"error: argument {name}: " in errors or f"unrecognized arguments: {name}" in errors


class TestBlobs:
    """Event Grid's own dead letters."""

    async def test_both_schemas_are_replayed(self, ops: Ops, blobs: ContainerClient) -> None:
        """What Event Grid added is stripped, and the blob goes. What is refused is a new dead letter."""
        await ops.bury(SMS)
        await asyncio.sleep(1)  # storage tells the time in seconds
        added = {key.lower(): value for key, value in ADDED.items()}
        bad = SMS | {"data": {}}
        put(blobs, SMS | ADDED, as_cloud_event(sample("chat-message-received")) | added, bad | ADDED)
        result = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        assert (1, {ACCEPTED: 2, REFUSED: 1}) == result.counts
        sms, chat, *_ = ops.queues.everything()
        assert ("acs.sms.received", "acs.chat-message.received") == (sms["type"], chat["type"])
        assert ([], [SMS, bad]) == (list(blobs.list_blob_names()), ops.left())

    async def test_a_blob_keeps_what_was_not_accepted(self, ops: Ops, blobs: ContainerClient) -> None:
        """Accepted events are taken out, as the dry run says. The others keep their ids."""
        unknown = SMS | ADDED | {"eventType": "Else"}
        deep = SMS | ADDED | {"data": json.loads("[" * 900 + "]" * 900)}  # the host takes 64 levels
        put(blobs, SMS | ADDED, unknown, deep, {"else": 1})
        listed = (await ops.letters("list", "--blobs", BLOBS, "--reason", ADDED["deadLetterReason"])).rows
        _, dry = (await ops.letters("replay", "--blobs", BLOBS)).counts
        left = {"left: no function takes it": 1, NO_EVENT: 1}
        assert left.items() <= dry.items()
        result = await ops.letters("replay", "--yes", "--blobs", BLOBS)
        assert (1, left | {ACCEPTED: 1, FAILED: 1}) == result.counts
        assert ([unknown, deep, {"else": 1}], 1) == (content(blobs), len(ops.queues.everything()))
        for row, code in zip(listed, (1, 0, 0), strict=True):
            assert code == (await ops.letters("purge", "--yes", "--blobs", BLOBS, "--id", row["id"][:9])).code
        assert [{"else": 1}] == content(blobs)

    @pytest.mark.parametrize("count", [1, 2])
    async def test_a_changed_blob_stays(self, ops: Ops, blobs: ContainerClient, count: int) -> None:
        """What another reader wrote while an event was posted is neither overwritten nor deleted."""
        put(blobs, *(event | ADDED for event in EVENTS[:count]))

        def answer(_: web.Request) -> web.Response:
            blobs.upload_blob(NAME.format("a"), b"[]", overwrite=True)
            return web.Response(status=202)

        async with answering(answer) as url:
            result = await ops.letters("replay", "--yes", "--blobs", BLOBS, "--to", url)
        assert ((1, {"accepted, but another reader had it": count}), []) == (result.counts, content(blobs))

    async def test_purge_takes_dead_letters_alone(self, ops: Ops, blobs: ContainerClient) -> None:
        """A wrong container's blobs are never touched, nor what is in the app's own."""
        put(blobs, SMS | ADDED)
        names = [NAME.format("b"), NAME.format("c"), "else.json"]
        for name, text in zip(names, ('{"else": 1}', "[" * 10_000, "{}"), strict=True):
            blobs.upload_blob(name, text)
        purge = ("purge", "--yes", "--blobs")
        assert (await ops.letters(*purge, BLOBS)).code == 1
        assert names == list(blobs.list_blob_names())
        assert (await ops.letters(*purge, BLOBS, "--reason", "unreadable")).code == 0
        assert names[2:] == list(blobs.list_blob_names())
        await ops.bury(LARGE)
        for container, expected in (("acs-outcomes", "no dead letters"), ("missing", "error: there is no")):
            assert (await ops.letters(*purge, container)).errors.startswith(expected)
        assert len(ops.queues.oversize("acs.dead-letter")) == 1


class TestCheck:
    """The first command of the runbook."""

    async def test_all_is_well(self, ops: Ops, blobs: ContainerClient) -> None:
        """Waiting dead letters are shown with their age, and are no failure."""
        await ops.bury(*EVENTS[:2])
        put(blobs, SMS | ADDED)
        check = ("check", "--to", ops.app, "--blobs", BLOBS)
        result = await ops.run(*check, "--json")
        rows = {row["check"]: row for row in result.rows}
        assert (0, "", {"ok"}) == (result.code, result.errors, {row["result"] for row in rows.values()})
        own, event_grid = (rows[f"dead letters in {place}"] for place in (DEAD_LETTERS, BLOBS))
        assert (2, 1) == (own["waiting"], event_grid["waiting"])
        assert datetime.fromisoformat(own["oldest"]) <= datetime.now(UTC)
        assert {"function sms", "permission to write blobs", "container acs-outcomes"} < rows.keys()
        assert len(ops.left()) == 2
        table = [re.split(r"  +", line) for line in (await ops.run(*check)).output.splitlines()]
        assert ["CHECK", "RESULT", "WAITING", "OLDEST", "DETAIL"] == table[0]
        assert [*rows] == [line[0] for line in table[1:]]
        assert {"1"} == {line[2] for line in table if line[0].endswith(BLOBS) and line[3].endswith("s ago")}

    @pytest.mark.parametrize(("permissions", "missing"), [("rwdla", "update"), ("rwdlup", "add")])
    async def test_a_permission_that_is_missing(self, ops: Ops, permissions: str, missing: str) -> None:
        """A signature that does not let the tool update messages, or the app add them."""
        signature = azure_queue.generate_account_sas(
            "devstoreaccount1",
            re.findall("AccountKey=([^;]+)", ops.stack.connection_string)[0],
            azure_queue.ResourceTypes(object=True, container=True),
            azure_queue.AccountSasPermissions.from_string(permissions),  # type: ignore[no-untyped-call]
            datetime.now(UTC) + timedelta(hours=1),
            services=azure_queue.Services(queue=True, blob=True),
        )
        endpoints = ";".join(re.findall("(?:Queue|Blob)Endpoint=[^;]+", ops.stack.connection_string))
        ops.patch.setenv("OutcomesStorage", f"{endpoints};SharedAccessSignature={signature}")
        result = await ops.run("check", "--to", ops.app, "--json")
        (failed,) = (row for row in result.rows if row["result"] == "failed")
        assert (1, f"permission to {missing} messages") == (result.code, failed["check"])
        assert "signature" in failed["detail"]

    async def test_storage_and_app_that_are_away(self, ops: Ops) -> None:
        """Each has one line with what to look at."""
        away = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", ops.stack.connection_string)
        ops.patch.setenv("OutcomesStorage", away)
        result = await ops.run("check", "--json", "--to", "http://127.0.0.1:9")
        storage, app = result.rows
        assert (1, "storage", "function sms") == (result.code, storage["check"], app["check"])
        assert "start the local stack" in storage["detail"]
        assert re.fullmatch(r"cannot reach http://127\.0\.0\.1:9: [^:(]*Connection refused", app["detail"])

    async def test_an_identity(self, ops: Ops) -> None:
        """Without a login the cure is said; an app elsewhere is not taken for the local one."""
        ops.patch.setenv("OutcomesStorage", "")
        ops.patch.setenv("OutcomesStorage__queueServiceUri", "https://a.queue.core.windows.net")
        ops.patch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")  # which is not there
        result = await ops.run("check")
        assert (1, True) == (result.code, "is `az login` needed?" in result.output)
        assert "say with --to where the app is" in result.output
