"""Cost per event: CPU time of the worker process, against storage that costs nothing."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass

from bench import stages
from bench.events import OVERSIZE, SIZES, Event, kinds, sms
from bench.figures import PLAIN_EVENT, WHOLE_EVENT, Figure, Samples
from bench.processes import (
    APPS,
    ASYNC_CLIENT,
    BARE_REQUEST,
    DOCUMENTATION,
    OURS,
    SYNC_CLIENT,
    Child,
    null_storage,
)

_CLIENTS = (OURS, DOCUMENTATION, SYNC_CLIENT, ASYNC_CLIENT)

_FEW = 10
"""Events in a burst of those that take long."""


@dataclass(frozen=True)
class _Burst:
    """So many times the same event, one after another."""

    case: str
    subject: str
    child: Child
    event: Event
    count: int

    def run(self) -> dict[str, float]:
        """Return microseconds of CPU time by what took them."""
        answer = self.child.ask(
            function=self.event.function, event=self.event.text, count=self.count, in_flight=1
        )
        return {WHOLE_EVENT.metric: answer["cpu_us"]} if "cpu_us" in answer else dict(answer)


def measure(repetitions: int, events: int) -> list[Figure]:
    samples = Samples("cost per event")
    with null_storage() as storage, null_storage(encrypted=False) as plain, ExitStack() as stack:

        def start(module: str, subject: str, storage: str) -> Child:
            return stack.enter_context(Child(module, APPS[subject], storage))

        workers = {subject: start("bench.worker", subject, storage) for subject in APPS}
        split = start("bench.stages", OURS, storage)
        unencrypted = {subject: start("bench.worker", subject, plain) for subject in _CLIENTS}
        bursts = [*_bursts(workers, split, events), *_unencrypted(unencrypted, events)]
        for burst in bursts:
            burst.run()  # to warm up
        for _ in range(repetitions):
            for burst in bursts:
                for metric, value in burst.run().items():
                    samples.add(burst.case, metric, "us CPU", burst.subject, value)
    return samples.figures()


def _bursts(workers: dict[str, Child], split: Child, events: int) -> list[_Burst]:
    ours = workers[OURS]
    return [
        *(
            _Burst(
                f"sms {name}",
                subject,
                worker,
                _given(subject, sms(size)),
                _FEW if subject == DOCUMENTATION else events,
            )
            for name, size in SIZES.items()
            for subject, worker in workers.items()
        ),
        *(_Burst(f"sms {name}", OURS, split, sms(size), events) for name, size in SIZES.items()),
        _Burst(f"sms {OVERSIZE}", OURS, ours, sms(1_000_000), _FEW),
        *(_Burst(kind, OURS, ours, event, events) for kind, event in kinds().items()),
    ]


def _unencrypted(workers: dict[str, Child], events: int) -> list[_Burst]:
    """Return what shows how much of the difference is TLS; storage in Azure takes nothing else."""
    return [
        _Burst(PLAIN_EVENT.case, subject, worker, sms(SIZES["1.3 KB"]), events)
        for subject, worker in workers.items()
    ]


def _given(subject: str, event: Event) -> Event:
    """Return what an app is given: the bare request the bytes that it puts."""
    return (
        Event(event.function, asyncio.run(stages.document(event.text))) if subject == BARE_REQUEST else event
    )
