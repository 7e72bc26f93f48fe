"""Writes generated files, or reports those that are out of date."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

PROJECT_DIR = Path(__file__).parent.parent

type Files = Mapping[Path, str]
"""What each generated file should hold."""


def out_of_date(files: Files, strays: Iterable[Path] = ()) -> list[str]:
    """Return one line for each file that is missing, out of date, or no longer generated."""
    lines = [f"{_shown(path)} is {_fault(path)}" for path, text in files.items() if _read(path) != text]
    return lines + [f"{_shown(path)} is no longer generated" for path in strays]


def write(files: Files, strays: Iterable[Path] = ()) -> None:
    """Write the files, and delete those that are no longer generated."""
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    for path in strays:
        path.unlink()


def command(description: str, generate: Callable[[], Files], strays: Callable[[], Iterable[Path]]) -> int:
    """Run a generator's command line, and return the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if not parser.parse_args().check:
        write(generate(), strays())
        return 0
    lines = out_of_date(generate(), strays())
    for line in lines:
        print(f"{line}: make docs", file=sys.stderr)
    return 1 if lines else 0


def _read(path: Path) -> str | None:
    return path.read_bytes().decode(errors="replace") if path.exists() else None


def _fault(path: Path) -> str:
    return "out of date" if path.exists() else "missing"


def _shown(path: Path) -> Path:
    return path.relative_to(PROJECT_DIR) if path.is_relative_to(PROJECT_DIR) else path
