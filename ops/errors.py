"""The errors of this package."""


class OpsError(Exception):
    """Something that the operator can put right; its text says what and how, in one line."""
