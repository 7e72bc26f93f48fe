"""The local stack: its commands, and the real worker and storage behind them."""

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local import __main__ as command_line
from local import azurite, host, ports, sending
from local import stack as local_stack
from local.azurite import Azurite
from local.errors import LocalError
from local.journal import Journal
from local.project import app_environment, snapshot
from local.reloading import ReloadingWorker
from local.stack import PROJECT_DIR, Stack
from local.terminal import coloured
from shared.settings import Settings
from tests.events import golden, sample
from tests.queues import Queues
from tests.waiting import until

APP = """
import asyncio, os
import azure.functions as func

app = func.FunctionApp()

@app.event_grid_trigger(arg_name="event")
async def echo(event: str) -> None:
    print("printed by the app", flush=True)
    with open("received.txt", "w") as file:
        file.write(event)

@app.event_grid_trigger(arg_name="event")
async def fail(event: str) -> None:
    raise RuntimeError("on purpose")

@app.event_grid_trigger(arg_name="event")
async def leave(event: str) -> None:
    raise SystemExit(3)

@app.event_grid_trigger(arg_name="event")
async def slow(event: str) -> None:
    open("started.txt", "w").close()
    await asyncio.sleep(2)

@app.event_grid_trigger(arg_name="event")
async def setting(event: str) -> None:
    with open("received.txt", "w") as file:
        file.write(os.environ["GREETING"])
"""


DEAD_PROXY = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:1")
DEAD_PROXY |= dict.fromkeys(("no_proxy", "NO_PROXY"), "")
"""The environment of a machine with a proxy, which knows nothing of what runs on the machine."""

OTHER = {"eventType": "Other", "id": "1", "subject": "", "eventTime": "2026-03-02T09:00:00Z"}
"""An event that no subscription includes."""

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command of `python -m local` to its end, in this process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in DEAD_PROXY.items():
                environment.setenv(name, value)
            try:
                code = command_line.main(arguments)
            except SystemExit as end:  # usage, and errors in it
                code = int(end.code or 0)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return run


type Fail = Callable[..., str]


@pytest.fixture(name="fail")
def _fail(run: Run) -> Fail:
    """Return what runs a command that prints one line, an error that a person can read; that line."""

    def fail(*arguments: str) -> str:
        result = run(*arguments)
        assert (1, "", 1) == (result.returncode, result.stdout, result.stderr.count("\n"))
        assert result.stderr.startswith("error: ")
        return result.stderr.rstrip()

    return fail


def port_options(first: int) -> list[str]:
    """Return the options that give a stack these five ports."""
    return shlex.split(f"--storage-port {first} --port {first + 3} --event-grid-port {first + 4}")


class TestCommandLine:
    """What the commands answer without a stack."""

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("", "up send"),
            ("up", "--no-samples --func --port --storage-port --event-grid-port --time-scale --data-dir"),
            ("send", "--cloudevents --direct --function --no-wait --json --event-grid-port sms-received"),
        ],
    )
    def test_help_names_everything(self, command: str, expected: str, run: Run) -> None:
        """--help works everywhere, and names each command, option and sample."""
        result = run(*command.split(), "--help")

        assert (0, "") == (result.returncode, result.stderr)
        assert [] == [text for text in expected.split() if text not in result.stdout]

    def test_no_command_says_what_there_is(self, run: Run) -> None:
        """Without a command, the help is printed."""
        assert run("--help").stdout == run().stdout

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            *(
                (f"up --time-scale {scale}", f"--time-scale: '{scale}' is not a number above 0")
                for scale in ("0", "-1", "inf", "nan", "fast")
            ),
            *(
                (f"up {option} {port}", f"{option}: '{port}' is not a port from 1 to 65533")
                for option in ("--port", "--storage-port", "--event-grid-port")
                for port in ("0", "65534", "-1", "http")
            ),
            ("send sms-received --function sms --cloudevents", "--cloudevents: not allowed with"),
        ],
    )
    def test_wrong_arguments_are_told_in_words(self, arguments: str, error: str, run: Run) -> None:
        """What an argument should be, as a usage error, before anything else."""
        result = run(*arguments.split())

        assert 2 == result.returncode
        assert error in result.stderr

    def test_an_unknown_sample_lists_the_samples(self, fail: Fail) -> None:
        """A name that is neither sample nor file is an error that lists the samples."""
        assert "sms-received" in fail("send", "nonsense")

    def test_a_folder_cannot_be_sent(self, fail: Fail, tmp_path: Path) -> None:
        """The error says what is wrong with a name that is no file."""
        assert f"error: cannot read {tmp_path}: Is a directory" == fail("send", str(tmp_path))

    def test_sending_to_nobody_is_an_error(self, fail: Fail) -> None:
        """Where no stack answers, the error says how to start one."""
        port = ports.free_block(1)
        error = fail("send", "sms-received", "--event-grid-port", str(port))

        assert f"no local stack on port {port}: start it with `python -m local up`" in error

    async def test_sending_to_another_port_than_event_grids_is_an_error(self, fail: Fail) -> None:
        """An answer that is no Event Grid's, as from the endpoint's port, is not taken for its own."""

        async def no_app() -> None:
            pass

        async with host.serving(no_app, 0, Journal(list[str]().append)) as port:
            error = await asyncio.to_thread(fail, "send", "sms-received", "--event-grid-port", str(port))

        assert f"no local stack on port {port}" in error

    @pytest.mark.parametrize(
        ("offset", "option"),
        [(0, "--storage-port"), (1, "--storage-port"), (3, "--port"), (4, "--event-grid-port")],
    )
    def test_a_taken_port_is_an_error(self, offset: int, option: str, fail: Fail) -> None:
        """A port that something else holds is named before anything starts, with the option to change it."""
        first = ports.free_block(5)
        with socket.create_server(("127.0.0.1", first + offset)):
            error = fail("up", *port_options(first))

        assert f"port {first + offset} " in error
        assert error.endswith(option)

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


