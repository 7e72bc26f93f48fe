"""The commands on dead letters: list, show, replay and purge."""

import json
import sys
import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from operator import attrgetter

from ops import terminal
from ops.blob_letters import BlobLetters
from ops.endpoint import Endpoint, app_url
from ops.letters import LEFT, UNDECODABLE, Letter
from ops.queue_letters import QueueLetters
from ops.storage import OpsError, Storage

type Letters = QueueLetters | BlobLetters

_TAKEN = "another reader had it"
_ACCEPTED = "accepted"
_PURGED = "purged"


def list_(storage: Storage, options: Namespace) -> int:
    """List dead letters, the oldest first."""
    with closing(_chosen(_letters(storage, options), options)) as letters:
        found = sorted(letters, key=attrgetter("since"))
    rows = [
        {**letter.row, "event_id": letter.event_id, "event_type": letter.event_type}
        if options.show_data
        else letter.row
        for letter in found
    ]
    terminal.show(rows, as_json=options.json)
    return 0


def show(storage: Storage, options: Namespace) -> int:
    """Print one dead letter, with the personal data in it."""
    with closing(_chosen(_letters(storage, options), options)) as letters:
        found = [each for each in letters if each.id.startswith(options.id) or each.event_id == options.id]
    if len({letter.document for letter in found}) != 1:
        raise OpsError(f"{len(found) or 'no'} dead letters have this id: `dead-letters list` shows them")
    letter = found[0]
    text = letter.event if options.event else letter.document.decode(errors="backslashreplace")
    if text is None:
        raise OpsError(f"there is no event in it: {letter.reason}")
    with suppress(*UNDECODABLE):
        text = json.dumps(json.loads(text), indent=2)
    is_exact = options.event and not sys.stdout.isatty()
    print(text if is_exact else "\n".join(map(terminal.printable, text.split("\n"))))
    return 0


def replay(storage: Storage, options: Namespace) -> int:
    """Post the events to the app again, each to the function of its type, one after the other.

    A dead letter is removed once the app has accepted its event. An event that the app refuses again has a
    new dead letter by then.
    """
    accepted: defaultdict[object, list[tuple[str, ...]]] = defaultdict(list)

    def act(letter: Letter) -> str | None:
        if letter.delivery(letter.function) in accepted and letter.since >= letters.began:
            return None  # it was refused again
        if letter.event is None or letter.target is None:
            return LEFT.get(letter.reason, "left: no function takes it")
        if not options.yes:
            return f"would be posted to {app.url} and removed"
        if not app.accepts(letter.target, letter.event):
            return "left: the app failed, its log says why"
        accepted[letter.delivery(letter.target)].append(_group(_ACCEPTED, letter))
        return _ACCEPTED if letters.remove(letter) else f"{_ACCEPTED}, but {_TAKEN}"

    letters = _letters(storage, options)
    with Endpoint(app_url(storage, options.to), options.key) as app:
        results = _take(letters, options, act)
    if accepted:
        with closing(QueueLetters(storage.dead_letters(), storage.oversize())) as left:
            for letter in left:
                if groups := accepted.get(letter.delivery(letter.function)):
                    results[groups.pop()] -= 1
                    results[_group("refused again", letter)] += 1
    return _show(results, options, done=_ACCEPTED)


def purge(storage: Storage, options: Namespace) -> int:
    """Remove dead letters for ever. What holds no event is left, unless --reason asks for it."""

    def act(letter: Letter) -> str:
        if letter.reason in LEFT and not options.reason:
            return f"{LEFT[letter.reason]} (--reason {letter.reason} purges it)"
        if not options.yes:
            return f"would be removed from {letters.place} for ever"
        return _PURGED if letters.remove(letter) else f"left: {_TAKEN}"

    letters = _letters(storage, options)
    return _show(_take(letters, options, act), options, done=_PURGED)


def _letters(storage: Storage, options: Namespace) -> Letters:
    if options.blobs is None:
        return QueueLetters(storage.dead_letters(), storage.oversize())
    if options.blobs == storage.settings.oversize_container:
        raise OpsError(f"the container {options.blobs} holds the app's own documents, not Event Grid's")
    return BlobLetters(storage.container(options.blobs))


def _chosen(letters: Letters, options: Namespace) -> Generator[Letter]:
    """Yield those of the reason and the function asked for; in the end give back what was not removed.

    Raises OpsError if there are dead letters, but none such.
    """
    read = chosen = 0
    due = time.monotonic() + 1
    try:
        for read, letter in enumerate(letters, 1):
            if options.reason in (None, letter.row["reason"]) and options.function in (None, letter.function):
                chosen += 1
                yield letter
            if time.monotonic() >= due:
                print(f"{read} of about {letters.total or read} dead letters", file=sys.stderr, flush=True)
                due = time.monotonic() + 1
    finally:
        letters.close()
        for note in letters.notes:
            print(note, file=sys.stderr)
    if not read:
        print("no dead letters", file=sys.stderr)
    elif not chosen:
        raise OpsError(f"none of {read} dead letters has this reason and function")


def _take(
    letters: Letters, options: Namespace, act: Callable[[Letter], str | None]
) -> Counter[tuple[str, ...]]:
    """Take one dead letter after the other, and count what became of them. An error shows that too."""
    results: Counter[tuple[str, ...]] = Counter()
    try:
        with closing(_chosen(letters, options)) as chosen:
            for letter in chosen:
                if result := act(letter):
                    results[_group(result, letter)] += 1
    except BaseException:
        _show(results, options)
        raise
    return results


def _group(result: str, letter: Letter) -> tuple[str, ...]:
    return result, str(letter.row["reason"]), str(letter.row["function"])


def _show(results: Counter[tuple[str, ...]], options: Namespace, done: str = "") -> int:
    rows: list[terminal.Row] = [
        {"count": count, "result": result, "reason": reason, "function": function}
        for (result, reason, function), count in sorted((+results).items())
    ]
    terminal.show(rows, as_json=options.json)
    if not options.yes:
        print("nothing was changed: --yes does it", file=sys.stderr)
    return 1 if options.yes and any(row["result"] != done for row in rows) else 0
