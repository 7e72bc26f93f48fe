"""The measured process of this app alone: times each stage of an event, called by itself.

It answers requests as bench.worker does.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from time import process_time
from typing import override
from unittest.mock import patch

from bench.figures import OWN_HANDLING
from bench.runtime import configure_logging
from functions import sms
from shared.decoding import Event, decode
from shared.envelope import parse_envelope, parse_json
from shared.outcomes import Outcome
from shared.payloads.sms import SmsReceived
from shared.settings import get_settings
from shared.sink import QueueSink

QUEUE = "acs-sms"


class NullSink(QueueSink):
    """Encodes outcomes, and writes nothing."""

    def __init__(self) -> None:
        """Connect to nothing."""

    @override
    async def write(self, queue: str, outcomes: list[Outcome]) -> list[int]:
        return [len(outcome.encode()) for outcome in outcomes]


async def document(text: str) -> str:
    """Return what is written for an SMS."""
    return (await _handle(_decode(text))).encode().decode()


def _decode(text: str) -> Event[SmsReceived]:
    return decode(parse_envelope(parse_json(text)), SmsReceived)


async def _handle(event: Event[SmsReceived]) -> Outcome:
    outcome = await sms.received(event)
    assert isinstance(outcome, Outcome)  # noqa: S101 - this handler returns no more and no less
    return outcome


async def serve() -> None:
    configure_logging()
    print("{}", flush=True)
    real_sink, null_sink = QueueSink(get_settings()), NullSink()
    # A read that blocks the loop, as in bench.worker.
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(await _split(request["event"], request["count"], real_sink, null_sink)), flush=True)


async def _split(text: str, count: int, real_sink: QueueSink, null_sink: QueueSink) -> dict[str, float]:
    event = _decode(text)
    outcome = await _handle(event)

    async def decoding() -> None:
        _decode(text)

    async def encoding() -> None:
        outcome.encode()

    decoded = await _microseconds(decoding, count)
    handled = await _microseconds(lambda: _handle(event), count)
    encoded = await _microseconds(encoding, count)
    with patch("shared.handling.get_sink", lambda: null_sink):
        own = await _microseconds(lambda: sms.family.handle(text), count)
    written = await _microseconds(lambda: real_sink.write(QUEUE, [outcome]), count)
    return {
        "decode": decoded,
        "handle": handled,
        "encode": encoded,
        OWN_HANDLING.metric: own,
        "write": written - encoded,
    }


async def _microseconds(stage: Callable[[], Awaitable[object]], count: int) -> float:
    begin = process_time()
    for _ in range(count):
        await stage()
    return (process_time() - begin) / count * 1e6


if __name__ == "__main__":
    asyncio.run(serve())
    os._exit(0)  # its connections stay open, as the app's do
