"""The project's folder: which of its files are the app, and the environment that the app runs in."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from local.errors import LocalError

APP = ("function_app.py", "functions/**/*.py", "shared/**/*.py")
SETTINGS_FILE = "local.settings.json"


class _Settings(msgspec.Struct, rename="pascal"):
    """The file of Core Tools."""

    values: Mapping[str, Any] = {}
    is_encrypted: bool = False


def is_app_code(file: Path, project_dir: Path) -> bool:
    return file.is_relative_to(project_dir) and any(map(file.relative_to(project_dir).full_match, APP))


def snapshot(project_dir: Path) -> object:
    """Return something that differs whenever the app's code or settings do."""
    found = {}
    for pattern in (SETTINGS_FILE, *APP):
        for file in project_dir.glob(pattern):
            with suppress(FileNotFoundError):  # an editor may be about to put it back
                found[file] = file.stat().st_mtime_ns, file.stat().st_size
    return found


def app_environment(project_dir: Path, connection_string: str) -> dict[str, str]:
    """Return the app's environment, this process's before the file's, as with Core Tools."""
    return {**_file_values(project_dir / SETTINGS_FILE), **os.environ, "OutcomesStorage": connection_string}


def _file_values(file: Path) -> Mapping[str, str]:
    try:
        settings = msgspec.json.decode(file.read_bytes(), type=_Settings)
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise LocalError(f"{file} is wrong: {error}") from None
    if settings.is_encrypted:
        raise LocalError(f"{file} is encrypted: run `func settings decrypt`")
    return {name: str(value) for name, value in settings.values.items()}
