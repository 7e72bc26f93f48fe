"""Which files are the app: what is deployed, and reloaded when it changes."""

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
    files = [project_dir / ENTRY_POINT, project_dir / SETTINGS_FILE]
    for package in PACKAGES:
        files += (project_dir / package).rglob("*.py")
    found = {}
    for file in files:
        with suppress(FileNotFoundError):  # an editor may be about to put it back
            stat = file.stat()
            found[file] = stat.st_mtime_ns, stat.st_size
    return found
