"""The local stack: its commands, and the real worker and storage behind them."""

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from azure.storage.queue import QueueClient

from local import __main__ as command_line
from local import azurite, host, ports, queues, sending
from local import stack as local_stack
from local.azurite import Azurite
from local.errors import AppNotLoadedError, LocalError
from local.journal import Journal
from local.stack import PROJECT_DIR, Stack
from tests.events import golden
from tests.queues import Queues

APP = """
import asyncio, os
import azure.functions as func

app = func.FunctionApp()

@app.function_name("echo")
@app.event_grid_trigger(arg_name="event")
async def echo(event: str) -> None:
    print("printed by the app", flush=True)
    with open("received.txt", "w") as file:
        file.write(event)

@app.function_name("fail")
@app.event_grid_trigger(arg_name="event")
async def fail(event: str) -> None:
    raise RuntimeError("on purpose")

@app.function_name("leave")
@app.event_grid_trigger(arg_name="event")
async def leave(event: str) -> None:
    raise SystemExit(3)

@app.function_name("slow")
@app.event_grid_trigger(arg_name="event")
async def slow(event: str) -> None:
    open("started.txt", "w").close()
    await asyncio.sleep(2)

@app.function_name("setting")
@app.event_grid_trigger(arg_name="event")
async def setting(event: str) -> None:
    with open("received.txt", "w") as file:
        file.write(os.environ["GREETING"])
"""


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


type Run = Callable[..., Result]


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command of `python -m local` to its end, in this process."""
    monkeypatch.setenv("no_proxy", os.environ.get("no_proxy", ""))  # restored: a command changes it

    def run(*arguments: str) -> Result:
        try:
            code = command_line.main(arguments)
        except SystemExit as end:  # usage, and errors in it
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def port_options(first: int) -> list[str]:
    """Return the options that give a stack these five ports."""
    return [
        *("--storage-port", str(first)),
        *("--port", str(first + 3)),
        *("--event-grid-port", str(first + 4)),
    ]


def assert_one_line(error: str) -> None:
    """Assert that an error is one that a person can read."""
    assert error.startswith("error: ")
    assert 1 == error.count("\n")


class TestCommandLine:
    """What the commands answer without a stack."""

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([], ["up", "send", "outcomes"]),
            (
                ["up"],
                [
                    "--no-samples",
                    "--func",
                    "--port",
                    "--storage-port",
                    "--event-grid-port",
                    "--time-scale",
                    "--data-dir",
                ],
            ),
            (["send"], ["--cloudevents", "--direct", "--function", "--no-wait", "--json", "sms-received"]),
            (["outcomes"], ["--json", "QUEUE"]),
        ],
    )
    def test_help_names_everything(self, arguments: list[str], expected: list[str], run: Run) -> None:
        """--help works everywhere, and names each command, option and sample."""
        result = run(*arguments, "--help")

        assert (0, "") == (result.returncode, result.stderr)
        assert [] == [text for text in expected if text not in result.stdout]

    def test_no_command_says_what_there_is(self, run: Run) -> None:
        """Without a command, the help is printed."""
        assert run() == run("--help")

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            *(
                (f"up --time-scale {scale}", f"--time-scale: '{scale}' is not a number above 0")
                for scale in ("0", "-1", "inf", "nan", "fast")
            ),
            *(
                (f"up --port {port}", f"--port: '{port}' is not a port from 1 to 65535")
                for port in ("0", "65536", "-1", "http")
            ),
            ("up --storage-port 65534", "--storage-port: '65534' is not a port from 1 to 65533"),
            *(
                (f"outcomes {queue}", f"QUEUE: '{queue.strip("'")}' is not a queue's name")
                for queue in ("''", "ACS_sms", "a--b", "aa", "a" * 64)
            ),
            ("send sms-received --function sms --cloudevents", "--cloudevents: not allowed with"),
        ],
    )
    def test_wrong_arguments_are_told_in_words(
        self, arguments: str, error: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What an argument should be, as a usage error, before anything else."""
        with pytest.raises(SystemExit, match="2"):
            command_line._parser().parse_args(shlex.split(arguments))

        assert error in capsys.readouterr().err

    def test_an_unknown_sample_lists_the_samples(self, run: Run) -> None:
        """A name that is neither sample nor file is an error that lists the samples."""
        result = run("send", "nonsense")

        assert 1 == result.returncode
        assert_one_line(result.stderr)
        assert "sms-received" in result.stderr

    def test_sending_to_nobody_is_an_error(self, run: Run) -> None:
        """Where no stack answers, the error says how to start one."""
        port = ports.free_block(1)
        result = run("send", "sms-received", "--event-grid-port", str(port))

        assert 1 == result.returncode
        assert_one_line(result.stderr)
        assert f"port {port}" in result.stderr

    async def test_sending_to_another_port_than_event_grids_is_an_error(self, run: Run) -> None:
        """An answer that is no Event Grid's, as from the endpoint's port, is not taken for its own."""

        async def no_app() -> host.Invoker:
            raise AppNotLoadedError

        async with host.serving(no_app, 0, Journal(list[str]().append)) as port:
            options = ("--event-grid-port", str(port))
            result = await asyncio.to_thread(run, "send", "sms-received", *options)

        assert (1, "") == (result.returncode, result.stdout)
        assert_one_line(result.stderr)
        assert f"no local stack on port {port}" in result.stderr

    def test_unreachable_storage_is_an_error(self, run: Run) -> None:
        """Where no storage answers, the error comes soon and says how to start it."""
        started = time.monotonic()
        result = run("outcomes", "--storage-port", str(ports.free_block(3)))

        assert 1 == result.returncode
        assert_one_line(result.stderr)
        assert "python -m local up" in result.stderr
        assert time.monotonic() - started < 10

    @pytest.mark.parametrize(
        ("offset", "option"),
        [(0, "--storage-port"), (1, "--storage-port"), (3, "--port"), (4, "--event-grid-port")],
    )
    def test_a_taken_port_is_an_error(self, offset: int, option: str, run: Run) -> None:
        """A port that something else holds is named before anything starts, with the option to change it."""
        first = ports.free_block(5)
        with socket.create_server(("127.0.0.1", first + offset)):
            result = run("up", *port_options(first))

        assert (1, "") == (result.returncode, result.stdout)
        assert_one_line(result.stderr)
        assert f"port {first + offset} " in result.stderr
        assert result.stderr.rstrip().endswith(option)

    @pytest.mark.parametrize(("other", "option"), [(3, "--event-grid-port"), (2, "--storage-port")])
    async def test_a_port_for_two_is_an_error(self, other: int, option: str) -> None:
        """It is named before anything starts, with an option to change it."""
        first = ports.free_block(4)
        with pytest.raises(LocalError, match=f"port {first + other} is taken.*{option}"):
            async with local_stack.running(port=first + 3, storage_port=first, event_grid_port=first + other):
                pass

    def test_a_hang_up_that_is_ignored_stays_so(self) -> None:
        """`nohup` has the stack outlive its terminal."""

        async def hang_up() -> None:
            command_line._cancel_on_signals()
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(0.1)

        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            asyncio.run(hang_up())
        finally:
            signal.signal(signal.SIGHUP, before)


