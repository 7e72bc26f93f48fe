"""The command line: `python -m ops`."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

from ops import endpoint
from ops.errors import OpsError
from ops.letters import UNREADABLE, Letter, Letters, age, aligned, counts, table
from ops.runs import collected, dead_lettered_again, each
from ops.storage import Storage, connected
from shared.settings import QUEUE_SETTINGS, Settings, SettingsError

DEFAULT_TO = "http://127.0.0.1:7071"
DEFAULT_RATE = 50.0
KEY_VARIABLE = "EVENTGRID_KEY"

type Command = Callable[[Storage, argparse.Namespace], int]


def main() -> int:
    """Run a command and return the exit code."""
    arguments = _parser().parse_args()
    run: Command = arguments.run
    try:
        with connected(Settings.from_environ(os.environ)) as storage:
            return run(storage, arguments)
    except (OpsError, SettingsError) as error:
        return _fail(str(error))
    except AzureError as error:
        return _fail(_fault(error))
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def queues(storage: Storage, _: argparse.Namespace) -> int:
    """Print each queue's depth, and the age of its oldest message."""
    names = [*storage.settings.queues.values(), storage.settings.dead_letter_queue]
    rows = [("QUEUE", "MESSAGES", "OLDEST"), *((name, *_depth(storage, name)) for name in names)]
    print("\n".join(aligned(rows)))
    return 0


def list_(storage: Storage, arguments: argparse.Namespace) -> int:
    """Print the dead letters as a table."""
    with collected(_letters(storage, arguments)) as letters:
        chosen = _chosen(letters, arguments)
        print(
            "\n".join(table(chosen, show_data=arguments.show_data)) if chosen else "no dead letters",
            flush=True,
        )
    return 0


def show(storage: Storage, arguments: argparse.Namespace) -> int:
    """Print one dead letter whole."""
    with collected(_letters(storage, arguments)) as letters:
        found = [
            letter
            for letter in letters
            if letter.id.startswith(arguments.id) or letter.event_id == arguments.id
        ]
    if len(found) != 1:
        raise OpsError(f"{len(found) or 'no'} dead letters have this id: `dead-letters list` shows them")
    print(_formatted(found[0].document))
    return 0


def replay(storage: Storage, arguments: argparse.Namespace) -> int:
    """Post events again, and remove the dead letters of those that were accepted."""
    if arguments.to is None and not endpoint.is_local(storage.url):
        raise OpsError("these dead letters are not of this machine: say with --to where their app is")
    to, key = arguments.to or DEFAULT_TO, arguments.key or os.environ.get(KEY_VARIABLE)
    store = _letters(storage, arguments)
    accepted: set[str] = set()

    def step(letter: Letter) -> str:
        if letter.original is None or letter.target is None:
            return "without an event or a function for it"
        if not store.hold(letter):
            return "taken by somebody else"
        if not endpoint.post(to, key, letter.target, letter.original):
            return "failed"
        # Refused again, it has been dead-lettered anew before this answer: either way this one is done.
        accepted.add(letter.key)
        return "accepted" if store.remove(letter) else "accepted, but taken by somebody else"

    with collected(store) as letters:
        chosen = _chosen(letters, arguments)
        if not arguments.yes:
            return _dry_run(f"post to {to} and remove", chosen)
        known = {letter.id for letter in letters} | _ids(storage, arguments)
        words = each(chosen, step, "accepted", pause=1 / arguments.rate)
    again = dead_lettered_again(storage.queue_letters(), known, accepted)
    if again:
        print("\n".join(["of these, dead-lettered again:", *again]))
    return 1 if again or set(words) - {"accepted"} else 0


def purge(storage: Storage, arguments: argparse.Namespace) -> int:
    """Remove dead letters for ever; what is no dead letter only when asked for by that reason."""
    store = _letters(storage, arguments)
    with collected(store) as letters:
        chosen = [
            letter
            for letter in _chosen(letters, arguments)
            if letter.reason != UNREADABLE or arguments.reason == UNREADABLE
        ]
        if not arguments.yes:
            return _dry_run("remove for ever", chosen)
        each(chosen, lambda letter: "purged" if store.remove(letter) else "taken by somebody else", "purged")
    return 0


def _letters(storage: Storage, arguments: argparse.Namespace) -> Letters:
    if arguments.blobs == storage.settings.oversize_container:
        raise OpsError(f"the container {arguments.blobs} holds the app's own documents, not Event Grid's")
    return storage.blob_letters(arguments.blobs) if arguments.blobs else storage.queue_letters()


def _ids(storage: Storage, arguments: argparse.Namespace) -> set[str]:
    """Return the ids of the app's own dead letters, when it is others that are replayed."""
    if not arguments.blobs:
        return set()
    with collected(storage.queue_letters()) as letters:
        return {letter.id for letter in letters}


