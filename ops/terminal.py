"""Prints on a terminal: a table for people, or one JSON document a line for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime


def note(text: str) -> None:
    """Print what is no result, at once."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a text whose control characters are escaped as JSON escapes them."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print rows that have the same keys."""
    if as_json:
        lines = [json.dumps(row, default=datetime.isoformat) for row in rows]
    else:
        heading = [[key.replace("_", " ").upper() for key in row] for row in rows[:1]]
        cells = heading + [[_cell(value) for value in row.values()] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    for line in lines:
        print(line)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        seconds = max(0, int((datetime.now(UTC) - value).total_seconds()))
        units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
        unit, length = next((each for each in units if seconds >= each[1]), units[-1])
        return f"{seconds // length}{unit} ago"
    return "-" if value is None else printable(str(value))
