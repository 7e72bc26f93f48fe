"""The command line: `python -m local`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from local import azurite, ports, queues, sending, stack
from local.environment import app_environment
from local.errors import LocalError
from local.stack import DEFAULT_EVENT_GRID_PORT, DEFAULT_PORT, DEFAULT_STORAGE_PORT, PROJECT_DIR, Stack
from local.terminal import coloured
from ops.terminal import printable
from shared.settings import Settings, SettingsError, is_name


def main(command: Sequence[str] | None = None) -> int:
    """Run a command, that of the process by default, and return the exit code."""
    arguments = _parser().parse_args(command)
    _reach_this_machine_directly()
    run: Callable[[argparse.Namespace], int | None] = arguments.run
    try:
        return run(arguments) or 0
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
    """Run the app until Ctrl-C."""
    return asyncio.run(_up(arguments))


def send(arguments: argparse.Namespace) -> int:
    """Send events to the running app, and show what becomes of them."""
    return asyncio.run(_send(arguments))


def outcomes(arguments: argparse.Namespace) -> int:
    """Show what the app wrote."""
    names = arguments.queues or _queue_names(arguments.storage_port)
    queues.show(arguments.storage_port, names, as_json=arguments.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the app on this machine: no Azure, no Core Tools."
    )
    parser.set_defaults(run=lambda _: print(parser.format_help(), end=""))
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(run: Callable[[argparse.Namespace], int], description: str) -> argparse.ArgumentParser:
        summary = str(run.__doc__).rstrip(".")
        command = commands.add_parser(run.__name__, help=summary, description=description)
        command.set_defaults(run=run)
        return command

    command = add(
        up,
        "Run storage (Azurite), the app's endpoint, Event Grid and the page until Ctrl-C, first sending the "
        "samples. The app is reloaded when its code or local.settings.json changes.",
    )
    command.add_argument("--no-samples", action="store_true", help="do not send the samples")
    command.add_argument(
        "--func", action="store_true", help="deliver to `func start` on --port instead of running the app"
    )
    _add_port(command, "--port", DEFAULT_PORT, "the endpoint")
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

    command = add(
        send,
        "Publish samples, or the events in files, to the local Event Grid, and print what becomes of each. "
        "The exit code is 0 if all are written.",
    )
    command.add_argument(
        "names",
        nargs="+",
        metavar="NAME|FILE",
        help=f"a sample or a file of events; the samples are {', '.join(sending.sample_names())}",
    )
    command.add_argument("--direct", action="store_true", help="send to the functions themselves")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--cloudevents", action="store_true", help="send in the schema of CloudEvents 1.0")
    form.add_argument("--function", metavar="NAME", help="send to this function, files exactly as they are")
    command.add_argument("--no-wait", action="store_true", help="do not wait for what becomes of the events")
    command.add_argument("--json", action="store_true", help="print each delivery as JSON, one a line")
    _add_event_grid_port(command)

    command = add(
        outcomes, f"Show the oldest {queues.PEEK_LIMIT} messages of each queue, and leave them there."
    )
    command.add_argument(
        "queues", type=_queue, nargs="*", metavar="QUEUE", help="a queue's name (default: all of the app's)"
    )
    command.add_argument("--json", action="store_true", help="print whole documents, one a line")
    _add_storage_port(command)
    return parser


def _add_port(
    command: argparse.ArgumentParser, option: str, default: int, use: str, last: int = 65_535
) -> None:
    def port(text: str) -> int:
        with suppress(ValueError):
            if 1 <= int(text) <= last:
                return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to {last}")

    help_ = f"of {use} (default: %(default)s)"
    command.add_argument(option, type=port, default=default, metavar="PORT", help=help_)


def _add_storage_port(command: argparse.ArgumentParser) -> None:
    use = "blob storage; queues and tables are on the next two"
    _add_port(command, "--storage-port", DEFAULT_STORAGE_PORT, use, last=65_533)


def _add_event_grid_port(command: argparse.ArgumentParser) -> None:
    _add_port(command, "--event-grid-port", DEFAULT_EVENT_GRID_PORT, "Event Grid and the page")


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
    with suppress(asyncio.CancelledError):
        _cancel_on_signals()
        async with stack.running(
            port=arguments.port,
            storage_port=arguments.storage_port,
            event_grid_port=arguments.event_grid_port,
            time_scale=arguments.time_scale,
            data_dir=arguments.data_dir,
            report=_say,
            func=arguments.func,
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
    try:
        await running.azurite.wait()
        raise LocalError(f"Azurite ended by itself, with exit code {running.azurite.returncode}")
    finally:
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)


async def _session(running: Stack, *, with_samples: bool) -> None:
    """Say where the page is, which tells why an app does not load, and send the samples when it does."""
    _say(f"page on {running.page}, publish to {running.event_grid_endpoint} with any key")
    if not running.runs_app:
        _say(f"deliver to {running.endpoint}: run `func start` in another terminal")
    else:
        _say("loading the app")
        await running.workers.loaded()
    _say(f"ready {running.page} shows each event and what becomes of it")
    if with_samples and running.runs_app:
        running.event_grid.publish([json.loads(sending.samples()[name]) for name in sending.sample_names()])


async def _send(arguments: argparse.Namespace) -> int:
    schema = "CloudEventSchemaV1_0" if arguments.cloudevents else None
    found = [
        (name, text)
        for name in arguments.names
        for text in sending.texts(name, whole=arguments.function is not None)
    ]
    failures = 0
    async with sending.Client(arguments.event_grid_port) as client:
        for name, text in found:
            numbers = await client.send(
                event=text, direct=arguments.direct, function=arguments.function, schema=schema
            )
            for number in [] if arguments.no_wait else numbers:
                told = await client.told(number)
                failures += told["fate"] != "written"
                _say(json.dumps(told) if arguments.json else _described(name, told))
    return 1 if failures else 0


def _described(name: str, told: dict[str, Any]) -> str:
    """Return what became of an event: its outcomes, or the reason why there are none."""
    lines = [f"{coloured(told['fate'])} {printable(f'{name} {told["reason"]}')}".rstrip()]
    if told["fate"] == "retrying":
        lines.append("Event Grid tries again: see the terminal of `up`, or the page")
    for written in told["written"]:
        document = json.dumps(json.loads(written["document"]), indent=2, ensure_ascii=False)
        lines += [f"in {written['place']}:", *map(printable, document.split("\n"))]
    return "\n".join(lines)


def _queue_names(storage_port: int) -> list[str]:
    """Return the names of the app's queues, as its settings say."""
    settings = Settings.from_environ(app_environment(PROJECT_DIR, azurite.connection_string(storage_port)))
    return [*settings.queues.values(), settings.dead_letter_queue]


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
