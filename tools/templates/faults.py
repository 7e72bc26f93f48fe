"""What a check says."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Fault:
    path: Path
    """Below the project's folder."""
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that there is no such name, and which was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown {kind} {name!r}" + (f": did you mean {close[0]!r}?" if close else "")


def line_of(part: str, text: str) -> int:
    """Return the line where this first occurs, or the first line."""
    return text.partition(part)[0].count("\n") + 1 if part in text else 1
