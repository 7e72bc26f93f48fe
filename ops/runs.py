"""Long runs over dead letters: several at a time, safe to interrupt."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from operator import attrgetter
from threading import Lock

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
        yield sorted(letters, key=attrgetter("since"))
    finally:
        store.release()


def each(letters: Sequence[Letter], step: Step, done: str, pause: float = 0.0) -> Counter[str]:
    """Take each dead letter through a step and count the words; `done` is the word for those removed.

    An end before the end lets the steps that have begun come to theirs, and says how far it came.
    """
    progress, lock = Progress(), Lock()
    words: Counter[str] = Counter()

    def counted(letter: Letter) -> None:
        word = step(letter)
        with lock:
            words[word] += 1
            progress(f"{words.total()} of {len(letters)}: {_sentence(words)}")

    try:
        _concurrently(counted, _paced(letters, pause))
    except (KeyboardInterrupt, OpsError) as error:
        so_far = f"{words[done]} of {len(letters)} {done}, the rest are left"
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


def _concurrently(step: Callable[[Letter], None], letters: Iterable[Letter]) -> None:
    """Begin a step whenever a connection is free; after one that raised none is begun."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        running: set[Future[None]] = set()
        for letter in letters:
            running.add(threads.submit(step, letter))
            timeout = None if len(running) == CONNECTIONS else 0
            ended, running = wait(running, timeout, FIRST_COMPLETED)
            for future in ended:
                future.result()
        for future in running:
            future.result()


def _paced(letters: Sequence[Letter], pause: float) -> Iterator[Letter]:
    due = time.monotonic()
    for letter in letters:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - pause) + pause
        yield letter


def _sentence(words: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
