"""`python -m bench`: measures, prints a table, and writes bench/results.json and bench/results.svg."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter

from bench import aims, chart, coldstart, cost, load, machine, memory, report
from bench.figures import Figure

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class _Effort:
    """How often each thing is measured: it decides the spread, and how long the whole takes."""

    cold_starts: int
    cost_repetitions: int
    cost_events: int
    load_repetitions: int
    load_seconds: float
    memory_events: int


_FULL = _Effort(12, 3, 50, 2, 0.2, 100_000)
_QUICK = _Effort(2, 3, 20, 2, 0.1, 5_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in under a minute, with a wider spread")
    quick: bool = parser.parse_args().quick
    begin = perf_counter()
    facts = machine.facts()
    figures = list(_measure(_QUICK if quick else _FULL))
    judged = aims.aims(figures)
    report.save(_FOLDER / "results.json", facts, figures, judged, quick=quick)
    (_FOLDER / "results.svg").write_text(chart.svg(figures), encoding="utf-8")
    print(report.table(figures), "## aims", "\n".join(f"- {aim}" for aim in judged), sep="\n\n")
    print("", ", ".join(f"{name} {value}" for name, value in facts.items()), sep="\n")
    print(f"{perf_counter() - begin:.0f} s")


def _measure(effort: _Effort) -> Iterator[Figure]:
    _say("cold start")
    yield from coldstart.measure(effort.cold_starts)
    _say("cost per event")
    yield from cost.measure(effort.cost_repetitions, effort.cost_events)
    _say("load")
    yield from asyncio.run(load.measure(effort.load_repetitions, effort.load_seconds))
    _say("memory")
    yield from memory.measure(effort.memory_events)


def _say(section: str) -> None:
    print(f"{datetime.now():%H:%M:%S} measures {section}", file=sys.stderr)  # noqa: DTZ005 - for the terminal


if __name__ == "__main__":
    main()