class TestFiles:
    """What is sent for a sample or a file."""

    def test_each_event_of_a_file_is_sent(self, tmp_path: Path) -> None:
        """A file may hold one event or an array of them."""
        file = tmp_path / "events.json"
        file.write_text('[{"id": "1"}, {"id": "2"}]')

        assert ['{"id": "1"}', '{"id": "2"}'] == list(sending.texts(str(file), whole=False))

    def test_a_named_function_gets_the_whole_file(self, tmp_path: Path) -> None:
        """With a function named, even what is not JSON is sent."""
        file = tmp_path / "broken"
        file.write_bytes(b"\xff{")

        assert ["\ufffd{"] == list(sending.texts(str(file), whole=True))

    @pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
    def test_a_file_without_an_event_is_an_error(self, text: str, tmp_path: Path) -> None:
        """The error offers to send it to a function as it is."""
        file = tmp_path / "event.json"
        file.write_text(text)

        with pytest.raises(LocalError, match="--function NAME"):
            list(sending.texts(str(file), whole=False))


@dataclass
class Up:
    """A running `up`, and what it printed until it was ready."""

    process: subprocess.Popen[str]
    port: int
    storage_port: int
    event_grid_port: int
    output: list[str] = field(default_factory=list)

    def read_until(self, wanted: str) -> str:
        """Read what it prints up to a line that holds this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if wanted in line:
                return line
        raise AssertionError(f"{wanted!r} not in {self.output}")


@contextmanager
def up(*arguments: str) -> Iterator[Up]:
    """Run `up` as a process until the context ends."""
    first = ports.free_block(5)
    command = [sys.executable, "-m", "local", "up", *port_options(first), *arguments]
    with subprocess.Popen(
        command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            running = Up(process, first + 3, first, first + 4)
            running.read_until("ready ")
            yield running
        finally:
            process.terminate()


def _processes() -> list[tuple[int, int, str]]:
    """Return the id, the parent's id and the command of every process that is no zombie."""
    command = ("ps", "-A", "-o", "pid=,ppid=,stat=,args=")
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=3) for line in listing.stdout.splitlines()]
    return [
        (int(row[0]), int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")
    ]


def children(pid: int) -> dict[int, str]:
    """Return the commands of a process's children, by their ids."""
    return {child: command for child, parent, command in _processes() if parent == pid}


def wait_until_gone(pids: set[int]) -> set[int]:
    """Return those of the processes that are still there after a while."""
    deadline = time.monotonic() + 10
    while (left := pids & {pid for pid, _, _ in _processes()}) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


class TestUp:
    """The stack as the process that a developer starts."""

    def test_samples_become_outcomes(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The samples are delivered, and `outcomes` shows what `up` did; Ctrl-C ends storage and worker.

        No proxy is asked.
        """
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ports.free_block(1)}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with up() as running:
            started = set(children(running.process.pid))
            for _ in sending.sample_names():
                running.read_until(" written ")
            storage_port = str(running.storage_port)
            shown = run("outcomes", "--storage-port", storage_port, "--json")
            one_queue = run("outcomes", "acs-sms", "no-such-queue", "--storage-port", storage_port)
            running.process.send_signal(signal.SIGINT)

            assert 0 == running.process.wait(15)

        assert 2 == len(started)
        assert set() == wait_until_gone(started)
        assert f"http://127.0.0.1:{running.event_grid_port}/" in "".join(running.output)
        documents = [json.loads(line) for line in shown.stdout.splitlines()]
        assert len(sending.sample_names()) == len({document["id"] for document in documents})
        assert {"1.0"} == {document["specversion"] for document in documents}
        assert ["acs-sms", "acs-sms"] == [line.split()[0] for line in one_queue.stdout.splitlines()]

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
    def test_a_signal_ends_everything(self, name: str) -> None:
        """Other signals that ask for an end do the same."""
        with up("--no-samples") as running:
            started = set(children(running.process.pid))
            running.process.send_signal(getattr(signal, name))

            assert 0 == running.process.wait(15)

        assert 2 == len(started)
        assert set() == wait_until_gone(started)

    def test_nothing_outlives_a_killed_stack(self, tmp_path: Path) -> None:
        """Storage, whose data is where it was told, and worker end by themselves where `up` could not."""
        with up("--no-samples", "--data-dir", str(tmp_path / "data")) as running:
            started = set(children(running.process.pid))
            running.process.kill()

        assert 2 == len(started)
        assert set() == wait_until_gone(started)
        assert any((tmp_path / "data").iterdir())

    async def test_a_blocked_function_does_not_outlive_the_stack(self, tiny: "Tiny") -> None:
        """A function that blocks its worker is given up when the stack ends."""
        tiny.edit(APP.replace("await asyncio.sleep(2)", "import time; time.sleep(60)"))
        worker = await tiny.stack.workers.current()
        blocked = worker.invoke("slow", "{}")
        await until((tiny.folder / "started.txt").exists)
        await worker.stop()

        assert await blocked is not None
        assert set() == wait_until_gone({worker.pid})

    def test_storage_that_ends_is_an_error(self) -> None:
        """Without storage the stack is of no use: it says so and ends."""
        with up("--no-samples") as running:
            processes = children(running.process.pid)
            (storage,) = (pid for pid, command in processes.items() if "local.worker" not in command)
            os.kill(storage, signal.SIGKILL)
            running.read_until("error: Azurite ended by itself")

            assert 1 == running.process.wait(15)


class TestSend:
    """What is sent to a running stack."""

    pytestmark = pytest.mark.asyncio(loop_scope="session")

    async def test_it_prints_the_outcome(
        self, stack: Stack, stack_queues: Queues, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Events are published in either schema, and their outcomes printed; no proxy is asked."""
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ports.free_block(1)}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        port = ("--event-grid-port", str(stack.event_grid_port))
        sent = await asyncio.to_thread(run, "send", "sms-received", *port)
        as_json = await asyncio.to_thread(run, "send", "participant-added", "--cloudevents", "--json", *port)

        assert (0, "") == (sent.returncode, sent.stderr)
        head, place, document = sent.stdout.split("\n", 2)
        assert (["written", "sms-received"], "in acs-sms:") == (head.split(), place)
        assert golden("sms-received") == json.loads(document)
        told = json.loads(as_json.stdout)
        assert golden("participant-added") == json.loads(told["written"][0]["document"])
        assert "1.0" == json.loads(told["event"])["specversion"]
        assert 2 == len(stack_queues.everything())

    @pytest.mark.parametrize(
        ("text", "options", "reason"),
        [
            ('{"eventType": "Microsoft.Communication.SMSReceived"}', [], "'id'"),
            ('{"eventType": "Other", "id": "1", "subject": "", "eventTime": "x"}', [], "no subscription"),
            (
                '{"eventType": "Other", "id": "1", "subject": "", "eventTime": "x"}',
                ["--direct"],
                "no function",
            ),
            ("[{}]", ["--function", "sms"], "invalid_envelope"),
            ("[{}]", ["--function", "none"], "the functions are sms"),
        ],
    )
    @pytest.mark.usefixtures("stack_queues")
    async def test_it_prints_the_reason(
        self, text: str, options: list[str], reason: str, stack: Stack, run: Run, tmp_path: Path
    ) -> None:
        """What is refused, routed nowhere, or dead-lettered is said, and the exit code is 1."""
        file = tmp_path / "event.json"
        file.write_text(text)
        port = ("--event-grid-port", str(stack.event_grid_port))
        result = await asyncio.to_thread(run, "send", str(file), *options, *port)

        assert 1 == result.returncode
        assert reason in result.stdout + result.stderr

    @pytest.mark.usefixtures("stack_queues")
    async def test_it_need_not_wait(self, stack: Stack, run: Run) -> None:
        """With --no-wait it prints nothing, and the event is delivered all the same."""
        port = ("--event-grid-port", str(stack.event_grid_port))
        result = await asyncio.to_thread(run, "send", "sms-received", "--no-wait", *port)
        await until(lambda: stack.event_grid.undelivered == 0)

        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


class TestOutcomes:
    """How queues are shown."""

    def test_what_is_not_shown_is_counted(self, storage: Azurite, run: Run) -> None:
        """A queue shows its 32 oldest messages, and says how many more there are."""
        name = f"shown-{time.monotonic_ns()}"
        with QueueClient.from_connection_string(storage.connection_string, name) as queue:
            queue.create_queue()
            for number in range(queues.PEEK_LIMIT + 2):
                queue.send_message(f"no outcome {number}")

        shown = run("outcomes", name, "--json", "--storage-port", str(storage.first_port))

        assert [f"no outcome {number}" for number in range(queues.PEEK_LIMIT)] == shown.stdout.splitlines()
        assert f"{name}: 2 more not shown\n" == shown.stderr

    def test_an_event_cannot_command_the_terminal(self, storage: Azurite, run: Run) -> None:
        """What its id holds besides what can be printed is escaped."""
        name = f"shown-{time.monotonic_ns()}"
        with QueueClient.from_connection_string(storage.connection_string, name) as queue:
            queue.create_queue()
            queue.send_message(json.dumps({"type": "acs.sms.received", "id": "\x1b[2Jé\u202e"}))

        shown = run("outcomes", name, "--storage-port", str(storage.first_port))

        assert shown.stdout.rstrip().endswith(r" \u001b[2Jé\u202e")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for 10 seconds at most."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Tiny:
    """A stack that runs an app of this test's own."""

    stack: Stack
    folder: Path
    reports: list[str]

    async def post(self, function: str, event: str = "{}") -> int:
        """Deliver an event, and return the status."""
        headers = {"aeg-event-type": "Notification"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.stack.endpoint}?functionName={function}",
                data=BytesIO(event.encode()),
                headers=headers,
            ) as response,
        ):
            return response.status

    def received(self) -> str:
        """Return what the app received last."""
        return (self.folder / "received.txt").read_text()

    def edit(self, code: str) -> None:
        """Change the app's code."""
        (self.folder / "function_app.py").write_text(code)

    async def reported(self, text: str) -> str:
        """Wait until the stack has reported something that holds this text."""
        await until(lambda: any(text in report for report in self.reports))
        return next(report for report in self.reports if text in report)


