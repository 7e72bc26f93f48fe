"""Memory: how much the worker process grows over many events."""

from bench.events import sms
from bench.figures import GROWTH, Figure, Samples
from bench.processes import OURS, PROJECT_DIR, Child, null_storage


def measure(events: int) -> list[Figure]:
    samples = Samples("memory")
    event = sms(1_300)
    with null_storage(encrypted=False) as storage, Child("bench.worker", PROJECT_DIR, storage) as worker:

        def resident() -> float:
            """Return MiB after another tenth of the events."""
            answer = worker.ask(function=event.function, event=event.text, count=events // 10, in_flight=64)
            return answer["rss_kib"] / 1024

        sizes = [resident() for _ in range(10)]
    for size in sizes:
        samples.add(GROWTH.case, f"resident after each {events // 10:,}", "MiB", OURS, size)
    samples.add(GROWTH.case, GROWTH.metric, "MiB", OURS, sizes[-1] - sizes[0])
    return samples.figures()
