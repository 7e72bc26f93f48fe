"""What may be printed on a terminal."""

import json


def printable(text: str) -> str:
    """Return a text with what could command a terminal escaped, as JSON does it."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