@pytest.fixture(name="make_tiny")
def _make_tiny(tmp_path: Path) -> Callable[[], Path]:
    """Return what makes a project with a small app and this local stack."""

    def make() -> Path:
        (tmp_path / "local").symlink_to(PROJECT_DIR / "local", target_is_directory=True)
        (tmp_path / "function_app.py").write_text(APP)
        return tmp_path

    return make


@pytest.fixture(name="tiny")
async def _tiny(make_tiny: Callable[[], Path], storage: Azurite) -> AsyncIterator[Tiny]:
    folder, reports = make_tiny(), list[str]()
    (folder / "local.settings.json").write_text('{"Values": {"GREETING": "hello", "PATH": "not this one"}}')
    async with local_stack.connected(storage, project_dir=folder, report=reports.append) as running:
        yield Tiny(running, folder, reports)


class TestWorker:
    """The app in Microsoft's worker runtime, in a process of its own."""

    async def test_an_event_reaches_the_function(self, tiny: Tiny) -> None:
        """The function receives the host's JSON text of the event, and may print what it likes."""
        assert 202 == await tiny.post("echo", '[{"n": 1.10, "text": "\\u00e9"}]')
        assert '{"n":1.1,"text":"é"}' == tiny.received()

    async def test_a_large_event_reaches_the_function(self, tiny: Tiny) -> None:
        """Events of many megabytes fit between host and worker."""
        event = json.dumps({"text": "x" * 5_000_000}, separators=(",", ":"))

        assert 202 == await tiny.post("echo", event)
        assert event == tiny.received()

    @pytest.mark.parametrize("function", ["fail", "leave"])
    async def test_a_failure_is_the_host_s_answer(self, tiny: Tiny, function: str) -> None:
        """A function that raises is a 500, and the worker goes on."""
        assert [500, 202] == [await tiny.post(function), await tiny.post("echo")]

    async def test_settings_reach_the_app(self, tiny: Tiny) -> None:
        """The app's environment holds the values of local.settings.json."""
        assert 202 == await tiny.post("setting")
        assert "hello" == tiny.received()

    async def test_a_worker_that_died_is_replaced(self, tiny: Tiny) -> None:
        """After the worker's death, which is reported, the next event starts another."""
        worker = await tiny.stack.workers.current()
        os.kill(worker.pid, signal.SIGKILL)
        await tiny.reported(f"the worker (process {worker.pid}) ended")

        assert 202 == await tiny.post("echo")

    async def test_a_death_during_an_invocation_fails_it(self, tiny: Tiny) -> None:
        """An event whose worker dies is a 500, so that Event Grid sends it again."""
        delivery = asyncio.create_task(tiny.post("slow"))
        await until((tiny.folder / "started.txt").exists)
        os.kill((await tiny.stack.workers.current()).pid, signal.SIGKILL)

        assert 500 == await delivery

    async def test_edited_code_takes_the_next_event(self, tiny: Tiny) -> None:
        """An event that follows an edit is handled by the new code, without a wait."""
        assert 404 == await tiny.post("renamed")
        tiny.edit(APP.replace('"echo"', '"renamed"'))

        assert [202, 404] == [await tiny.post("renamed"), await tiny.post("echo")]
        await tiny.reported("the code changed: reloaded")

    async def test_an_invocation_outlives_an_edit(self, tiny: Tiny) -> None:
        """An event that the old code has begun with is ended by it."""
        delivery = asyncio.create_task(tiny.post("slow"))
        await until((tiny.folder / "started.txt").exists)
        tiny.edit(APP.replace('"slow"', '"other"'))

        assert 404 == await tiny.post("slow")
        assert 202 == await delivery

    @pytest.mark.parametrize(
        ("mistake", "reason"),
        [
            ("import no_such_module", "No module named 'no_such_module'"),
            ("def broken(:", "SyntaxError"),
            ("raise SystemExit(3)", "SystemExit: 3"),
        ],
    )
    async def test_code_that_does_not_load_is_reported(self, tiny: Tiny, mistake: str, reason: str) -> None:
        """A mistake is shown before the next event, which is a 404; putting it right is enough."""
        await tiny.stack.workers.current()
        tiny.edit(f"{mistake}\n{APP}")
        report = await tiny.reported("does not load")

        assert 404 == await tiny.post("echo")
        assert reason in report
        assert "function_app.py" in report
        assert "azure_functions_runtime" not in report

        tiny.edit(APP)
        assert 202 == await tiny.post("echo")


async def test_missing_azurite_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Azurite is not installed, the error says how to install it."""
    monkeypatch.setattr(azurite, "NODE_MODULES", tmp_path)

    with pytest.raises(LocalError, match="make setup"):
        async with local_stack.running(port=0, storage_port=0, event_grid_port=0):
            pass


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": 1}', '{"IsEncrypted": true, "Values": {}}'])
async def test_wrong_settings_are_an_error(make_tiny: Callable[[], Path], text: str) -> None:
    """A local.settings.json that cannot be used is an error that names it."""
    folder = make_tiny()
    (folder / "local.settings.json").write_text(text)

    with pytest.raises(LocalError, match=r"local\.settings\.json"):
        async with local_stack.running(port=0, storage_port=0, event_grid_port=0, project_dir=folder):
            pass
