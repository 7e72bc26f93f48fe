"""The table that is printed, and the file that keeps every figure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from bench.aims import Aim
from bench.figures import Figure
from bench.processes import GIVES_UP


def table(figures: Sequence[Figure]) -> str:
    """Return one table for each section, in Markdown: a row for each metric, a column for each app."""
    lacks = "\n".join(f"- {subject} gives up: {what}" for subject, what in GIVES_UP.items())
    return (
        lacks
        + "\n\n"
        + "\n\n".join(
            f"## {section}\n\n{_section(list(group))}"
            for section, group in groupby(figures, key=lambda figure: figure.section)
        )
    )


def save(
    file: Path, machine: dict[str, str], figures: Iterable[Figure], aims: Iterable[Aim], *, quick: bool
) -> None:
    results = {
        "quick": quick,
        "machine": machine,
        "aims": [{**asdict(aim), "met": aim.is_met} for aim in aims],
        "figures": [asdict(figure) for figure in figures],
    }
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _section(figures: Sequence[Figure]) -> str:
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    cells = {(_row(figure), figure.subject): _cell(figure) for figure in figures}
    rows = list(dict.fromkeys(_row(figure) for figure in figures))
    lines = [
        ["", *subjects],
        *([row, *(cells.get((row, subject), "") for subject in subjects)] for row in rows),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(subjects) + 1)]
    head, *body = [_line(line, widths) for line in lines]
    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([head, rule, *body])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"


def _row(figure: Figure) -> str:
    return f"{figure.case}: {figure.metric}" + (f", {figure.unit}" if figure.unit else "")


def _cell(figure: Figure) -> str:
    """Return the median, with the repetitions' spread about it."""
    spread = (figure.greatest - figure.least) / 2 / figure.median * 100 if figure.median else 0
    digits = 0 if abs(figure.median) >= 100 else 1
    return f"{figure.median:,.{digits}f} ±{abs(spread):.0f}%"
