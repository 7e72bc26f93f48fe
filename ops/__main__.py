"""The command line: `python -m ops`."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from azure.core.exceptions import AzureError

from ops import check, dead_letters
from ops.storage import OpsError, Storage, fault
from shared.settings import QUEUE_SETTINGS, Settings, SettingsError

KEY_VARIABLE = "EVENTGRID_KEY"

_HIDDEN = "Messages that were read are hidden from other readers until the command ends, or for two minutes."

type Run = Callable[[Storage, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what is logged is raised as well
    elsewhere = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = f"{elsewhere},127.0.0.1,localhost"
    try:
        with ExitStack() as stack:
            code = run(Storage(Settings.from_environ(os.environ), stack), options)
        sys.stdout.flush()
    except (OpsError, SettingsError) as error:
        return _fail(f"error: {error}")
    except AzureError as error:
        return _fail(f"error: {fault(error)}")
    except KeyboardInterrupt:
        return _fail("stopped: the rest is left", code=130)
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _fail(text: str, *, code: int = 1) -> int:
    print(text, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description="Look after the app, in Azure or on this machine. Begin with `check`. The app's settings "
        "are read from the environment: for the local stack, OutcomesStorage=UseDevelopmentStorage=true.",
    )
    options = _options()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(parent: Any, name: str, run: Run, *names: str) -> None:
        description = run.__doc__ or ""
        command = parent.add_parser(
            name,
            help=description.partition(".")[0],
            description=description,
            epilog=_HIDDEN if parent is not commands else None,
            allow_abbrev=False,
        )
        command.set_defaults(run=run, reason=None, function=None)
        for option in names:
            command.add_argument(option, **options[option])

    chosen = ("--reason", "--function", "--blobs", "--json")
    add(commands, "check", check.run, "--to", "--key", "--blobs", "--json")
    group = commands.add_parser("dead-letters", help="List, show, replay or purge dead letters")
    actions = group.add_subparsers(required=True, metavar="COMMAND")
    add(actions, "list", dead_letters.list_, *chosen, "--show-data")
    add(actions, "show", dead_letters.show, "id", "--event", "--blobs")
    add(actions, "replay", dead_letters.replay, "--yes", *chosen, "--to", "--key")
    add(actions, "purge", dead_letters.purge, "--yes", *chosen)
    return parser


def _options() -> dict[str, dict[str, Any]]:
    return {
        "id": {"metavar": "ID", "help": "an id as listed or its beginning, or the event's id"},
        "--event": {"action": "store_true", "help": "print the original event alone"},
        "--yes": {"action": "store_true", "help": "do it, instead of showing what would be done"},
        "--reason": {"help": "only dead letters of this reason, as listed"},
        "--function": {"choices": QUEUE_SETTINGS, "help": "only dead letters of this function"},
        "--json": {"action": "store_true", "help": "print JSON documents, one a line, instead of a table"},
        "--show-data": {"action": "store_true", "help": "show ids and types that may be personal data"},
        "--blobs": {
            "type": _matching(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", "a name of a blob container"),
            "metavar": "CONTAINER",
            "help": "Event Grid's own dead letters, in this blob container",
        },
        "--to": {
            "type": _matching(
                r"https://[\w.-]+(:\d+)?/?|http://(127\.0\.0\.1|localhost)(:\d+)?/?",
                "https://HOST, or http://127.0.0.1:PORT",
            ),
            "metavar": "URL",
            "help": "the app (default: http://127.0.0.1:7071 if storage is on this machine too)",
        },
        "--key": {
            "type": _matching(r"[!-~]*", f"printable ASCII, in ${KEY_VARIABLE} too"),
            "default": os.environ.get(KEY_VARIABLE),
            "help": f"the app's system key eventgrid_extension (default: ${KEY_VARIABLE}, hidden from `ps`)",
        },
    }


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    def checked(text: str) -> str:
        if re.fullmatch(pattern, text.strip(), re.ASCII):
            return text.strip()
        raise argparse.ArgumentTypeError(f"should be {expected}")

    return checked


if __name__ == "__main__":
    sys.exit(main())
