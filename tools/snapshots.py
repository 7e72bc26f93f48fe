"""Snapshots of the deployment, which Microsoft's Bicep compiler makes: `python -m tools.snapshots [--check]`.

`infra/snapshots/` has a parameters file for each case, and beside it the snapshot: the resources that the
templates create. An error or a warning of the compiler is a failure, and so is a difference in formatting.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.generated import PROJECT_DIR, Files, command

INFRA = PROJECT_DIR / "infra"
SNAPSHOTS = INFRA / "snapshots"
SUFFIX = ".snapshot.json"
VERSION = (SNAPSHOTS / "bicep-version").read_text(encoding="utf-8").strip()
"""Version of the compiler that made the snapshots. Another version may give other diagnostics."""

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def find_compiler() -> str | None:
    """Return the Bicep compiler on the PATH, or the one that `az bicep install` installs."""
    return shutil.which("bicep") or shutil.which("bicep", path=str(Path.home() / ".azure" / "bin"))


def generate(compiler: str) -> Files:
    """Return the snapshots that the templates give. Raises SystemExit with the compiler's messages."""
    with tempfile.TemporaryDirectory() as folder:
        infra = shutil.copytree(INFRA, Path(folder, "infra"))
        faults = _messages(compiler, "lint", "--pattern", f"{infra}/**/*.bicep") + _unformatted(
            compiler, infra
        )
        for parameters in infra.glob("snapshots/*.bicepparam"):
            faults += _messages(compiler, "snapshot", str(parameters), "--subscription-id", SUBSCRIPTION)
        if faults:
            unique = "\n".join(dict.fromkeys(faults)).replace(f"{folder}/", "")
            raise SystemExit(f"{unique}\n(The templates are made for Bicep {VERSION}: {compiler} --version)")
        return {SNAPSHOTS / path.name: _stable(path) for path in infra.glob(f"snapshots/*{SUFFIX}")}


def _messages(compiler: str, *arguments: str) -> list[str]:
    """Run the compiler and return the lines it prints, which are errors and warnings."""
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True, check=False)
    lines = f"{done.stdout}\n{done.stderr}".split("\n")
    found = [line for line in lines if line.strip()]
    return found or ([f"bicep {arguments[0]} failed"] if done.returncode else [])


def _unformatted(compiler: str, infra: Path) -> list[str]:
    before = {path: path.read_bytes() for path in infra.rglob("*.bicep")}
    messages = _messages(compiler, "format", "--pattern", f"{infra}/**/*.bicep")
    changed = sorted(path for path, content in before.items() if path.read_bytes() != content)
    return messages + [f"{path} is not formatted: bicep format" for path in changed]


def _stable(path: Path) -> str:
    """Return a snapshot with its outputs sorted by name. The compiler writes them in a random order."""
    snapshot = json.loads(path.read_text(encoding="utf-8"))
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    return json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n"


def _strays() -> list[Path]:
    """Return the snapshots without parameters."""
    cases = {path.stem for path in SNAPSHOTS.glob("*.bicepparam")}
    return [path for path in SNAPSHOTS.glob(f"*{SUFFIX}") if path.name.removesuffix(SUFFIX) not in cases]


def main() -> int:
    """Write or check the snapshots. Do nothing if there is no compiler."""
    compiler = find_compiler()
    if compiler is None:
        print("The templates were not compiled: bicep is not on the PATH (https://aka.ms/bicep-install).")
        return 0
    return command("Snapshots of the deployment.", lambda: generate(compiler), _strays)


if __name__ == "__main__":
    sys.exit(main())
