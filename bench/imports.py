"""Holds the app to its import budget: what a cold start loads, measured without a clock.

The budget is of third-party packages, azure's by their parts, that importing function_app and handling an
event load.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from bench.processes import PROJECT_DIR, environment, null_storage

BUDGET = frozenset(
    {
        "_cffi_backend",
        "aiohappyeyeballs",
        "aiohttp",
        "aiosignal",
        "attr",
        "azure.core",
        "azure.functions",
        "azure.storage.queue",
        "certifi",
        "charset_normalizer",
        "cryptography",
        "frozenlist",
        "idna",
        "isodate",
        "markupsafe",
        "msgspec",
        "multidict",
        "propcache",
        "requests",
        "typing_extensions",
        "urllib3",
        "werkzeug",
        "yarl",
    }
)

_NAMESPACES = {"azure", "azure.storage"}
"""No packages themselves, but places for them."""

_SCRIPT = """\
import sys
before = set(sys.modules)
import asyncio
import json
import os
import function_app
from functions import sms
asyncio.run(sms.family.handle(sys.argv[1]))
print(json.dumps(sorted(set(sys.modules) - before)), flush=True)
os._exit(0)
"""


def loaded(project_dir: Path = PROJECT_DIR) -> frozenset[str]:
    """Return the third-party packages that importing the app and handling an event load."""
    event = (PROJECT_DIR / "samples" / "sms-received.json").read_text()
    with null_storage() as storage:
        modules = subprocess.run(
            [sys.executable, "-c", _SCRIPT, event],
            cwd=project_dir,
            env=environment(storage) | {"PYTHONPATH": ""},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    return packages(json.loads(modules))


def packages(modules: Iterable[str]) -> frozenset[str]:
    """Return the installed packages that modules are of."""
    installed = packages_distributions()
    names = {_package(module) for module in modules if module.partition(".")[0] in installed}
    return frozenset(names - _NAMESPACES)


def _package(module: str) -> str:
    package, *parts = module.split(".")
    while package in _NAMESPACES and parts:
        package += "." + parts.pop(0)
    return package


def main() -> int:
    found = loaded()
    for package in sorted(found - BUDGET):
        print(f"{package} is loaded, but not in the budget of bench/imports.py", file=sys.stderr)
    for package in sorted(BUDGET - found):
        print(f"{package} is in the budget of bench/imports.py, but not loaded", file=sys.stderr)
    return int(found != BUDGET)


if __name__ == "__main__":
    sys.exit(main())
