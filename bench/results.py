"""The results: a table, the aims, a chart, and the file results.json."""

import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.processes import (
    APPS,
    ASYNC_CLIENT,
    BARE_REQUEST,
    DOCUMENTATION,
    LACKS,
    NO_WRITE,
    OURS,
    SYNC_CLIENT,
)

FIRST_OUTCOME = "cold start: CPU to the first outcome, ms"
CPU = "CPU of an event of 1.3 KB, µs"
PLAIN_CPU = "CPU of an event of 1.3 KB, without TLS, µs"
THROUGHPUT = "events/s, storage at 50 ms, 64 in flight"
GROWTH = "memory growth from the first tenth to the last, MiB"

_AIMS = (
    ("CPU of an event without its write / with it", "at most", 0.25, (CPU, NO_WRITE), (CPU, OURS)),
    ("CPU of (a) / this app", "at least", 2.5, (CPU, DOCUMENTATION), (CPU, OURS)),
    ("the same without TLS", "at least", 2.5, (PLAIN_CPU, DOCUMENTATION), (PLAIN_CPU, OURS)),
    ("CPU of (c) / this app", "at least", 2.2, (CPU, ASYNC_CLIENT), (CPU, OURS)),
    ("CPU of this app / (e)", "at most", 2.6, (CPU, OURS), (CPU, BARE_REQUEST)),
    ("cold start of this app / (a)", "at most", 1, (FIRST_OUTCOME, OURS), (FIRST_OUTCOME, DOCUMENTATION)),
    ("throughput of this app / (b)", "at least", 10, (THROUGHPUT, OURS), (THROUGHPUT, SYNC_CLIENT)),
    ("memory growth, MiB", "at most", 1, (GROWTH, OURS), None),
)
_PACKAGES = ("azure-functions-runtime", "azure-storage-queue", "azure-core", "aiohttp", "msgspec")

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
rect { fill: #8c959f }
.ours { fill: #1f75cb }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #6e7681 } .ours { fill: #4b9bea } }
"""


class Samples:
    """Collects repetitions, by row and subject."""

    def __init__(self) -> None:
        self._values: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: str, subject: str, value: float) -> None:
        self._values[row][subject].append(value)

    def medians(self) -> dict[str, dict[str, float]]:
        return {
            row: {subject: median(values) for subject, values in subjects.items()}
            for row, subjects in self._values.items()
        }

    def table(self) -> str:
        """Return a table in Markdown: each median with half of the span of its repetitions."""
        lines = ["| | " + " | ".join(APPS) + " |", "|---|" + "---:|" * len(APPS)]
        for row, subjects in self._values.items():
            cells = [_cell(subjects[subject]) if subject in subjects else "" for subject in APPS]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def aims(medians: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Say for each aim whether it was met."""
    for name, relation, bound, (row, subject), under in _AIMS:
        value = medians[row][subject] / (medians[under[0]][under[1]] if under else 1)
        is_met = value >= bound if relation == "at least" else value <= bound
        yield f"- {name}: {value:.2f} ({relation} {bound:g}: {'met' if is_met else 'MISSED'})"


def lacks() -> Iterator[str]:
    """Say what each alternative lacks."""
    for subject, what in LACKS.items():
        yield f"- {subject}: {what}"


def save(folder: Path, samples: Samples, *, quick: bool) -> None:
    """Write the summary and the chart."""
    medians = samples.medians()
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    summary = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "quick": quick,
        "machine": f"{processor}, {os.process_cpu_count()} cores, load before {os.getloadavg()[2]:.1f}",
        "versions": {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "aims": list(aims(medians)),
        "medians": {
            row: {subject: round(value, 2) for subject, value in subjects.items()}
            for row, subjects in medians.items()
        },
    }
    (folder / "results.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    (folder / "results.svg").write_text(_chart(medians))


def _cell(values: list[float]) -> str:
    middle = median(values)
    spread = (max(values) - min(values)) / 2 / middle * 100 if middle else 0
    return f"{middle:,.{0 if abs(middle) >= 100 else 1}f} ±{abs(spread):.0f}%"


def _chart(medians: Mapping[str, Mapping[str, float]]) -> str:
    """Return an SVG with bars for this app and the alternatives, for light and dark pages."""
    lines: list[str] = []
    top = 0
    for row in (FIRST_OUTCOME, CPU, PLAIN_CPU, THROUGHPUT):
        lines.append(f'<text class="title" x="0" y="{top + 14}">{row}</text>')
        top += 26
        longest = max(medians[row].values())
        for subject, value in medians[row].items():
            length = value / longest * 420
            kind = ' class="ours"' if subject == OURS else ""
            lines += [
                f'<text x="0" y="{top + 13}">{subject}</text>',
                f'<rect{kind} x="210" y="{top}" width="{length:.1f}" height="18"/>',
                f'<text x="{216 + length:.1f}" y="{top + 13}">{value:,.0f}</text>',
            ]
            top += 24
        top += 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {top}" width="700" height="{top}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *lines, "</svg>", ""])
