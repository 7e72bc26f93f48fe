"""What this app is held to, as ratios to what a user would otherwise have."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import (
    COLD_START,
    GROWTH,
    OWN_HANDLING,
    PLAIN_EVENT,
    THROUGHPUT,
    WHOLE_EVENT,
    Figure,
    Headline,
)
from bench.processes import ASYNC_CLIENT, BARE_REQUEST, DOCUMENTATION, OURS, SYNC_CLIENT


@dataclass(frozen=True)
class Aim:
    """A bound, and the value that was measured."""

    name: str
    bound: float
    at_least: bool
    value: float

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        relation = "at least" if self.at_least else "at most"
        return (
            f"{self.name}: {self.value:.2f} ({relation} {self.bound:g}: {'met' if self.is_met else 'MISSED'})"
        )


def aims(figures: Sequence[Figure]) -> list[Aim]:
    def of(headline: Headline, subject: str = OURS) -> float:
        return next(figure.median for figure in headline.figures(figures) if figure.subject == subject)

    def ratio(headline: Headline, over: str, under: str) -> float:
        return of(headline, over) / of(headline, under)

    return [
        Aim("own handling of 1.3 KB, us", 60, False, of(OWN_HANDLING)),
        Aim("CPU of (a) / this app", 2.5, True, ratio(WHOLE_EVENT, DOCUMENTATION, OURS)),
        Aim("the same without TLS", 2.5, True, ratio(PLAIN_EVENT, DOCUMENTATION, OURS)),
        Aim("CPU of (c) / this app", 2.2, True, ratio(WHOLE_EVENT, ASYNC_CLIENT, OURS)),
        Aim("CPU of this app / (e)", 2.6, False, ratio(WHOLE_EVENT, OURS, BARE_REQUEST)),
        Aim("cold start of this app / (a)", 1, False, ratio(COLD_START, OURS, DOCUMENTATION)),
        Aim("throughput of this app / (b)", 10, True, ratio(THROUGHPUT, OURS, SYNC_CLIENT)),
        Aim("memory growth, MiB", 1, False, of(GROWTH)),
    ]
