"""Long runs over dead letters: one after the other, safe to interrupt."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter

from ops.errors import OpsError
from ops.letters import Letter, Letters, counts
from ops.queue_letters import QueueLetters

PROGRESS_SECONDS = 1.0

type Step = Callable[[Letter], str]
"""Does something about one dead letter, and returns a word for what came of it."""


class Progress:
    """At most one line a second on standard error."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, text: str) -> None:
        """Say it, if nothing was said for a second."""
        if time.monotonic() >= self._next:
            print(text, file=sys.stderr, flush=True)
            self._next = time.monotonic() + PROGRESS_SECONDS


@contextmanager
def collected(store: Letters) -> Iterator[list[Letter]]:
    """Collect all dead letters, oldest first, and release those that are left in the end."""
    progress = Progress()
    try:
        letters = store.collect(lambda count: progress(f"{count} dead letters read"))
        yield sorted(letters, key=attrgetter("since"))
    finally:
        store.release()


def each(letters: Sequence[Letter], step: Step, done: str, pause: float = 0.0) -> dict[str, int]:
    """Take each dead letter through a step and count the words; `done` is the word for those removed.

    An end before the end says how far it came.
    """
    progress = Progress()
    words: dict[str, int] = {}
    try:
        for number, letter in _paced(letters, pause):
            word = step(letter)
            words[word] = words.get(word, 0) + 1
            progress(f"{number} of {len(letters)}: {_sentence(words)}")
    except (KeyboardInterrupt, OpsError) as error:
        so_far = f"{words.get(done, 0)} of {len(letters)} {done}, the rest are left"
        if isinstance(error, OpsError):
            raise OpsError(f"{error} ({so_far})") from None
        raise KeyboardInterrupt(f"stopped: {so_far}") from None
    print(_sentence(words) or f"none {done}")
    return words


def dead_lettered_again(store: QueueLetters, known: set[str], keys: Iterable[str]) -> list[str]:
    """Return lines on what the app has dead-lettered anew of these events: it did so before it answered."""
    with collected(store) as letters:
        accepted = set(keys)
        return counts(letter for letter in letters if letter.id not in known and letter.key in accepted)


def _paced(letters: Sequence[Letter], pause: float) -> Iterator[tuple[int, Letter]]:
    due = time.monotonic()
    for number, letter in enumerate(letters, 1):
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - pause) + pause
        yield number, letter


def _sentence(words: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words.items())
