"""The environment that the app runs in: this process's, local.settings.json, and the local storage."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from local.errors import LocalError

SETTINGS_FILE = "local.settings.json"


def app_environment(project_dir: Path, connection_string: str) -> dict[str, str]:
    """Return the app's environment, this process's before the file's, as with Core Tools."""
    return {**_file_values(project_dir / SETTINGS_FILE), **os.environ, "OutcomesStorage": connection_string}


def _file_values(file: Path) -> Mapping[str, str]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LocalError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("Values", {}), dict):
        raise LocalError(f'{file} should look like {{"IsEncrypted": false, "Values": {{"NAME": "value"}}}}')
    if content.get("IsEncrypted"):
        raise LocalError(f"{file} is encrypted: run `func settings decrypt`")
    return {name: str(value) for name, value in content.get("Values", {}).items()}
