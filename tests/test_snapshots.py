"""`make check` of the templates. The Bicep compiler is a stand-in, because not every machine has it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.events import PROJECT

BICEP = """#!/bin/sh
case "$1" in
    lint) [ -z "$WARNING" ] || echo "$3: $WARNING" >&2 ;;
    format) [ -z "$UNFORMATTED" ] || echo >>"$(dirname "$(dirname "$3")")/main.bicep" ;;
    snapshot) cp "$SNAPSHOTS/$(basename "$2" .bicepparam).snapshot.json" "${2%/*}" ;;
esac
"""


class Compiler:
    """A compiler that writes the snapshots of a folder, which at first are those of the project."""

    def __init__(self, folder: Path) -> None:
        self.snapshots = shutil.copytree(PROJECT / "infra" / "snapshots", folder / "snapshots")
        self.folder = folder
        (folder / "bicep").write_text(BICEP)
        (folder / "bicep").chmod(0o755)

    def check(self, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the check with this compiler on the PATH."""
        told = {"SNAPSHOTS": str(self.snapshots), "PATH": f"{self.folder}:/usr/bin:/bin"}
        return check(told | environ)


def check(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the check as `make check` does."""
    return subprocess.run(
        [sys.executable, "-m", "tools.snapshots", "--check"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(name="compiler")
def _compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path)


def test_the_same_snapshots_pass(compiler: Compiler) -> None:
    """The order of the outputs is ignored, because the compiler changes it from run to run."""
    file = compiler.snapshots / "new.snapshot.json"
    lines = file.read_text().splitlines()
    first = lines.index('  "outputs": {') + 1
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    file.write_text("\n".join(lines))
    done = compiler.check()
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_another_snapshot_is_named(compiler: Compiler) -> None:
    """After a change of a template the snapshots have to be generated again."""
    file = compiler.snapshots / "new.snapshot.json"
    file.write_text(file.read_text().replace('"FC1"', '"B1"'))
    done = compiler.check()
    assert (1, "infra/snapshots/new.snapshot.json is out of date: make docs\n") == (
        done.returncode,
        done.stderr,
    )


def test_a_warning_is_a_failure(compiler: Compiler) -> None:
    """For a property that does not exist the compiler gives only a warning."""
    done = compiler.check(WARNING="Warning BCP037: The property is not allowed")
    assert done.returncode == 1
    assert done.stderr.startswith("infra/**/*.bicep: Warning BCP037: The property is not allowed\n")
    assert (PROJECT / "infra" / "snapshots" / "bicep-version").read_text().strip() in done.stderr


def test_a_file_that_is_not_formatted_is_named(compiler: Compiler) -> None:
    """Formatting is done on a copy."""
    done = compiler.check(UNFORMATTED="1")
    assert done.returncode == 1
    assert "infra/main.bicep is not formatted: bicep format\n" in done.stderr


def test_a_missing_compiler_is_reported(tmp_path: Path) -> None:
    """The check passes. The tests check the snapshots in any case."""
    done = check({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("The templates were not compiled: bicep is not on the PATH")
    assert done.stdout.count("\n") == 1


def test_the_compiler_of_the_azure_cli_is_found(compiler: Compiler, tmp_path: Path) -> None:
    """`az bicep install` does not put it on the PATH."""
    folder = tmp_path / ".azure" / "bin"
    folder.mkdir(parents=True)
    (compiler.folder / "bicep").rename(folder / "bicep")
    done = compiler.check(HOME=str(tmp_path), PATH="/usr/bin:/bin", WARNING="Warning BCP037")
    assert (1, True) == (done.returncode, "BCP037" in done.stderr)
