"""The import budget: the packages that a cold start loads, checked without measuring time."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.events import PROJECT

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
"""Namespaces, which contain packages and are none themselves."""

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


def loaded(project_dir: Path) -> frozenset[str]:
    """Return the third-party packages that importing the app and handling an event load."""
    event = (PROJECT / "samples" / "sms-received.json").read_text()
    modules = subprocess.run(
        [sys.executable, "-c", _SCRIPT, event],
        cwd=project_dir,
        env=os.environ | {"PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return packages(json.loads(modules))


def packages(modules: Iterable[str]) -> frozenset[str]:
    """Return the installed packages to which modules belong."""
    installed = packages_distributions()
    names = {_package(module) for module in modules if module.partition(".")[0] in installed}
    return frozenset(names - _NAMESPACES)


def _package(module: str) -> str:
    package, *parts = module.split(".")
    while package in _NAMESPACES and parts:
        package += "." + parts.pop(0)
    return package


def test_packages_of_azure_are_distinguished() -> None:
    """Azure's packages have their full names. The standard library and the app are not counted."""
    modules = ["azure", "azure.core.rest", "azure.storage", "azure.storage.queue.aio", "json", "shared.sink"]

    assert frozenset({"azure.core", "azure.storage.queue"}) == packages(modules)


@pytest.mark.usefixtures("queues")
def test_a_cold_start_loads_the_packages_of_the_budget() -> None:
    """Another package would delay the first event. One that is no longer loaded has to leave the budget."""
    assert BUDGET == loaded(PROJECT)


@pytest.mark.usefixtures("queues")
def test_another_import_is_over_the_budget(tmp_path: Path) -> None:
    """An app that imports one more package at its start loads more than the budget allows."""
    for package in ("functions", "shared"):
        shutil.copytree(PROJECT / package, tmp_path / package)
    entry_point = (PROJECT / "function_app.py").read_text()
    (tmp_path / "function_app.py").write_text(f"{entry_point}\nimport azure.storage.blob\n")

    assert frozenset({"azure.storage.blob"}) == loaded(tmp_path) - BUDGET


def test_the_local_runtime_imports_nothing_for_the_app() -> None:
    """The benchmark loads it before the app. Packages that it loaded would not count for the app."""
    script = "import json, sys; import local.runtime; print(json.dumps([*sys.modules]))"
    modules = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, check=True)

    assert frozenset({"azure_functions_runtime"}) == packages(json.loads(modules.stdout))
