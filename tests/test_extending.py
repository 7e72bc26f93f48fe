"""The code in docs/extending.md works in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.azurite import NODE_MODULES
from tests.events import PROJECT

PAGE = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:^`([\w./-]+)`([^\n]*):\n)?\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FAMILY_FILES = {
    "function_app.py",
    "functions/email.py",
    "infra/event-subscriptions.json",
    "samples/email-delivery-report.json",
    "samples/email-engagement-report.json",
    "samples/shapes/email-delivery-report.details-as-text.json",
    "shared/payloads/__init__.py",
    "shared/payloads/email.py",
    "tests/test_email.py",
}
"""The files that a person writes or changes to add a family."""


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Return the file, the language and the text of each code block of a file."""
    path = ""
    for found in BLOCK.finditer(text):
        path = found[1] or path
        yield path, found[3], found[4]


def patched(text: str, difference: str) -> str:
    """Return a text with a difference applied. Its lines must be in the text exactly once."""
    lines = difference.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    assert 1 == text.count(old), difference
    return text.replace(old, new)


def apply(copy: Path, section: str) -> set[str]:
    """Apply the code of a section, and return the files that it changes."""
    changed = set()
    for name, language, code in blocks(section):
        target = copy / name
        if language == "diff":
            target.write_text(patched(target.read_text(encoding="utf-8"), code), encoding="utf-8")
        else:
            assert not target.exists(), name
            target.write_text(code, encoding="utf-8")
        changed.add(name)
    return changed


def section(heading: str) -> str:
    """Return a section of the page."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def run(copy: Path, *arguments: str) -> str:
    """Run Python in the copy, and return what it printed. Fails the test if the command fails."""
    command = [sys.executable, *arguments]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        command, cwd=copy, env=environ, capture_output=True, text=True, timeout=240, check=False
    )
    assert 0 == done.returncode, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the project's files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (PROJECT / name).is_file():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target)
    (tmp_path / "local" / "node_modules").symlink_to(NODE_MODULES)
    return tmp_path


def test_a_family_is_added_by_the_files_on_the_page(copy: Path) -> None:
    """Its events come out of its queue through the worker and Azurite, and all checks pass."""
    assert FAMILY_FILES == apply(copy, section("Add a family"))
    for module in ("tests.goldens", "tools.schemas", "tools.events_page"):
        run(copy, "-m", module)
    modules = [name for name in FAMILY_FILES if name.endswith(".py")]
    for checker in (("mypy",), ("ruff", "check"), ("ruff", "format", "--check")):
        run(copy, "-m", *checker, *modules)
    tests = ("email", "completeness", "event_subscriptions", "schemas", "goldens")
    run(copy, "-m", "pytest", "-q", *(f"tests/test_{name}.py" for name in tests))
    run(
        copy,
        "-m",
        "pytest",
        "-q",
        "tests/test_docs.py",
        "-k",
        "types_and_samples or event_type or every_sample",
    )
    passed = run(copy, "-m", "pytest", "-q", "tests/test_end_to_end.py", "-k", "comes_out and email")
    assert "6 passed" in passed  # each of the three samples, in both schemas


def test_the_handlers_on_the_page_work(copy: Path) -> None:
    """The tests on the page pass: those of the changed handler, and those of the API call."""
    handler, test = (code for _, _, code in blocks(section("Change a handler")))
    module = copy / "functions" / "chat_message.py"
    text = module.read_text(encoding="utf-8")
    shipped = re.search(r"^@family\.on\(ChatMessageReceived\).*?\n\n\n", text, re.MULTILINE | re.DOTALL)
    assert shipped
    module.write_text(text.replace(shipped[0], f"{handler}\n\n"), encoding="utf-8")
    (copy / "tests" / "test_chat_message.py").write_text(test, encoding="utf-8")
    assert {"functions/customers.py", "tests/test_customers.py"} == apply(
        copy, section("Call an API of yours")
    )
    tests = ("tests/test_chat_message.py", "tests/test_customers.py")
    run(copy, "-m", "mypy", "functions", *tests)
    run(copy, "-m", "ruff", "check", "functions", *tests)
    run(copy, "-m", "pytest", "-q", *tests)
