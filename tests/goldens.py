"""Writes the golden outcomes, which the app's handlers give for the samples: `python -m tests.goldens`."""

import asyncio
import json

from shared.decoding import decode
from shared.envelope import parse_envelope
from shared.outcomes import Outcome
from shared.payloads import PAYLOADS
from tests.events import FAMILIES, PROJECT, SAMPLES, sample
from tools import generated

GOLDEN = PROJECT / "tests" / "golden"


async def outcome_of(name: str) -> str:
    """Return the outcome of a sample, as it is written to its file."""
    envelope = parse_envelope(sample(name))
    payload_type = PAYLOADS[envelope.type]
    handler = FAMILIES[payload_type.family].handlers[payload_type]
    outcome = await handler(decode(envelope, payload_type))
    if not isinstance(outcome, Outcome):
        raise SystemExit(f"{name}: a golden outcome needs a handler that returns one outcome for the sample")
    return json.dumps(json.loads(outcome.encode()), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    files = {GOLDEN / f"{name}.json": asyncio.run(outcome_of(name)) for name in SAMPLES}
    generated.write(files, strays=set(GOLDEN.glob("*.json")) - files.keys())
