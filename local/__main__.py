"""The command line: `python -m local`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from local import ports, sending, stack
from local.errors import LocalError
from local.stack import Stack
from local.terminal import coloured
from ops.terminal import printable
from shared.settings import SettingsError

_say = partial(print, flush=True)


def main(command: Sequence[str] | None = None) -> int:
    """Run a command, that of the process by default, and return the exit code."""
    parser = _parser()
    arguments = parser.parse_args(command)
    if arguments.run is None:
        parser.print_help()
        return 0
    # No client, the app's included, asks a proxy for what runs here.
    elsewhere = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = f"{elsewhere},{ports.HOST}"
    try:
        return int(asyncio.run(arguments.run(arguments)))
    except (LocalError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the app on this machine: no Azure, no Core Tools."
    )
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    summary = "Run storage (Azurite), the app, Event Grid and the page until Ctrl-C. Reload edited code."
    command = commands.add_parser("up", help=summary, description=summary)
    command.set_defaults(run=_up)
    command.add_argument("--no-samples", action="store_true", help="do not send the samples")
    command.add_argument("--func", action="store_true", help="leave the app to `func start` on --port")
    _add_port(command, "--port", 7071, "the endpoint")
    _add_port(command, "--storage-port", 10000, "blob storage; queues and tables are on the next two")
    _add_port(command, "--event-grid-port", 7072, "Event Grid and the page")
    scale_help = "divide Event Grid's waits, 10 s before the first retry, by this (default: %(default)s)"
    command.add_argument("--time-scale", type=_time_scale, default=1, metavar="N", help=scale_help)
    data_help = "where storage keeps its data (default: a temporary folder)"
    command.add_argument("--data-dir", type=Path, metavar="DIR", help=data_help)

    summary = "Send samples or files of events, and print what becomes of each. Exit 0 if all are written."
    command = commands.add_parser("send", help=summary, description=summary)
    command.set_defaults(run=_send)
    names_help = f"a file of events, or one of the samples {', '.join(sending.SAMPLES)}"
    command.add_argument("names", nargs="+", metavar="NAME|FILE", help=names_help)
    command.add_argument("--direct", action="store_true", help="send to the functions, not to Event Grid")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--cloudevents", action="store_true", help="send in the schema of CloudEvents 1.0")
    form.add_argument("--function", metavar="NAME", help="send to this function, files exactly as they are")
    command.add_argument("--no-wait", action="store_true", help="do not wait for what becomes of the events")
    command.add_argument("--json", action="store_true", help="print each delivery as JSON, one a line")
    _add_port(command, "--event-grid-port", 7072, "Event Grid and the page")
    return parser


def _add_port(command: argparse.ArgumentParser, option: str, default: int, use: str) -> None:
    help_ = f"of {use} (default: %(default)s)"
    command.add_argument(option, type=_port, default=default, metavar="PORT", help=help_)


def _port(text: str) -> int:
    with suppress(ValueError):
        if 1 <= int(text) <= 65_533:  # storage takes two more
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65533")


def _time_scale(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


async def _up(arguments: argparse.Namespace) -> int:
    _cancel_on_signals()
    with suppress(asyncio.CancelledError):
        async with stack.running(
            port=arguments.port,
            storage_port=arguments.storage_port,
            event_grid_port=arguments.event_grid_port,
            time_scale=arguments.time_scale,
            data_dir=arguments.data_dir,
            report=_say,
            func=arguments.func,
        ) as running:
            session = asyncio.create_task(_session(running, arguments))
            try:
                code = await running.azurite.process.wait()
                raise LocalError(f"Azurite ended by itself, with exit code {code}")
            finally:
                session.cancel()
                await asyncio.wait([session])
    return 0


def _cancel_on_signals() -> None:
    """Turn the signals that ask for an end into the cancellation of this task, once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - there is one, it runs this
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, NotImplementedError):  # Windows, where Ctrl-C cancels anyway
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has a hang-up ignored
                loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())


async def _session(running: Stack, arguments: argparse.Namespace) -> None:
    """Say where the page is, which tells why an app does not load, and send the samples when it does."""
    _say(f"page on {running.page}, publish to {running.event_grid_endpoint} with any key")
    if arguments.func:
        _say(f"deliver to {running.endpoint}: run `func start` in another terminal")
    else:
        _say("loading the app")
        await running.workers.loaded()
    _say(f"ready {running.page} shows each event and what becomes of it")
    if not (arguments.func or arguments.no_samples):
        running.event_grid.publish([json.loads(sending.text_of(name)) for name in sending.SAMPLES])


async def _send(arguments: argparse.Namespace) -> int:
    query = {} if arguments.no_wait else {"wait": ""}
    query |= {"direct": ""} if arguments.direct else {}
    query |= {"function": arguments.function} if arguments.function else {}
    query |= {"schema": "CloudEventSchemaV1_0"} if arguments.cloudevents else {}
    code = 0
    for name, text in [(name, sending.text_of(name)) for name in arguments.names]:
        deliveries = await sending.send(arguments.event_grid_port, name, text, query)
        for delivery in [] if arguments.no_wait else deliveries:
            _say(json.dumps(delivery) if arguments.json else _described(name, delivery))
            if delivery["fate"] != "written":
                code = 1
    return code


def _described(name: str, delivery: dict[str, Any]) -> str:
    """Return what became of an event: its outcomes, or the reason why there are none."""
    lines = [f"{coloured(delivery['fate'])} {printable(f'{name} {delivery["reason"]}')}".rstrip()]
    if delivery["fate"] == "retrying":
        lines.append("Event Grid tries again: see the terminal of `up`, or the page")
    for written in delivery["written"]:
        document = json.dumps(json.loads(written["document"]), indent=2, ensure_ascii=False)
        lines += [f"in {written['place']}:", *map(printable, document.split("\n"))]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
