"""The measured process: loads the app in the current folder, and runs the bursts that are requested.

Each request on standard input and each answer on standard output is one line of JSON.
"""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import override

from local.runtime import App


class _Forwarding(logging.Handler):
    """Formats every record, as the worker in Azure does before it sends it to the host."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


async def serve() -> None:
    logging.basicConfig(level=logging.INFO, handlers=[_Forwarding()])
    app = App(Path.cwd())
    _say({})
    # The read blocks the loop between bursts. A thread for it would cost time during them.
    for line in sys.stdin:
        _say(await _burst(app, **json.loads(line)))


async def _burst(app: App, event: str, count: int, in_flight: int, seconds: float = 0) -> dict[str, float]:
    """Invoke the function at least `count` times and for `seconds`, with `in_flight` at the same time."""
    latencies: list[float] = []
    begun = 0
    cpu, begin = process_time(), perf_counter()

    async def lane() -> None:
        nonlocal begun
        while begun < count or perf_counter() < begin + seconds:
            begun += 1
            called = perf_counter()
            if error := await app.invoke("sms", event):
                raise RuntimeError(error)
            latencies.append(perf_counter() - called)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(in_flight):
            lanes.create_task(lane())
    latencies.sort()
    return {
        "cpu_us": (process_time() - cpu) / begun * 1e6,
        "per_second": begun / (perf_counter() - begin),
        "p50_ms": latencies[begun // 2] * 1000,
        "p99_ms": latencies[begun * 99 // 100] * 1000,
        "memory_mib": _memory_mib("VmRSS"),
        "peak_mib": _memory_mib("VmHWM"),
        "modules": len(sys.modules),
        "total_cpu_ms": process_time() * 1000,
    }


def _memory_mib(field: str) -> float:
    # The peak of getrusage includes that of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _say(answer: dict[str, float]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
    os._exit(0)  # as Azure ends it, with open connections
