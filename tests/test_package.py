"""The deployed files run by themselves, with the locked packages and nothing else."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from pathspec import GitIgnoreSpec

from local import stack as local_stack
from local.azurite import Azurite
from local.errors import LocalError
from local.project import app_environment
from local.reloading import Worker
from local.stack import Stack
from tests.events import PROJECT
from tests.test_completeness import DEPLOYED, imports
from tests.test_end_to_end import (
    RunningApp,
    queues,
    test_a_bad_event_is_accepted_and_dead_lettered,
    test_a_thread_of_250_participants_comes_out_whole,
    test_an_event_comes_out_as_its_outcome,
)

__all__ = [  # these end-to-end tests run here again, with this module's stack
    "queues",
    "test_a_bad_event_is_accepted_and_dead_lettered",
    "test_a_thread_of_250_participants_comes_out_whole",
    "test_an_event_comes_out_as_its_outcome",
]

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPLOADED = {"function_app.py", "functions", "host.json", "requirements.txt", "shared"}
PACKAGES = Path(".python_packages", "lib", "site-packages")
"""Where the remote build installs packages, and where the worker in Azure looks first."""

type Reader = Callable[[str], bool]
"""Returns whether a file is uploaded."""


def core_tools() -> Reader:
    """Read .funcignore as `func azure functionapp publish` does."""
    lines = [line for line in (PROJECT / ".funcignore").read_text().splitlines() if line[0] != "#"]
    patterns = [re.escape(line).replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for line in lines]
    ignored = re.compile(rf"({'|'.join(patterns)})\b", re.ASCII)
    return lambda path: not ignored.match(path)


def azd() -> Reader:
    """Read .funcignore as `azd deploy` does."""
    ignored = GitIgnoreSpec.from_lines((PROJECT / ".funcignore").read_text().splitlines())
    return lambda path: not ignored.match_file(path)


def files() -> list[str]:
    """Return the project's files, and some that a developer's machine may have."""
    found = []
    for folder, folders, names in PROJECT.walk():
        folders[:] = set(folders) - {".git", ".venv", "node_modules"}
        found += [str((folder / name).relative_to(PROJECT)) for name in names]
    return [
        *found,
        *("local.settings.json", "sbom.cdx.json", "node_modules/@azure/core/a.js", ".azure/dev/.env"),
        *("__pycache__/function_app.cpython-313.pyc", "functions/__pycache__/sms.cpython-313.pyc"),
    ]


@pytest.mark.parametrize("reader", [core_tools, azd])
async def test_only_what_runs_is_uploaded(reader: Callable[[], Reader]) -> None:
    """Tests, tools and local files are not uploaded, and no source file is missing."""
    is_uploaded = reader()
    uploaded = {Path(path) for path in files() if is_uploaded(path)}
    assert UPLOADED == {path.parts[0] for path in uploaded}
    folders = [PROJECT / name for name in sorted(UPLOADED) if (PROJECT / name).is_dir()]
    sources = {file.relative_to(PROJECT) for folder in folders for file in folder.rglob("*.py")}
    assert sources == {path for path in uploaded if len(path.parts) > 1}


@pytest.fixture(scope="module")
def built() -> set[Path]:
    """Build the folder with `make package`, and return its files."""
    subprocess.run(["make", "package"], cwd=PROJECT, check=True, timeout=300, stdout=subprocess.DEVNULL)  # noqa: S607
    package = PROJECT / "package"
    return {file.relative_to(package) for file in package.rglob("*") if file.is_file()}


async def test_a_package_built_by_make_is_the_same(built: set[Path]) -> None:
    """It has the files that are uploaded, and packages for Linux on any machine."""
    built = {path for path in built if path.suffix != ".pyc"}
    packages = {path for path in built if path.is_relative_to(PACKAGES)}
    assert {Path(path) for path in files() if core_tools()(path)} == built - packages
    libraries = {path.name for path in packages if path.suffix == ".so"}
    assert libraries
    assert not {name for name in libraries if "x86_64-linux" not in name and "abi3" not in name}


def bytecode_flags(source: Path) -> int:
    """Return how Python checks the bytecode of a source in the package: PEP 552."""
    compiled = importlib.util.cache_from_source(str(PROJECT / "package" / source))
    return int.from_bytes(Path(compiled).read_bytes()[4:8], "little")


async def test_a_package_built_by_make_has_bytecode_that_stays_valid(built: set[Path]) -> None:
    """A zip changes the times of the sources. Otherwise every instance would compile them at its start."""
    sources = {path for path in built if path.suffix == ".py"}
    assert sources
    assert {0b01} == set(map(bytecode_flags, sources))  # checked neither by time nor by hash


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the folder that runs in Azure, with packages for this machine."""
    folder = tmp_path_factory.mktemp("package")
    for path in filter(core_tools(), files()):
        if (PROJECT / path).exists():
            (folder / path).parent.mkdir(exist_ok=True)
            shutil.copy(PROJECT / path, folder / path)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--target", str(folder / PACKAGES), "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*command, "-r", "requirements.txt"], cwd=folder, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a Python that has only the stand-in for the Functions host, and return its path."""
    folder = tmp_path_factory.mktemp("platform")
    venv.create(folder, symlinks=True)
    (site_packages,) = folder.glob("lib/*/site-packages")
    (site_packages / "local").symlink_to(PROJECT / "local", target_is_directory=True)
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def loaded(package: Path, python: str) -> list[Path]:
    """Import all modules that the deployed files import, and return the files of all loaded modules.

    This leaves bytecode for the tests that start the package.
    """
    modules = {".".join(file.relative_to(PROJECT).with_suffix("").parts) for file in DEPLOYED}
    script = f"""
