"""The error of this package."""


class LocalError(Exception):
    """Something that the developer can put right; its text says what and how."""
