"""Cold start: from a fresh interpreter to the app indexed, and to its first outcome written.

The packages are those of `make package`, which have bytecode, and the same without.
"""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.events import sms
from bench.figures import COLD_START, Figure, Samples
from bench.processes import APPS, DOCUMENTATION, EMPTY, OURS, PROJECT_DIR, Child, null_storage

_SUBJECTS = (OURS, DOCUMENTATION, EMPTY)
_PACKAGES = Path(".python_packages", "lib", "site-packages")


def measure(repetitions: int) -> list[Figure]:
    samples = Samples("cold start")
    subprocess.run(["make", "--silent", "package"], cwd=PROJECT_DIR, check=True, stdout=subprocess.DEVNULL)  # noqa: S607
    compiled = PROJECT_DIR / "package"
    with null_storage() as storage, TemporaryDirectory() as folder:
        sources = Path(folder, "package")
        shutil.copytree(compiled, sources, ignore=shutil.ignore_patterns("__pycache__"))
        for _ in range(repetitions):
            for subject in _SUBJECTS:
                _start(COLD_START.case, subject, storage, compiled, samples)
                _start(f"{COLD_START.case}, no bytecode", subject, storage, sources, samples)
    return samples.figures()


def _start(case: str, subject: str, storage: str, package: Path, samples: Samples) -> None:
    event = sms(1_300)
    begin = perf_counter()
    folder = package if subject == OURS else APPS[subject]
    with Child("bench.worker", folder, storage, package / _PACKAGES) as worker:
        indexed = perf_counter() - begin
        first = worker.ask(function=event.function, event=event.text, count=1, in_flight=1)
        written = perf_counter() - begin
    samples.add(case, "indexed", "ms", subject, indexed * 1000)
    samples.add(case, COLD_START.metric, "ms", subject, written * 1000)
    samples.add(case, "first outcome", "ms CPU", subject, first["total_cpu_ms"])
    samples.add(case, "modules, first outcome", "", subject, first["modules"])
    samples.add(case, "peak memory", "MiB", subject, first["peak_kib"] / 1024)
