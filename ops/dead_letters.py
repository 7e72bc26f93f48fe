"""The commands on dead letters: list, show, replay and purge."""

import json
import sys
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import closing, suppress

from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

from ops import terminal
from ops.connections import IF_UNCHANGED, Endpoint, OpsError, Storage
from ops.letters import Letter, in_blobs, in_queue
from shared.payloads import PAYLOADS
from shared.telemetry import harmless_id

_COLUMNS = ("id", "reason", "function", "event_id", "event_type", "since", "detail")
_DONE = ("accepted", "purged")


def list_(storage: Storage, options: Namespace) -> None:
    """List dead letters, the oldest first."""
    found = sorted(_chosen(storage, options), key=lambda letter: letter.since)
    rows = [{name: getattr(letter, name) for name in _COLUMNS} for letter in found]
    for row in [] if options.show_data else rows:  # an event made by hand can have anything in them
        row["event_id"] = harmless_id(row["event_id"])
        row["event_type"] = row["event_type"] if row["event_type"] in PAYLOADS else "unknown"
    terminal.show(rows, as_json=options.json)


def show(storage: Storage, options: Namespace) -> None:
    """Print one dead letter, with the personal data in it."""
    found = list(_chosen(storage, options))
    if len({letter.document for letter in found}) != 1:
        raise OpsError(f"{len(found) or 'no'} dead letters have this id: `dead-letters list` shows them")
    letter = found[0]
    text = letter.event if options.event else letter.document.decode(errors="backslashreplace")
    if text is None:
        raise OpsError(f"there is no event in it: {letter.reason}")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2)
    is_exact = options.event and not sys.stdout.isatty()
    print(text if is_exact else "\n".join(map(terminal.printable, text.split("\n"))))


def replay(storage: Storage, options: Namespace) -> int:
    """Post the events again, each to the function of its type. What the app has accepted is removed."""

    def post(letter: Letter) -> str:
        if letter.event is None or letter.target is None:
            return "left: no function takes it" if letter.event else "left: it holds no event"
        if not options.yes:
            return f"would be posted to {app.url} and removed"
        if app.post("Notification", letter.target, letter.event, 202, 400, 413, 500) != 202:
            return "left: the app failed, its log says why"
        return "accepted" if letter.remove() else "accepted, but another reader had it"

    with closing(Endpoint(storage, options.to)) as app:
        return _take(storage, options, post)


def purge(storage: Storage, options: Namespace) -> int:
    """Remove dead letters; nobody can undo it. What holds no event is left, unless --reason asks for it."""

    def remove(letter: Letter) -> str:
        if letter.event is None and not options.reason:
            return f"left: it holds no event (--reason {letter.reason} purges it)"
        if not options.yes:
            return "would be removed"
        return "purged" if letter.remove() else "left: another reader had it"

    return _take(storage, options, remove)


def _take(storage: Storage, options: Namespace, act: Callable[[Letter], str]) -> int:
    """Act on each dead letter asked for, and show what became of them, also before an error is shown."""
    results: list[list[str]] = []
    accepted: defaultdict[tuple[str | None, str | None], list[list[str]]] = defaultdict(list)
    unneeded: set[tuple[str, str]] = set()
    _, began = storage.count()  # in whole seconds
    try:
        with closing(_chosen(storage, options)) as letters:
            for letter in letters:
                may_be_new = letter.since == began and (letter.event, letter.function) in accepted
                if not options.blobs and (letter.since > began or may_be_new):
                    continue
                results.append(result := [act(letter), letter.reason, letter.function])
                if result[0].startswith("accepted"):
                    accepted[letter.event, letter.target].append(result)
                if result[0] in _DONE and letter.blob:
                    unneeded.add(letter.blob)
        left = [*in_queue(storage)] if accepted or unneeded else []
        for letter in left:
            if letter.since >= began and (earlier := accepted.get((letter.event, letter.function))):
                earlier.pop()[:] = ["refused again", letter.reason, letter.function]
        if unneeded and storage.count()[0] <= len(left):  # no other message may refer to them
            for name, etag in unneeded - {letter.blob for letter in left}:
                with suppress(ResourceNotFoundError, ResourceModifiedError):  # it was written again since
                    storage.oversize.delete_blob(name, etag=etag, **IF_UNCHANGED)
            unneeded.clear()
    finally:
        rows = [
            {"count": count, "result": result, "reason": reason, "function": function}
            for (result, reason, function), count in sorted(Counter(map(tuple, results)).items())
        ]
        terminal.show(rows, as_json=options.json)
        if unneeded:
            terminal.note(f"{len(unneeded)} blobs of removed dead letters are left")
    if not options.yes:
        terminal.note("nothing was changed: --yes does it")
    return int(options.yes and any(row["result"] not in _DONE for row in rows))


def _chosen(storage: Storage, options: Namespace) -> Generator[Letter]:
    """Yield the dead letters asked for. Raises OpsError if there are some, but none such."""
    read = chosen = 0
    total = 0 if options.blobs else storage.count()[0]
    size = 1 if options.run is replay and options.yes else 32  # a lease outlasts one post, not 32
    store = in_blobs(storage, options.blobs) if options.blobs else in_queue(storage, size)
    with closing(store) as letters:
        for read, letter in enumerate(letters, 1):
            if (
                (letter.id.startswith(options.id or "") or letter.event_id == options.id)
                and options.reason in (None, letter.reason)
                and options.function in (None, letter.function)
            ):
                chosen += 1
                yield letter
            if read % 50 == 0:
                terminal.note(f"{read} of about {total or read} dead letters")
    if read < total:
        terminal.note(f"about {total - read} more are hidden, by another command or by one that was killed")
    if not read:
        terminal.note("no dead letters")
    elif not chosen:
        raise OpsError(f"none of {read} dead letters matches the options")