import importlib, json, sys
for name in {sorted(modules.union(*map(imports, DEPLOYED)))}:
    importlib.import_module(name)
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""
    env = os.environ | {"PYTHONPATH": str(package / PACKAGES), "PYTHONDONTWRITEBYTECODE": ""}
    run = subprocess.run(
        [python, "-c", script], cwd=package, env=env, check=True, timeout=60, stdout=subprocess.PIPE
    )
    return [Path(file) for file in json.loads(run.stdout)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    storage: Azurite,
    package: Path,
    python: str,
    loaded: list[Path],  # noqa: ARG001 - starts are slow without the bytecode that it leaves
) -> AsyncIterator[Stack]:
    """Run the local stack with the package only."""
    with pytest.MonkeyPatch.context() as machine:
        machine.setattr(sys, "executable", python)
        machine.setenv("PYTHONPATH", str(package / PACKAGES))
        async with local_stack.running(storage, project_dir=package) as running:
            yield running


@pytest.fixture(scope="module")
def app(stack: Stack) -> RunningApp:
    """Return the running package."""
    return RunningApp(stack.endpoint, stack.connection_string)


async def test_whatever_is_imported_is_in_the_package(package: Path, loaded: list[Path]) -> None:
    """Only the standard library comes from the machine."""
    standard = sysconfig.get_path("stdlib")
    assert [] == [
        file for file in loaded if not (file.is_relative_to(package) or file.is_relative_to(standard))
    ]
    assert {package / file.relative_to(PROJECT) for file in DEPLOYED} <= set(loaded)


@pytest.mark.parametrize(("parent", "module"), [(PACKAGES, "azure.core"), (Path(), "shared")])
async def test_what_the_package_lacks_is_found_nowhere_else(
    parent: Path, module: str, package: Path, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken neither from the development packages nor from the project's folder."""
    folder = tmp_path / "package"
    shutil.copytree(package, folder, copy_function=os.link)
    (folder / parent / module.replace(".", "/")).rename(tmp_path / "left out")
    monkeypatch.setattr(sys, "executable", python)
    environment = app_environment(folder, "") | {"PYTHONPATH": str(folder / PACKAGES)}
    with pytest.raises(LocalError, match=f"No module named '{module}'"):
        await Worker.start(folder, environment)
