"""Long runs over dead letters: several at a time, safe to interrupt."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from operator import attrgetter
from threading import Lock

from azure.core.exceptions import AzureError

from ops.errors import OpsError
from ops.letters import CONNECTIONS, Letter, Letters, counts
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
        if store.hidden:
            hidden = "hidden, by another command or for two minutes by one that was killed"
            print(f"about {store.hidden} more are {hidden}", file=sys.stderr)
        yield sorted(letters, key=attrgetter("since"))
    finally:
        store.release()


def each(letters: Sequence[Letter], step: Step, done: str, pause: float = 0.0) -> Counter[str]:
    """Take each dead letter through a step and count the words; `done` is the word for those removed.

    An end before the end lets the steps that have begun come to theirs, and notes how far it came.
    """
    progress, lock = Progress(), Lock()
    words: Counter[str] = Counter()
    running: set[Future[None]] = set()

    def counted(letter: Letter) -> None:
        word = step(letter)
        with lock:
            words[word] += 1
            progress(f"{words.total()} of {len(letters)}: {_sentence(words)}")

    try:
        _concurrently(counted, _paced(letters, pause), running)
    except (KeyboardInterrupt, OpsError, AzureError) as error:
        if all(future.done() for future in running):  # otherwise Ctrl-C came again
            error.add_note(f"({words[done]} of {len(letters)} {done}, the rest are left)")
        raise
    print(_sentence(words) or f"none {done}")
    return words


def dead_lettered_again(store: QueueLetters, keys: Set[str]) -> list[str]:
    """Return lines on what the app has dead-lettered of these events: it did so before it answered."""
    with collected(store) as letters:
        return counts(letter for letter in letters if letter.key in keys)


def _concurrently(
    step: Callable[[Letter], None], letters: Iterable[Letter], running: set[Future[None]]
) -> None:
    """Begin a step whenever a connection is free; after one that raised none is begun."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        try:
            for letter in letters:
                running.add(threads.submit(step, letter))
                timeout = None if len(running) == CONNECTIONS else 0
                ended, _ = wait(running, timeout, FIRST_COMPLETED)
                running -= ended
                for future in ended:
                    future.result()
            for future in running:
                future.result()
        except KeyboardInterrupt:
            if under_way := sum(not future.done() for future in running):
                again = "(Ctrl-C again: they may come out twice)"
                print(f"waiting for {under_way} on their way {again}", file=sys.stderr)
            raise


def _paced(letters: Sequence[Letter], pause: float) -> Iterator[Letter]:
    due = time.monotonic()
    for letter in letters:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - pause) + pause
        yield letter


def _sentence(words: Counter[str]) -> str:
    return "; ".join(f"{count} {word}" for word, count in sorted(words.items()))
