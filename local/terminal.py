"""What may be printed on a terminal."""


def printable(text: str) -> str:
    """Return a text with what could command a terminal escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