@dataclass
class Up:
    """A running `up`, and what it has printed."""

    process: subprocess.Popen[str]
    first_port: int
    output: str = ""
    children: frozenset[int] = frozenset()
    """Its storage, which is started first, and its worker."""

    def read_until(self, wanted: str) -> None:
        """Read what it prints up to a line that holds this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if wanted in line:
                return
        raise AssertionError(f"{wanted!r} not in {self.output}")

    def end(self) -> int:
        """Return its exit code, when nothing that it has started is left."""
        code = self.process.wait(15)
        assert 2 == len(self.children)
        assert_gone(self.children)
        return code


@contextmanager
def up(*arguments: str) -> Iterator[Up]:
    """Run `up` as a process until the context ends."""
    first = ports.free_block(5)
    with subprocess.Popen(
        [sys.executable, "-m", "local", "up", *port_options(first), *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | DEAD_PROXY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = threading.Timer(120, process.kill)
        deadline.start()
        try:
            running = Up(process, first)
            running.read_until("ready ")
            running.children = frozenset(pid for pid, parent in processes() if parent == process.pid)
            yield running
        finally:
            deadline.cancel()
            process.terminate()


def processes() -> set[tuple[int, int]]:
    """Return the ids of every process that is no zombie, and of its parent."""
    command = ("ps", "-A", "-o", "pid=,ppid=,stat=")
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = map(str.split, listing.stdout.splitlines())
    return {(int(pid), int(parent)) for pid, parent, state in rows if not state.startswith("Z")}


def assert_gone(pids: Collection[int]) -> None:
    """Assert that processes end soon."""
    deadline = time.monotonic() + 10
    while left := [pid for pid, _ in processes() if pid in pids]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


class TestUp:
    """The stack as the process that a developer starts."""

    def test_samples_become_outcomes(self) -> None:
        """The samples are delivered, and no proxy is asked; Ctrl-C ends storage and worker."""
        with up() as running:
            for _ in sending.SAMPLES:
                running.read_until(" written ")
            connection = azurite.connection_string(running.first_port)
            queues = Queues(connection, Settings.from_environ({"OutcomesStorage": connection}))
            assert {golden(name)["id"] for name in sending.SAMPLES} == {
                outcome["id"] for outcome in queues.everything()
            }
            running.process.send_signal(signal.SIGINT)
            assert 0 == running.end()
        assert f"http://127.0.0.1:{running.first_port + 4}/" in running.output

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
    def test_a_signal_ends_everything(self, name: str) -> None:
        """Other signals that ask for an end do the same."""
        with up("--no-samples") as running:
            running.process.send_signal(getattr(signal, name))
            assert 0 == running.end()

    def test_nothing_outlives_a_killed_stack(self, tmp_path: Path) -> None:
        """Storage, whose data is where it was told, and worker end by themselves where `up` could not."""
        with up("--no-samples", "--data-dir", str(tmp_path / "data")) as running:
            running.process.kill()
            assert -signal.SIGKILL == running.end()
        assert any((tmp_path / "data").iterdir())

    def test_storage_that_ends_is_an_error(self) -> None:
        """Without storage the stack is of no use: it says so and ends."""
        with up("--no-samples") as running:
            os.kill(min(running.children), signal.SIGKILL)
            running.read_until("error: Azurite ended by itself")
            assert 1 == running.end()

    @pytest.mark.parametrize("is_stopped", [False, True])
    async def test_a_blocked_function_does_not_outlive_the_stack(
        self, is_stopped: bool, tiny: "Tiny"
    ) -> None:
        """A function that blocks its worker is given up when the stack ends, and so is a stopped worker."""
        tiny.edit(APP.replace("await asyncio.sleep(2)", "import time; time.sleep(60)"))
        worker = await tiny.stack.workers.loaded()
        blocked = worker.invoke("slow", "{}")
        await until((tiny.folder / "started.txt").exists)
        if is_stopped:
            worker.process.send_signal(signal.SIGSTOP)
        await worker.stop()

        assert await blocked is not None
        assert_gone({worker.process.pid})


type Send = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture(name="send")
def _send(stack: Stack, run: Run, stack_queues: Queues) -> Send:  # noqa: ARG001 - they are emptied
    """Return what sends to the running stack."""
    port = ("--event-grid-port", str(stack.event_grid_port))
    return lambda *arguments: asyncio.to_thread(run, "send", *arguments, *port)


class TestSend:
    """What is sent to a running stack."""

    pytestmark = pytest.mark.asyncio(loop_scope="session")

    async def test_it_prints_the_outcome(self, send: Send, stack_queues: Queues) -> None:
        """Events are published in either schema, and their outcomes printed; no proxy is asked."""
        sent = await send("sms-received")
        as_json = await send("participant-added", "--cloudevents", "--json")

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
            ("", "", "event.json (0 characters): this is not JSON: Expecting value: line 1 column 1"),
            ("[" * 100_000, "", "is not JSON"),
            ("[]", "", "`array` of length >= 1"),
            ('{"eventType": "Microsoft.Communication.SMSReceived"}', "", "`id`"),
            (json.dumps(OTHER), "", "no subscription"),
            (json.dumps(OTHER), "--direct", "no subscription"),
            ("\xff{", "--function sms", "not JSON"),
            ("[{}]", "--function sms", "invalid_envelope"),
            ("[{}]", "--function none", "the functions are sms"),
            (json.dumps("x" * 1_048_576), "", "size 1048576 exceeded"),
        ],
    )
    async def test_it_prints_the_reason(
        self, text: str, options: str, reason: str, send: Send, tmp_path: Path
    ) -> None:
        """What is refused, routed nowhere, or dead-lettered is said, and the exit code is 1."""
        file = tmp_path / "event.json"
        file.write_text(text, "latin-1")
        result = await send(str(file), *options.split())

        assert 1 == result.returncode
        assert reason in result.stdout + result.stderr

    async def test_each_event_of_a_file_is_sent(self, send: Send, tmp_path: Path) -> None:
        """A file may hold an array; with --json, nothing but a line for each delivery is printed."""
        file = tmp_path / "events.json"
        file.write_text(json.dumps([OTHER, OTHER | {"id": "2"}]))
        result = await send(str(file), "--json")

        assert ["1", "2"] == [json.loads(line)["id"] for line in result.stdout.splitlines()]
        assert (1, "") == (result.returncode, result.stderr)

    async def test_it_need_not_wait(self, stack: Stack, send: Send) -> None:
        """With --no-wait it prints nothing, and the event is delivered all the same."""
        result = await send("sms-received", "--no-wait")
        await until(lambda: stack.event_grid.undelivered == 0)

        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


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


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Make a project with a small app and this local stack."""
    (tmp_path / "local").symlink_to(PROJECT_DIR / "local", target_is_directory=True)
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


