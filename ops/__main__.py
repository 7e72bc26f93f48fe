"""The command line: `python -m ops`."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ops import check, dead_letters
from ops.connections import OpsError, Storage
from ops.terminal import note
from shared.settings import QUEUE_SETTINGS, Settings, SettingsError, is_name

_URL = re.compile(r"https://[\w.-]+(:\d+)?/?|http://(127\.0\.0\.1|localhost)(:\d+)?/?", re.ASCII)


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
            code: int = options.run(storage, options) or 0
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
        epilog="Messages that were read are hidden from other readers until the command ends.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    group = commands.add_parser("dead-letters", help="List, show, replay or purge dead letters")
    actions = group.add_subparsers(required=True, metavar="COMMAND")
    for parent, name, run in (
        (commands, "check", check.run),
        (actions, "list", dead_letters.list_),
        (actions, "show", dead_letters.show),
        (actions, "replay", dead_letters.replay),
        (actions, "purge", dead_letters.purge),
    ):
        text = str(run.__doc__)
        command = parent.add_parser(name, help=text.partition(".")[0], description=text, allow_abbrev=False)
        command.set_defaults(run=run, parser=command, id=None, reason=None, function=None)
        for option, (commands_with_it, settings) in _OPTIONS.items():
            if name in commands_with_it.split():
                command.add_argument(option, **settings)
    return parser


def _checked(is_right: Callable[[str], object], expected: str, text: str) -> str:
    if not is_right(text):
        raise argparse.ArgumentTypeError(f"should be {expected}")
    return text


_ID = {"type": partial(_checked, bool, "an id"), "help": "the beginning of an id as listed, or an event's id"}
_FLAG = {"action": "store_true"}
_BLOBS = {"type": partial(_checked, is_name, "a name of a blob container"), "metavar": "CONTAINER"}
_TO = {"type": partial(_checked, _URL.fullmatch, "https://HOST, or http://127.0.0.1:PORT"), "metavar": "URL"}
_OPTIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "id": ("show", {**_ID, "metavar": "ID"}),
    "--event": ("show", {**_FLAG, "help": "print the original event alone"}),
    "--yes": ("replay purge", {**_FLAG, "help": "do it, instead of showing what would be done"}),
    "--id": ("list replay purge", _ID),
    "--reason": ("list replay purge", {"help": "only dead letters of this reason, as listed"}),
    "--function": ("list replay purge", {"choices": QUEUE_SETTINGS, "help": "only those of this function"}),
    "--show-data": ("list", {**_FLAG, "help": "show ids and types that may be personal data"}),
    "--json": ("check list replay purge", {**_FLAG, "help": "print JSON documents, one a line"}),
    "--blobs": ("check list show replay purge", {**_BLOBS, "help": "the dead letters that Event Grid wrote"}),
    "--to": ("check replay", {**_TO, "help": "the app, if not on this machine; $EVENTGRID_KEY is its key"}),
}


if __name__ == "__main__":
    sys.exit(main())
