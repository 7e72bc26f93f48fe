"""What a new event type needs is complete, and deployed code depends on nothing else."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from azure.eventgrid import SystemEventNames

from function_app import app
from shared.envelope import parse_envelope
from shared.payloads import PAYLOADS
from tests.events import FAMILIES, PROJECT, SAMPLES, golden, sample

DEPLOYED = [PROJECT / "function_app.py", *PROJECT.glob("functions/*.py"), *PROJECT.glob("shared/**/*.py")]
PURE = [
    *(
        PROJECT / "shared" / f"{name}.py"
        for name in ("envelope", "model", "identifiers", "decoding", "outcomes")
    ),
    *PROJECT.glob("shared/payloads/*.py"),
]


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_every_event_type_is_one_that_event_grid_knows() -> None:
    """Event type names are those of Microsoft's library, whose import would slow a cold start."""
    assert PAYLOADS.keys() <= {name.value for name in SystemEventNames}


def test_every_payload_has_a_handler() -> None:
    """A supported event type is handled by its family."""
    handled = {payload_type for family in FAMILIES.values() for payload_type in family.handlers}
    assert set(PAYLOADS.values()) == handled


def test_every_event_type_has_a_sample_and_a_golden_outcome() -> None:
    """Each event type has a sample, and each sample has the outcome that it must give."""
    assert PAYLOADS.keys() == {parse_envelope(sample(name)).type for name in SAMPLES}
    assert SAMPLES == sorted(path.stem for path in (PROJECT / "tests" / "golden").glob("*.json"))
    assert {payload.outcome_type for payload in PAYLOADS.values()} == {
        golden(name)["type"] for name in SAMPLES
    }


def test_samples_name_no_real_phone_number() -> None:
    """Numbers in samples are from 555-0100 to 555-0199, which are given to no one."""
    text = "".join(json.dumps(sample(name)) for name in SAMPLES)
    numbers = re.findall(r"(?<![0-9a-f])1[0-9]{10}(?![0-9])", text)
    assert {"55501"} == {number[4:9] for number in numbers}


def test_every_family_is_a_function_of_the_app() -> None:
    """One Event Grid trigger for each family, whose argument is the event's text."""
    functions = {str(function.get_function_name()): function for function in app.get_functions()}
    assert FAMILIES.keys() == functions.keys()
    for function in functions.values():
        assert [("eventGridTrigger", "event")] == [(item.type, item.name) for item in function.get_bindings()]
        assert function.get_user_function().__annotations__["event"] is str


@pytest.mark.parametrize("file", DEPLOYED, ids=lambda file: file.name)
def test_nothing_deployed_imports_what_is_not(file: Path) -> None:
    """The other folders stay on the developer's machine."""
    assert not {"local", "ops", "bench", "tests", "tools", "samples", "infra", "examples"} & {
        name.partition(".")[0] for name in imports(file)
    }


@pytest.mark.parametrize("file", PURE, ids=lambda file: file.stem)
def test_what_makes_outcomes_is_pure(file: Path) -> None:
    """They use no client, environment, clock or log, so the same event gives the same bytes."""
    pure = {".".join(other.relative_to(PROJECT).with_suffix("").parts) for other in PURE}
    standard = {
        "collections.abc",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "operator",
        "re",
        "types",
        "typing",
    }
    assert imports(file) <= pure | standard | {"msgspec", "msgspec.structs", "shared.payloads"}
    assert ".now(" not in file.read_text()


def test_the_deployed_files_alone_import_without_settings_or_connections(tmp_path: Path) -> None:
    """A cold start reads no setting and connects to nothing. Wrong settings do not stop it."""
    for file in DEPLOYED:
        target = tmp_path / file.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    script = """
import sys
sys.addaudithook(lambda name, args: name.startswith("socket.connect") and sys.exit("connected"))
import function_app
from shared.settings import get_settings
assert get_settings.cache_info().misses == 0
assert not {"azure.identity", "azure.eventgrid", "azure.storage.blob", "opentelemetry"} & sys.modules.keys()
"""
    environ = os.environ | {"OutcomesStorage": "wrong", "SMS_QUEUE": "WRONG"}
    command = [sys.executable, "-W", "error", "-c", script]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, timeout=60)


def test_host_settings_keep_the_apps_own_records() -> None:
    """The host logs functions at Information, and Application Insights samples none of their records away."""
    host = json.loads((PROJECT / "host.json").read_text())
    assert host["logging"]["logLevel"]["Function"] == "Information"
    assert "Trace" in host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
