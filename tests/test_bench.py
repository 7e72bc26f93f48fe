"""The apps that the benchmark compares."""

import pytest

from bench.measures import sms
from bench.processes import APPS, Child, null_storage


@pytest.mark.parametrize("subject", APPS)
def test_each_app_takes_an_event(subject: str) -> None:
    """Its storage answers at once and keeps nothing."""
    with null_storage() as storage, Child(APPS[subject], storage) as worker:
        assert worker.ask(event=sms(1_300), count=1, in_flight=1)["cpu_us"] > 0
