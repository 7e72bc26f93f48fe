"""Colours for a terminal."""

import os
import sys

_COLOURS = {
    "written": 32,
    "dead_lettered": 33,
    "ignored": 2,
    "retrying": 35,
    "failed": 31,
    "refused": 31,
    "undelivered": 31,
    "unrouted": 33,
}


def coloured(fate: str) -> str:
    """Return a fate in its colour where standard output is a terminal and NO_COLOR is not set."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[{_COLOURS.get(fate, 0)}m{fate:<13}\x1b[0m"
    return f"{fate:<13}"
