"""Searches for inputs that break a property: `make fuzz`. atheris guides Hypothesis to code not yet reached.

A finding ends the run with an error. It is printed with its arguments and kept in `.hypothesis/fuzz`:
`make fuzz ARGS=FILE` repeats it. Inputs that reached new code are kept there too, for the next run.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore] # `make fuzz` brings it

with atheris.instrument_imports(include=["shared", "functions"]):
    from tests import recording, test_properties

FOLDER = Path(".hypothesis") / "fuzz"
PROGRESS_SECONDS = 10


def _explained(inner: Callable[..., None]) -> Callable[..., None]:
    @wraps(inner)
    def run(*arguments: Any, **named: Any) -> None:
        try:
            inner(*arguments, **named)
        except Exception as error:
            error.add_note(f"{inner.__name__} {arguments} {named}")
            raise

    return run


def _targets() -> list[Callable[[bytes], object]]:
    """Return the properties as functions of bytes, from which Hypothesis makes the arguments."""
    tests = [item for name, item in vars(test_properties).items() if name.startswith("test_")]
    for test in tests:
        test.hypothesis.inner_test = _explained(test.hypothesis.inner_test)
    return [test.hypothesis.fuzz_one_input for test in tests]


def _seed(corpus: Path, targets: int) -> None:
    """Write first inputs that are long enough for Hypothesis to make whole events from them."""
    corpus.mkdir(parents=True, exist_ok=True)
    for index in range(targets * 4):
        data = bytes([index % targets]) + Random(index).randbytes(4_000)  # noqa: S311 - no secret
        (corpus / f"seed-{index}").write_bytes(data)


def main(arguments: list[str]) -> None:
    """Run libFuzzer with its own arguments."""
    targets = _targets()
    cases, reported = 0, monotonic()

    def one_input(data: bytes) -> None:
        nonlocal cases, reported
        if data and targets[data[0] % len(targets)](data[1:]) is not None:
            cases += 1
        if monotonic() - reported > PROGRESS_SECONDS:
            reported = monotonic()
            sys.stderr.write(f"{cases} whole cases, no finding\n")

    options = [f"-artifact_prefix={FOLDER}/", "-timeout=30", "-max_len=8192", "-len_control=0", "-reload=0"]
    repeated = any(not argument.startswith("-") for argument in arguments[1:])
    corpus = FOLDER / "corpus"
    _seed(corpus, len(targets))
    atheris.Setup([*arguments, *options, *([] if repeated else [str(corpus)])], one_input)
    with recording.settings():
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
