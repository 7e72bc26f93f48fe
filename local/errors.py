"""The errors of this package."""


class LocalError(Exception):
    """Something that the developer can put right; its text says what and how, in one line."""


class AppNotLoadedError(Exception):
    """The app does not load; its text says why, over several lines."""
