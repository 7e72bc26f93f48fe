"""The measured process: loads the app in the current folder, says so, then runs the bursts it is asked for.

Each request on standard input and each answer on standard output is one line of JSON.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

from bench.runtime import configure_logging, memory_kib
from local.runtime import App


async def serve() -> None:
    configure_logging()
    app = App(Path.cwd())
    _say({"modules": len(sys.modules)})
    # A read that blocks the loop, between bursts: a thread for it would cost time in them.
    for line in sys.stdin:
        _say(await _burst(app, **json.loads(line)))


async def _burst(app: App, function: str, event: str, count: int, in_flight: int) -> dict[str, float]:
    """Invoke the function so many times."""
    rounds = iter(range(count))

    async def lane() -> None:
        for _ in rounds:
            error = await app.invoke(function, event)
            if error is not None:
                raise RuntimeError(error)

    cpu, wall = process_time(), perf_counter()
    async with asyncio.TaskGroup() as lanes:
        for _ in range(in_flight):
            lanes.create_task(lane())
    return {
        "cpu_us": (process_time() - cpu) / count * 1e6,
        "wall_us": (perf_counter() - wall) / count * 1e6,
        "rss_kib": memory_kib("VmRSS"),
        "peak_kib": memory_kib("VmHWM"),
        "modules": len(sys.modules),
        "total_cpu_ms": process_time() * 1000,
    }


def _say(answer: dict[str, float]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
    os._exit(0)  # as the cloud ends it: the app's connections stay open all its life
