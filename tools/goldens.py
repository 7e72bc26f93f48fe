"""Golden outcomes of the samples, as the app's handlers give them: `python -m tools.goldens [--check]`."""

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path

from shared.decoding import decode
from shared.envelope import parse_envelope, parse_json
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads import PAYLOADS
from tools.generated import PROJECT_DIR, Files, command

SAMPLES_DIR = PROJECT_DIR / "samples"
GOLDEN_DIR = PROJECT_DIR / "tests" / "golden"


def files() -> Files:
    """Return what each file in `tests/golden/` should hold."""
    return {GOLDEN_DIR / path.name: _golden(path) for path in sorted(SAMPLES_DIR.rglob("*.json"))}


def strays() -> list[Path]:
    """Return the files in `tests/golden/` that belong to no sample."""
    return sorted(set(GOLDEN_DIR.glob("*.json")) - files().keys())


def _golden(path: Path) -> str:
    envelope = parse_envelope(parse_json(path.read_text(encoding="utf-8")))
    payload_type = PAYLOADS[envelope.type]
    family: EventFamily = import_module(f"functions.{payload_type.family}").family

    async def outcome() -> object:
        return await family.handlers[payload_type](decode(envelope, payload_type))

    result = asyncio.run(outcome())
    if not isinstance(result, Outcome):
        raise SystemExit(f"{path.name}: a golden outcome needs a handler that returns one outcome for it")
    return json.dumps(json.loads(result.encode()), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(command("Write the golden outcomes of the samples.", files, strays))
