"""Which files are the app: what is deployed, and reloaded when it changes."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local.environment import SETTINGS_FILE

ENTRY_POINT = "function_app.py"
PACKAGES = ("functions", "shared")


def is_app_code(file: Path, project_dir: Path) -> bool:
    return file.is_relative_to(project_dir) and file.relative_to(project_dir).parts[0] in (
        ENTRY_POINT,
        *PACKAGES,
    )


def snapshot(project_dir: Path) -> object:
    """Return something that differs whenever the code or the settings do."""
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in _stats(project_dir)}


def _stats(project_dir: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for file in _files(project_dir):
        with suppress(FileNotFoundError):  # an editor may be about to put it back
            yield file, file.stat()


def _files(project_dir: Path) -> Iterator[Path]:
    yield project_dir / ENTRY_POINT
    yield project_dir / SETTINGS_FILE
    for package in PACKAGES:
        yield from (project_dir / package).rglob("*.py")
