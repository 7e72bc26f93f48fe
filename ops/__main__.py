"""The command line: `python -m ops`."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ops import check, dead_letters
from ops.connections import OpsError, Storage
from ops.terminal import note
from shared.settings import QUEUE_SETTINGS, Settings, SettingsError, is_name

_URL = re.compile(r"https://[\w.-]+(:\d+)?/?|http://(127\.0\.0\.1|localhost)(:\d+)?/?", re.ASCII)
_HIDDEN = "Messages that were read are hidden from other readers until the command ends, or for two minutes."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what is logged is raised as well
    elsewhere = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = f"{elsewhere},127.0.0.1,localhost"
    try:
        with Storage(Settings.from_environ(os.environ)) as storage:
            code: int = options.run(storage, options)
        sys.stdout.flush()
    except (OpsError, SettingsError) as error:
        note(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        note("stopped: the rest is left")
        return 130
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description="Look after the app, in Azure or on this machine. Begin with `check`. The app's settings "
        "are read from the environment: for the local stack, OutcomesStorage=UseDevelopmentStorage=true.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    group = commands.add_parser(
        "dead-letters", help="List, show, replay or purge dead letters", epilog=_HIDDEN
    )
    actions = group.add_subparsers(required=True, metavar="COMMAND")
    filters = ("--id", "--reason", "--function", "--blobs", "--json")
    for parent, name, run, names in (
        (commands, "check", check.run, ("--to", "--blobs", "--json")),
        (actions, "list", dead_letters.list_, (*filters, "--show-data")),
        (actions, "show", dead_letters.show, ("ID", "--event", "--blobs")),
        (actions, "replay", dead_letters.replay, ("--yes", *filters, "--to")),
        (actions, "purge", dead_letters.purge, ("--yes", *filters)),
    ):
        text = str(run.__doc__)
        command = parent.add_parser(name, help=text.partition(".")[0], description=text, allow_abbrev=False)
        command.set_defaults(run=run, parser=command, id=None, reason=None, function=None)
        for option in names:
            command.add_argument(option, **_OPTIONS[option])
    return parser


def _matching(is_right: Callable[[str], object], expected: str) -> Callable[[str], str]:
    def checked(text: str) -> str:
        if is_right(text.strip()):
            return text.strip()
        raise argparse.ArgumentTypeError(f"should be {expected}")

    return checked


_FLAG = {"action": "store_true"}
_OPTIONS: Mapping[str, dict[str, Any]] = {
    "ID": {"type": _matching(bool, "an id"), "help": "an id as listed or its beginning, or the event's id"},
    "--event": {**_FLAG, "help": "print the original event alone"},
    "--yes": {**_FLAG, "help": "do it, instead of showing what would be done"},
    "--id": {"help": "only dead letters of this id, their own or the event's"},
    "--reason": {"help": "only dead letters of this reason, as listed"},
    "--function": {"choices": QUEUE_SETTINGS, "help": "only dead letters of this function"},
    "--json": {**_FLAG, "help": "print JSON documents, one a line, instead of a table"},
    "--show-data": {**_FLAG, "help": "show ids and types that may be personal data"},
    "--blobs": {
        "type": _matching(is_name, "a name of a blob container"),
        "metavar": "CONTAINER",
        "help": "Event Grid's own dead letters, in this blob container",
    },
    "--to": {
        "type": _matching(_URL.fullmatch, "https://HOST, or http://127.0.0.1:PORT"),
        "metavar": "URL",
        "help": "the app (default: http://127.0.0.1:7071 if storage is on this machine too). Its system key "
        "eventgrid_extension is read from the environment variable EVENTGRID_KEY",
    },
}


if __name__ == "__main__":
    sys.exit(main())
