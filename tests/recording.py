"""Delivers events to a family with a recording sink, for tests with too many events for real storage."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import override

import msgspec
import pytest

from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.settings import get_settings
from shared.sink import MESSAGE_LIMIT, QueueSink


class RecordingSink(QueueSink):
    """Encodes outcomes as the real sink does, refuses what storage refuses, and keeps the rest."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes]] = []

    @override
    async def write(self, queue: str, outcomes: list[Outcome]) -> list[int]:
        for outcome in outcomes:
            claim = msgspec.structs.replace(outcome, dataref="https://" + "x" * 400, data=None)
            if len(claim.encode()) > MESSAGE_LIMIT:
                raise ValueError("Storage refuses this message, even without its data.")
        documents = [outcome.encode() for outcome in outcomes]
        self.written += [(queue, document) for document in documents]
        return [len(document) for document in documents]


@dataclass(frozen=True)
class Delivered:
    """What one delivery wrote and logged."""

    written: list[tuple[str, bytes]]
    records: list[str]
    """Every log record of the process during the delivery, as it would be printed."""


def deliver(family: EventFamily, text: str) -> Delivered:
    """Pass one text to a family, as Azure Functions does. Raises what `handle` raises."""
    sink = RecordingSink()
    with (
        _records() as records,
        pytest.MonkeyPatch.context() as monkeypatch,
        closing(asyncio.new_event_loop()) as loop,
    ):
        monkeypatch.setattr("shared.handling.get_sink", lambda: sink)
        loop.run_until_complete(family.handle(text))
    return Delivered(sink.written, records)


@contextmanager
def settings() -> Iterator[None]:
    """Give the app valid settings, with which nothing is written."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OutcomesStorage", "UseDevelopmentStorage=true")
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def _records() -> Iterator[list[str]]:
    handler, root = _Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield handler.lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
