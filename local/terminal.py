"""Colours for a terminal."""

import os
import sys

_RED = 31
_COLOURS = {"written": 32, "dead_lettered": 33, "unrouted": 33, "ignored": 2, "retrying": 35}


def coloured(fate: str) -> str:
    """Return a fate in its colour where standard output is a terminal and NO_COLOR is not set."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[{_COLOURS.get(fate, _RED)}m{fate:<13}\x1b[0m"
    return f"{fate:<13}"