def _chosen(letters: Sequence[Letter], arguments: argparse.Namespace) -> list[Letter]:
    return [
        letter
        for letter in letters
        if arguments.reason in (None, letter.reason) and arguments.function in (None, letter.function)
    ]


def _dry_run(what: str, chosen: Sequence[Letter]) -> int:
    print("\n".join([f"would {what} {len(chosen)} dead letters; --yes does it", *counts(chosen)]))
    return 0


def _depth(storage: Storage, name: str) -> tuple[str, str]:
    queue = storage.queue(name)
    try:
        count = queue.get_queue_properties().approximate_message_count or 0
        oldest = queue.peek_messages()
    except ResourceNotFoundError:
        return "none yet", "-"
    return f"about {count}", age(oldest[0].inserted_on if oldest else None)


def _formatted(document: bytes) -> str:
    try:
        return msgspec.json.format(document, indent=2).decode()
    except ValueError:
        return ascii(document.decode(errors="backslashreplace"))


def _fault(error: AzureError) -> str:
    code = getattr(error, "error_code", None) or ""
    code = getattr(code, "value", code)
    match error:
        case HttpResponseError(status_code=403) if code == "AuthorizationPermissionMismatch":
            return "you lack the roles Storage Queue Data Contributor and Storage Blob Data Contributor"
        case HttpResponseError(status_code=int(status)):
            return f"storage answered {status} {code}".rstrip()
        case ClientAuthenticationError():
            return "cannot sign in to storage: is OutcomesStorage right, or is `az login` needed?"
        case _:
            return "storage could not be reached: is OutcomesStorage right?"


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description="Look after the app's queues. Storage is where the app's settings say, which are read "
        "from the environment: OutcomesStorage=UseDevelopmentStorage=true is the local stack's.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "queues", queues, "show each queue's depth and the age of its oldest message")
    group = commands.add_parser("dead-letters", help="list, show, replay or purge dead letters")
    _add_dead_letters(group.add_subparsers(required=True, metavar="COMMAND"))
    return parser


type _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add(
    commands: _Commands, name: str, run: Command, summary: str, more: str = ""
) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}. {more}"
    command = commands.add_parser(name, help=summary, description=description)
    command.set_defaults(run=run)
    return command


def _add_dead_letters(commands: _Commands) -> None:
    hidden = (
        "All of the queue is read, and hidden from other readers meanwhile: until the command ends, or for "
        "two minutes where it is killed."
    )
    listing = _add(commands, "list", list_, "list the dead letters, with nothing personal", hidden)
    listing.add_argument("--show-data", action="store_true", help="show any event id and type as it is")
    showing = _add(commands, "show", show, "print a dead letter whole, personal data and all", hidden)
    showing.add_argument("id", metavar="ID", help="as listed, or the event's id")
    replaying = _add(
        commands,
        "replay",
        replay,
        "post the events to the app again",
        "A dead letter is removed once the app has accepted its event. An event that it refuses again has a "
        f"new dead letter then, so that there always is one. Ctrl-C waits for those on their way. {hidden}",
    )
    replaying.add_argument(
        "--to", type=_url, metavar="URL", help=f"the app, https://HOST (default, locally: {DEFAULT_TO})"
    )
    replaying.add_argument(
        "--key",
        help=f"its system key eventgrid_extension (default: ${KEY_VARIABLE}, which `ps` does not show)",
    )
    replaying.add_argument(
        "--rate", type=_rate, default=DEFAULT_RATE, help="events a second at most (default: %(default)s)"
    )
    purging = _add(
        commands,
        "purge",
        purge,
        "remove dead letters for ever",
        f"What is {UNREADABLE}, no dead letter or without its blob, goes only with --reason {UNREADABLE}. "
        f"{hidden}",
    )
    for command in (replaying, purging):
        command.add_argument("--yes", action="store_true", help="do it, rather than say what would be done")
    for command in (listing, replaying, purging):
        command.add_argument("--reason", help="only dead letters of this reason, as listed")
        command.add_argument("--function", choices=QUEUE_SETTINGS, help="only dead letters of this function")
    for command in (listing, showing, replaying, purging):
        command.add_argument(
            "--blobs", metavar="CONTAINER", help="Event Grid's own dead letters, in this blob container"
        )


def _url(text: str) -> str:
    scheme = urlsplit(text).scheme
    if not urlsplit(text).hostname or not (
        scheme == "https" or (scheme == "http" and endpoint.is_local(text))
    ):
        raise argparse.ArgumentTypeError("should be https://HOST, or http://HOST:PORT on this machine")
    return text


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError("should be a number above 0")
    return rate


if __name__ == "__main__":
    sys.exit(main())
