"""The golden outcomes: what the app's handlers write for each sample."""

import json

import pytest

from shared.envelope import parse_envelope
from shared.payloads import PAYLOADS
from tests.events import FAMILIES, SAMPLES, as_cloud_event, golden, sample
from tests.queues import Queues


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_sample_comes_out_as_its_golden_outcome(name: str, queues: Queues) -> None:
    """It comes out in its family's queue only, whichever schema the event arrives in."""
    family = FAMILIES[PAYLOADS[parse_envelope(sample(name)).type].family]
    await family.handle(json.dumps(sample(name)))
    await family.handle(json.dumps(as_cloud_event(sample(name))))
    assert [golden(name)] * 2 == queues.everything() == queues.outcomes(family.name)
