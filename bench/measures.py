"""The measurements: cold start, cost of an event, load on slow storage, and memory over many events."""

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import (
    APPS,
    ASYNC_CLIENT,
    BARE_REQUEST,
    DOCUMENTATION,
    EMPTY,
    OURS,
    PROJECT_DIR,
    SYNC_CLIENT,
    Child,
    null_storage,
)
from bench.results import CPU, FIRST_OUTCOME, GROWTH, PLAIN_CPU, THROUGHPUT, Samples
from shared.decoding import decode
from shared.envelope import parse_envelope, parse_json
from shared.outcomes import Outcome
from shared.payloads.sms import SmsReceived

_CLIENTS = (OURS, DOCUMENTATION, SYNC_CLIENT, ASYNC_CLIENT)
_LATENCY = 0.05
"""Seconds until storage answers, which is about what storage in Azure needs."""


def cold_start(samples: Samples, repetitions: int) -> None:
    """Measure from the start of the interpreter to the first outcome, with the packages of `make package`.

    These have bytecode. The same is measured without it.
    """
    subprocess.run(["make", "--silent", "package"], cwd=PROJECT_DIR, check=True, stdout=subprocess.DEVNULL)  # noqa: S607
    compiled = PROJECT_DIR / "package"
    with null_storage() as storage, TemporaryDirectory() as folder:
        sources = Path(folder, "package")
        shutil.copytree(compiled, sources, ignore=shutil.ignore_patterns("__pycache__"))
        for _ in range(repetitions):
            for subject in (OURS, DOCUMENTATION, EMPTY):
                for row, package in (
                    (FIRST_OUTCOME, compiled),
                    ("cold start without bytecode: CPU to the first outcome, ms", sources),
                ):
                    app = package if subject == OURS else APPS[subject]
                    packages = package / ".python_packages" / "lib" / "site-packages"
                    with Child(app, storage, packages) as worker:
                        first = worker.ask(event=sms(1_300), count=1, in_flight=1)
                    samples.add(row, subject, first["total_cpu_ms"])
                    if package is compiled:
                        samples.add("modules at the first outcome", subject, first["modules"])
                        samples.add("peak memory, MiB", subject, first["peak_mib"])


def cost(samples: Samples, repetitions: int, events: int) -> None:
    """Measure the CPU time of an event, with storage in another process that answers at once."""
    with null_storage() as storage, null_storage(encrypted=False) as plain, ExitStack() as stack:
        workers = {subject: stack.enter_context(Child(APPS[subject], storage)) for subject in APPS}
        unencrypted = {subject: stack.enter_context(Child(APPS[subject], plain)) for subject in _CLIENTS}
        bursts = [
            *((CPU, subject, worker, sms(1_300), events) for subject, worker in workers.items()),
            *(
                ("CPU of an event of 28 KB, µs", subject, worker, sms(28_000), events)
                for subject, worker in workers.items()
            ),
            ("CPU of an event of 1 MB, by way of a blob, µs", OURS, workers[OURS], sms(1_000_000), 10),
            *((PLAIN_CPU, subject, worker, sms(1_300), events) for subject, worker in unencrypted.items()),
        ]
        for repetition in range(repetitions + 1):
            for row, subject, worker, event, count in bursts:
                answer = worker.ask(
                    event=_document(event) if subject == BARE_REQUEST else event,
                    count=10 if subject == DOCUMENTATION else count,
                    in_flight=1,
                )
                if repetition:  # the first one is a warm-up
                    samples.add(row, subject, answer["cpu_us"])


def load(samples: Samples, repetitions: int, seconds: float) -> None:
    """Measure events a second with slow storage."""
    with null_storage(_LATENCY) as storage, ExitStack() as stack:
        workers = {subject: stack.enter_context(Child(APPS[subject], storage)) for subject in _CLIENTS}
        for worker in workers.values():
            worker.ask(event=sms(1_300), count=64, in_flight=64)  # to open its connections
        for _ in range(repetitions):
            for row, in_flight in (("events/s, storage at 50 ms, 1 in flight", 1), (THROUGHPUT, 64)):
                for subject, worker in workers.items():
                    answer = worker.ask(event=sms(1_300), count=1, in_flight=in_flight, seconds=seconds)
                    samples.add(row, subject, answer["per_second"])
                    if in_flight == 64:
                        samples.add("p50 at 64 in flight, ms", subject, answer["p50_ms"])
                        samples.add("p99 at 64 in flight, ms", subject, answer["p99_ms"])


def memory(samples: Samples, events: int) -> None:
    """Measure how much the process grows over many events."""
    with null_storage(encrypted=False) as storage, Child(APPS[OURS], storage) as worker:
        sizes = [
            worker.ask(event=sms(1_300), count=events // 10, in_flight=64)["memory_mib"] for _ in range(10)
        ]
    samples.add(f"memory after {events:,} events, MiB", OURS, sizes[-1])
    samples.add(GROWTH, OURS, sizes[-1] - sizes[0])


def sms(size: int) -> str:
    """Return an event of this many bytes, with an SMS as long as that needs."""
    event = json.loads((PROJECT_DIR / "samples" / "sms-received.json").read_text())
    event["data"]["Message"] += "x" * (size - len(json.dumps(event, separators=(",", ":"))))
    return json.dumps(event, separators=(",", ":"))


def _document(text: str) -> str:
    """Return what this app writes for an event."""
    return Outcome.of(decode(parse_envelope(parse_json(text)), SmsReceived)).encode().decode()
