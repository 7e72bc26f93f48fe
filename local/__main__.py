"""The command line: `python -m local`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from local import azurite, ports, queues, sending, stack
from local.environment import app_environment
from local.errors import LocalError
from local.queues import Message, Peek
from local.stack import DEFAULT_EVENT_GRID_PORT, DEFAULT_PORT, DEFAULT_STORAGE_PORT, PROJECT_DIR, Stack
from ops.terminal import printable
from shared.settings import Settings, SettingsError, is_name


def main(command: Sequence[str] | None = None) -> int:
    """Run a command, that of the process by default, and return the exit code."""
    arguments = _parser().parse_args(command)
    _reach_this_machine_directly()
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except (LocalError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _reach_this_machine_directly() -> None:
    """Have no client, the app's included, ask a proxy for what runs here."""
    elsewhere = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = f"{elsewhere},{ports.HOST}"


def up(arguments: argparse.Namespace) -> int:
    return asyncio.run(_up(arguments))


def send(arguments: argparse.Namespace) -> int:
    return asyncio.run(_send(arguments))


def outcomes(arguments: argparse.Namespace) -> int:
    names = arguments.queues or _queue_names(arguments.storage_port)
    peeks = queues.peek(arguments.storage_port, names)
    messages = [message for peek in peeks for message in peek.messages]
    if arguments.json:
        for message in messages:
            _say(message.document)
    else:
        _print_rows(messages)
    _print_more(peeks)
    if empty := [peek.queue for peek in peeks if not peek.messages and not peek.more]:
        print(f"nothing in {', '.join(empty)}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the app on this machine: no Azure, no Core Tools."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    _add_send(commands)
    _add_outcomes(commands)
    return parser


type _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add_command(
    commands: _Commands, run: Callable[[argparse.Namespace], int], summary: str, description: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(run.__name__, help=summary, description=description)
    command.set_defaults(run=run)
    return command


def _add_up(commands: _Commands) -> None:
    command = _add_command(
        commands,
        up,
        "run the app until Ctrl-C",
        "Run storage (Azurite), the app's endpoint and Event Grid until Ctrl-C, first sending the samples. "
        "The app is reloaded when its code or local.settings.json changes.",
    )
    command.add_argument("--no-samples", action="store_true", help="do not send the samples")
    _add_port(command)
    _add_storage_port(command)
    _add_event_grid_port(command)
    command.add_argument(
        "--time-scale",
        type=_time_scale,
        default=1,
        metavar="N",
        help="divide Event Grid's waits, 10 s before the first retry, by this (default: %(default)s)",
    )
    command.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where storage keeps its data (default: a temporary folder)",
    )


def _add_send(commands: _Commands) -> None:
    command = _add_command(
        commands,
        send,
        "send events to the running app",
        "Publish samples, or the events in files, to the local Event Grid, which delivers them.",
    )
    command.add_argument(
        "names",
        nargs="+",
        metavar="NAME|FILE",
        help=f"a sample or a file of events; the samples are {', '.join(sending.sample_names())}",
    )
    command.add_argument(
        "--direct", action="store_true", help="send to the functions themselves, and show their answers"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--cloudevents", action="store_true", help="send in the schema of CloudEvents 1.0")
    form.add_argument(
        "--function",
        metavar="NAME",
        help="send to this function itself, files exactly as they are, right or wrong",
    )
    _add_port(command)
    _add_event_grid_port(command)


def _add_outcomes(commands: _Commands) -> None:
    command = _add_command(
        commands,
        outcomes,
        "show what the app wrote",
        f"Show the oldest {queues.PEEK_LIMIT} messages of each queue, and leave them there.",
    )
    command.add_argument(
        "queues", type=_queue, nargs="*", metavar="QUEUE", help="a queue's name (default: all of the app's)"
    )
    command.add_argument("--json", action="store_true", help="print whole documents, one a line")
    _add_storage_port(command)


def _add_port(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="of the endpoint (default: %(default)s)"
    )


def _add_storage_port(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--storage-port",
        type=_storage_port,
        default=DEFAULT_STORAGE_PORT,
        metavar="PORT",
        help="of blob storage; queues and tables are on the next two (default: %(default)s)",
    )


def _add_event_grid_port(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--event-grid-port",
        type=_port,
        default=DEFAULT_EVENT_GRID_PORT,
        metavar="PORT",
        help="of Event Grid (default: %(default)s)",
    )


def _port(text: str, last: int = 65_535) -> int:
    with suppress(ValueError):
        if 1 <= int(text) <= last:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to {last}")


def _storage_port(text: str) -> int:
    return _port(text, last=65_533)


def _time_scale(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def _queue(text: str) -> str:
    if is_name(text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a queue's name: 3 to 63 lower-case letters, digits and single dashes"
    )


async def _up(arguments: argparse.Namespace) -> int:
    _queue_names(arguments.storage_port)  # wrong settings are an error before anything starts
    with suppress(asyncio.CancelledError):
        _cancel_on_signals()
        async with stack.running(
            port=arguments.port,
            storage_port=arguments.storage_port,
            event_grid_port=arguments.event_grid_port,
            time_scale=arguments.time_scale,
            data_dir=arguments.data_dir,
            report=_say,
        ) as running:
            await _stay_up(running, with_samples=not arguments.no_samples)
    return 0


def _cancel_on_signals() -> None:
    """Turn the signals that ask for an end into the cancellation of this task, once."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - there is one, it runs this
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError):  # Windows, where Ctrl-C cancels anyway
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has a hang-up ignored
                loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())


async def _stay_up(running: Stack, *, with_samples: bool) -> None:
    session = asyncio.create_task(_session(running, with_samples=with_samples))
    storage = asyncio.create_task(running.azurite.wait())
    try:
        await asyncio.wait((session, storage), return_when=asyncio.FIRST_COMPLETED)
        if session.done():
            session.result()
        raise LocalError(f"Azurite ended by itself, with exit code {running.azurite.returncode}")
    finally:
        session.cancel()
        storage.cancel()
        await asyncio.gather(session, storage, return_exceptions=True)


async def _session(running: Stack, *, with_samples: bool) -> None:
    """Say when the stack is ready, show what the samples become, and wait for ever."""
    await running.workers.loaded()
    queue_url = f"http://{ports.HOST}:{running.storage_port + 1}/devstoreaccount1"
    _say(f"ready {running.endpoint}?functionName=NAME (queues: {queue_url})")
    _say(f"publish to {running.event_grid_endpoint}, with any key")
    if with_samples:
        await _send_samples(running)
    await asyncio.Event().wait()


async def _send_samples(running: Stack) -> None:
    names = _queue_names(running.storage_port)
    try:
        failures = await _post_all(sending.all_samples(), running.port, quiet=True)
        peeks = await asyncio.to_thread(queues.peek, running.storage_port, names)
    except LocalError as error:  # a handler at a breakpoint answers late, which is no reason to end
        _say(f"not all samples were sent: {error}")
        return
    _print_rows(message for peek in peeks for message in peek.messages)
    _print_more(peeks)
    if failures:
        _say(f"{failures} samples failed")


async def _send(arguments: argparse.Namespace) -> int:
    if arguments.direct or arguments.function is not None:
        return await _send_directly(arguments)
    found = [
        (name, event)
        for name in arguments.names
        for event in sending.events(name, cloudevents=arguments.cloudevents)
    ]
    failures = 0
    async with sending.publisher(arguments.event_grid_port) as client:
        for name, event in found:
            status, text = await sending.publish(client, event, arguments.event_grid_port)
            failures += status >= 300
            _say(f"{status} {name} {text}".rstrip())
    return 1 if failures else 0


async def _send_directly(arguments: argparse.Namespace) -> int:
    found = [
        delivery
        for name in arguments.names
        for delivery in sending.deliveries(
            name, cloudevents=arguments.cloudevents, function=arguments.function
        )
    ]
    return 1 if await _post_all(found, arguments.port, quiet=False) else 0


async def _post_all(found: Sequence[sending.Delivery], port: int, *, quiet: bool) -> int:
    """Post one after the other, and return how many failed; when quiet, print those alone."""
    failures = 0
    async with sending.session() as session:
        for delivery in found:
            status, text = await sending.post(session, delivery, port)
            failures += status >= 300
            if status >= 300 or not quiet:
                _say(f"{status} {delivery.function} {delivery.label} {text}".rstrip())
    return failures


def _queue_names(storage_port: int) -> list[str]:
    """Return the names of the app's queues, as its settings say."""
    settings = Settings.from_environ(app_environment(PROJECT_DIR, azurite.connection_string(storage_port)))
    return [*settings.queues.values(), settings.dead_letter_queue]


def _print_rows(messages: Iterable[Message]) -> None:
    for queue, outcome_type, event_id in map(queues.row, messages):
        _say(printable(f"{queue:<17} {outcome_type:<35} {event_id}"))


def _print_more(peeks: Iterable[Peek]) -> None:
    for peek in peeks:
        if peek.more:
            print(f"{peek.queue}: {peek.more} more not shown", file=sys.stderr)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