@pytest.fixture(name="tiny")
async def _tiny(folder: Path, storage: Azurite) -> AsyncIterator[Tiny]:
    reports = list[str]()
    (folder / "local.settings.json").write_text('{"Values": {"GREETING": "hello", "PATH": "not this one"}}')
    async with local_stack.running(storage, project_dir=folder, report=reports.append) as running:
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
        worker = await tiny.stack.workers.loaded()
        worker.process.kill()
        await tiny.reported(f"the worker (process {worker.process.pid}) ended")

        assert 202 == await tiny.post("echo")

    async def test_a_death_during_an_invocation_fails_it(self, tiny: Tiny) -> None:
        """An event whose worker dies is a 500, so that Event Grid sends it again."""
        delivery = asyncio.create_task(tiny.post("slow"))
        await until((tiny.folder / "started.txt").exists)
        (await tiny.stack.workers.loaded()).process.kill()

        assert 500 == await delivery

    async def test_edited_code_takes_the_next_event(self, tiny: Tiny) -> None:
        """An event that follows an edit is handled by the new code, without a wait."""
        assert 404 == await tiny.post("renamed")
        tiny.edit(APP.replace("def echo", "def renamed"))

        assert [202, 404] == [await tiny.post("renamed"), await tiny.post("echo")]
        await tiny.reported("the code changed: reloaded")

    async def test_an_invocation_outlives_an_edit(self, tiny: Tiny) -> None:
        """An event that the old code has begun with is ended by it."""
        delivery = asyncio.create_task(tiny.post("slow"))
        await until((tiny.folder / "started.txt").exists)
        tiny.edit(APP.replace("def slow", "def other"))

        assert 404 == await tiny.post("slow")
        assert 202 == await delivery

    async def test_no_event_is_lost_to_an_edit(self, tiny: Tiny) -> None:
        """Events that come while the code is replaced, again and again, are all handled."""
        deliveries = []
        for number in range(200):
            if number % 50 == 0:
                tiny.edit(f"{APP}# {number}")
            deliveries.append(asyncio.create_task(tiny.post("echo")))
            await asyncio.sleep(0.01)

        assert [202] * 200 == await asyncio.gather(*deliveries)
        await tiny.reported("the code changed: reloaded")

    @pytest.mark.parametrize(
        ("mistake", "reason"),
        [
            ("import no_such_module", "No module named 'no_such_module'"),
            ("def broken(:", "SyntaxError"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("def endless():\n    endless()\nendless()", "RecursionError"),
        ],
    )
    async def test_code_that_does_not_load_is_reported(self, tiny: Tiny, mistake: str, reason: str) -> None:
        """A mistake is shown before the next event, which is a 404; putting it right is enough."""
        await tiny.stack.workers.loaded()
        tiny.edit(f"{mistake}\n{APP}")
        report = await tiny.reported("does not load")

        assert 404 == await tiny.post("echo")
        assert reason in report
        assert "function_app.py" in report
        assert "azure_functions_runtime" not in report

        tiny.edit(APP)
        assert 202 == await tiny.post("echo")
        assert 1 == sum(reason in each for each in tiny.reports)


def test_an_edit_of_the_app_or_its_settings_is_noticed(tmp_path: Path) -> None:
    """Every source file counts, and the settings, but not what is not deployed."""
    before = snapshot(tmp_path)
    for path in ("function_app.py", "functions/sms.py", "shared/payloads/sms.py", "local.settings.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        assert before != (before := snapshot(tmp_path))
    (tmp_path / "functions" / "sms.pyc").touch()
    assert before == snapshot(tmp_path)


async def test_another_host_may_run_the_app(storage: Azurite) -> None:
    """With --func, events go to the host on --port, and its app finds storage on --storage-port."""
    first, reports = ports.free_block(4), list[str]()
    environment = app_environment(PROJECT_DIR, azurite.connection_string(first))
    workers = ReloadingWorker(PROJECT_DIR, lambda: environment, reports.append)
    options: dict[str, Any] = {"port": first + 3, "storage_port": first, "func": True}
    async with (
        local_stack.running(storage, report=reports.append, **options) as running,
        workers.watching(),
        host.serving(workers.current, first + 3, Journal(reports.append)),
    ):
        await workers.loaded()
        (delivery,) = running.event_grid.publish([sample("sms-received")])
        await until(lambda: delivery.fate != "delivering")

    assert ("written", ["acs-sms"]) == (delivery.fate, [written.place for written in delivery.written])


@pytest.mark.parametrize(("is_terminal", "no_color", "is_coloured"), [(1, "", 1), (1, "1", 0), (0, "", 0)])
def test_colour_is_for_terminals(
    is_terminal: int, no_color: str, is_coloured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none in a file or a pipe, nor where NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert is_coloured == coloured("written").count("\x1b[32m")


async def test_missing_azurite_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Azurite is not installed, the error says how to install it."""
    monkeypatch.setattr(azurite, "NODE_MODULES", tmp_path)

    with pytest.raises(LocalError, match="make setup"):
        async with local_stack.running():
            pass


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": 1}', '{"IsEncrypted": true, "Values": {}}'])
async def test_wrong_settings_are_an_error(folder: Path, text: str) -> None:
    """A local.settings.json that cannot be used is an error that names it."""
    (folder / "local.settings.json").write_text(text)

    with pytest.raises(LocalError, match=r"local\.settings\.json"):
        async with local_stack.running(project_dir=folder):
            pass
