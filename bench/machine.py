"""What the figures were measured on."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from local.azurite import NODE_MODULES

_PACKAGES = (
    "azure-functions",
    "azure-functions-runtime",
    "azure-core",
    "azure-storage-queue",
    "aiohttp",
    "msgspec",
    "requests",
)


def facts() -> dict[str, str]:
    azurite = json.loads((NODE_MODULES / "azurite" / "package.json").read_text())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _processor(),
        "cores": str(os.process_cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(),
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "azurite": azurite["version"],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
