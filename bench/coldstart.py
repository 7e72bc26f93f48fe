"""Cold start: from a fresh interpreter to the app indexed, and to its first outcome written."""

from time import perf_counter

from bench.events import sms
from bench.figures import COLD_START, Figure, Samples
from bench.processes import APPS, DOCUMENTATION, EMPTY, OURS, Child, null_storage

_SUBJECTS = (OURS, DOCUMENTATION, EMPTY)


def measure(repetitions: int) -> list[Figure]:
    samples = Samples("cold start")
    with null_storage() as storage:
        for subject in _SUBJECTS:
            _start(subject, storage, Samples("with its bytecode compiled from here on"))
        for _ in range(repetitions):
            for subject in _SUBJECTS:
                _start(subject, storage, samples)
    return samples.figures()


def _start(subject: str, storage: str, samples: Samples) -> None:
    event = sms(1_300)
    begin = perf_counter()
    with Child("bench.worker", APPS[subject], storage) as worker:
        indexed = perf_counter() - begin
        first = worker.ask(function=event.function, event=event.text, count=1, in_flight=1)
        written = perf_counter() - begin
    samples.add(COLD_START.case, "indexed", "ms", subject, indexed * 1000)
    samples.add(COLD_START.case, COLD_START.metric, "ms", subject, written * 1000)
    samples.add(COLD_START.case, "modules, indexed", "", subject, worker.ready["modules"])
    samples.add(COLD_START.case, "modules, first outcome", "", subject, first["modules"])
    samples.add(COLD_START.case, "peak memory", "MiB", subject, first["peak_kib"] / 1024)
