"""What was measured: every figure a median with its spread."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """The median of some repetitions, and the least and the greatest of them."""

    section: str
    case: str
    metric: str
    unit: str
    subject: str
    median: float
    least: float
    greatest: float
    repetitions: int


@dataclass(frozen=True)
class Headline:
    """Figures that the aims and the chart are about, one for each subject."""

    case: str
    metric: str

    def figures(self, figures: Iterable[Figure]) -> list[Figure]:
        return [figure for figure in figures if (figure.case, figure.metric) == (self.case, self.metric)]


COLD_START = Headline("fresh process", "first outcome")
WHOLE_EVENT = Headline("sms 1.3 KB", "through the runtime")
PLAIN_EVENT = Headline("sms 1.3 KB, without TLS", "through the runtime")
OWN_HANDLING = Headline("sms 1.3 KB", "all but the write")
THROUGHPUT = Headline("storage at 50 ms, 64 in flight", "throughput")
GROWTH = Headline("many events", "growth from the first tenth to the last")


@dataclass(frozen=True)
class _Key:
    case: str
    metric: str
    unit: str
    subject: str


class Samples:
    """Collects the repetitions of one section."""

    def __init__(self, section: str) -> None:
        self._section = section
        self._values: defaultdict[_Key, list[float]] = defaultdict(list)

    def add(self, case: str, metric: str, unit: str, subject: str, value: float) -> None:
        self._values[_Key(case, metric, unit, subject)].append(value)

    def figures(self) -> list[Figure]:
        return [
            Figure(
                self._section,
                key.case,
                key.metric,
                key.unit,
                key.subject,
                median(values),
                min(values),
                max(values),
                len(values),
            )
            for key, values in self._values.items()
        ]
