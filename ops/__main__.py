"""The command line: `python -m ops`."""

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
from azure.core.exceptions import AzureError, ResourceNotFoundError

from ops import endpoint
from ops.errors import OpsError, fault
from ops.letters import LEFT, TAKEN, UNDECODABLE, Letter, Letters, age, aligned, counts, table
from ops.runs import collected, dead_lettered_again, each
from ops.storage import Storage, connected
from ops.terminal import printable
from shared.settings import QUEUE_SETTINGS, Settings, SettingsError, is_name

DEFAULT_TO = "http://127.0.0.1:7071"
DEFAULT_RATE = 50.0
LOWEST_RATE = 0.01
KEY_VARIABLE = "EVENTGRID_KEY"

type Command = Callable[[Storage, argparse.Namespace], int]


def main() -> int:
    """Run a command and return the exit code."""
    arguments = _parser().parse_args()
    run: Command = arguments.run
    try:
        settings = Settings.from_environ(os.environ)
        with connected(settings) as storage:
            code = run(storage, arguments)
        sys.stdout.flush()
    except (OpsError, SettingsError) as error:
        return _fail(f"error: {error}", error)
    except AzureError as error:
        return _fail(f"error: {fault(error)}", error)
    except KeyboardInterrupt as stop:
        return _fail("stopped", stop, code=130)
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


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
        print("\n".join(table(chosen, show_data=arguments.show_data)) if chosen else "no dead letters")
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
    to = arguments.to or DEFAULT_TO
    store = _letters(storage, arguments)
    accepted: set[str] = set()

    def why_left(letter: Letter) -> str | None:
        if letter.original is None or letter.target is None:
            return LEFT.get(letter.reason, "left: no function for it")
        return store.why_left(letter)

    def step(letter: Letter) -> str:
        if why := why_left(letter) or store.hold(letter):
            return why
        assert letter.original is not None  # noqa: S101 - it would have been left
        assert letter.target is not None  # noqa: S101
        if not endpoint.post(to, arguments.key, letter.target, letter.original):
            return "left: the app did not take it, its log says why"
        # Refused again, it has been dead-lettered anew before this answer: either way this one is done.
        accepted.add(letter.key)
        return "accepted" if store.remove(letter) else f"accepted, but {TAKEN}"

    with collected(store) as letters:
        chosen = _chosen(letters, arguments)
        if not arguments.yes:
            return _dry_run(f"post to {to} and remove", chosen, store, why_left)
        words = each(chosen, step, "accepted", pause=1 / arguments.rate)
    again = dead_lettered_again(storage.queue_letters(), accepted)
    if again:
        print("\n".join(["of these events there are dead letters:", *again]))
    return 1 if again or set(words) - {"accepted"} else 0


def purge(storage: Storage, arguments: argparse.Namespace) -> int:
    """Remove dead letters for ever; what cannot be read only when asked for by its reason."""
    store = _letters(storage, arguments)

    def step(letter: Letter) -> str:
        if why := store.why_left(letter) or store.hold(letter):
            return why
        return "purged" if store.remove(letter) else TAKEN

    with collected(store) as letters:
        chosen = _chosen(letters, arguments)
        left = Counter(letter.reason for letter in chosen if letter.reason in LEFT and not arguments.reason)
        for reason, count in left.items():
            print(f"{count} {LEFT[reason]} (--reason {reason} purges it)")
        chosen = [letter for letter in chosen if letter.reason not in left]
        if not arguments.yes:
            return _dry_run("remove for ever", chosen, store, store.why_left)
        words = each(chosen, step, "purged")
    return 1 if set(words) - {"purged"} else 0


def _letters(storage: Storage, arguments: argparse.Namespace) -> Letters:
    if arguments.blobs is None:
        return storage.queue_letters()
    if arguments.blobs == storage.settings.oversize_container:
        raise OpsError(f"the container {arguments.blobs} holds the app's own documents, not Event Grid's")
    return storage.blob_letters(arguments.blobs)


def _chosen(letters: Sequence[Letter], arguments: argparse.Namespace) -> list[Letter]:
    chosen = [
        letter
        for letter in letters
        if arguments.reason in (None, letter.listed_reason) and arguments.function in (None, letter.function)
    ]
    if letters and not chosen:
        raise OpsError(f"none of {len(letters)} dead letters has this reason and function")
    return chosen


def _dry_run(
    what: str, chosen: Sequence[Letter], store: Letters, why_left: Callable[[Letter], str | None]
) -> int:
    """Print what the run would do now, and what it would leave."""
    taken = [letter for letter in chosen if why_left(letter) is None]
    left = Counter(word for letter in chosen if (word := why_left(letter)))
    would = f"would {what} {len(taken)} dead letters of {store.place}; --yes does it"
    print("\n".join([would, *counts(taken), *(f"{count} {word}" for word, count in sorted(left.items()))]))
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
    with suppress(*UNDECODABLE):
        document = msgspec.json.format(document, indent=2)
    return "\n".join(map(printable, document.decode(errors="backslashreplace").split("\n")))


def _fail(text: str, error: BaseException, *, code: int = 1) -> int:
    print(text, *getattr(error, "__notes__", ()), file=sys.stderr)
    return code


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
    command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _add_dead_letters(commands: _Commands) -> None:
    hidden = (
        "All of the queue is read, and hidden from other readers meanwhile: for two minutes, or until the "
        "command ends."
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
        type=_key,
        default=os.environ.get(KEY_VARIABLE),
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
        f"What is {' or '.join(LEFT)} goes only with that --reason. {hidden}",
    )
    for command in (replaying, purging):
        command.add_argument("--yes", action="store_true", help="do it, rather than say what would be done")
    for command in (listing, replaying, purging):
        command.add_argument("--reason", help="only dead letters of this reason, as listed")
        command.add_argument("--function", choices=QUEUE_SETTINGS, help="only dead letters of this function")
    for command in (listing, showing, replaying, purging):
        command.add_argument(
            "--blobs",
            type=_container,
            metavar="CONTAINER",
            help="Event Grid's own dead letters, in this blob container",
        )


def _container(text: str) -> str:
    if not is_name(text):
        raise argparse.ArgumentTypeError("should be 3 to 63 lower-case letters, digits and single dashes")
    return text


def _key(text: str) -> str:
    if not (text.isascii() and text.strip().isprintable()):
        raise argparse.ArgumentTypeError(f"it, or ${KEY_VARIABLE}, should be printable ASCII")
    return text.strip()


def _url(text: str) -> str:
    with suppress(ValueError):
        url = urlsplit(text)
        safe = text.isascii() and text.isprintable() and not set(text) & set(" @?#")
        secure = url.scheme == "https" or (url.scheme == "http" and endpoint.is_local(text))
        if safe and secure and (url.hostname or "").encode("idna") and url.port != 0:
            return text
    raise argparse.ArgumentTypeError(
        "should be https://HOST, or http://HOST:PORT on this machine, without a user, query or fragment"
    )


def _rate(text: str) -> float:
    with suppress(ValueError):
        if LOWEST_RATE <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"should be a number, at least {LOWEST_RATE}")


if __name__ == "__main__":
    sys.exit(main())
