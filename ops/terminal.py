"""Makes text safe to print on a terminal."""

import json


def printable(text: str) -> str:
    """Return a text whose control characters are escaped as JSON escapes them."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
