"""The import budget sees what an app loads."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench import imports
from tests.events import PROJECT


def test_packages_of_azure_are_told_apart() -> None:
    """Azure's packages count by their own names; the standard library and the app do not count."""
    modules = ["azure", "azure.core.rest", "azure.storage", "azure.storage.queue.aio", "json", "shared.sink"]

    assert frozenset({"azure.core", "azure.storage.queue"}) == imports.packages(modules)


def test_an_import_too_many_is_over_the_budget(tmp_path: Path) -> None:
    """An app that imports one more package at its start loads more than the budget names."""
    for package in ("functions", "shared"):
        shutil.copytree(PROJECT / package, tmp_path / package)
    entry_point = (PROJECT / "function_app.py").read_text()
    (tmp_path / "function_app.py").write_text(f"{entry_point}\nimport azure.storage.blob\n")

    assert frozenset({"azure.storage.blob"}) == imports.loaded(tmp_path) - imports.BUDGET


def test_measuring_a_cold_start_costs_it_no_import() -> None:
    """What loads the worker runtime loads nothing else, which an app would then not have to."""
    script = "import json, sys; import local.runtime; print(json.dumps([*sys.modules]))"
    modules = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, check=True)

    assert frozenset({"azure_functions_runtime"}) == imports.packages(json.loads(modules.stdout))
