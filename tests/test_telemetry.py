"""Logs, spans and metrics of deliveries, and that they contain nothing personal."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from operator import itemgetter
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from shared.settings import get_settings
from tests.events import PROJECT, golden, sample
from tests.queues import Queues

EVENTS = [path.stem for path in sorted((PROJECT / "samples").glob("*.json"))]

_SHAPES = [
    "{}",
    "+1425{}0127",
    "8:acs:{}_00000007-1234",
    "{}@contoso.example",
    "Dear {},\r\nERROR forged record",
    "https://contoso.example/{}?q=1#f",
    '"}}, {{"message": "{}"}}',
    "%s %(x)s {{0}} {}",
    "\x1b[31m{}\x00\u202e",
    "日本語 {} 🎉 \\u0041",
    "Jane_Smith_2026-03-02_491711234567_{}_order",
    "8_acs_1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007-{}",
]
CANARIES = {
    f"c4nary{n:02}": shape.format(f"c4nary{n:02}")
    for n, shape in enumerate([*_SHAPES, *_SHAPES, *_SHAPES[:6]])
}
"""Thirty texts, each by its own word. The tests look for the word, because escaping does not change it."""


@dataclass(frozen=True)
class Report:
    """Everything that is reported of some deliveries."""

    trace_id: str
    """Trace id of all invocations."""
    answers: Sequence[tuple[int, str]]
    spans: Sequence[Mapping[str, Any]]
    logs: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    """Metrics by name."""
    text: str
    """All of the above as text, and everything that was printed."""

    def canaries(self) -> set[str]:
        """Return the words of the canaries that are anywhere in the report."""
        return set(re.findall("c4nary[0-9]{2}", self.text))

    def records(self) -> list[Mapping[str, Any]]:
        """Return the attributes of the deliveries' log records."""
        return [log["attributes"] for log in self.logs if log["body"].startswith("delivery ")]

    def deliveries(self) -> list[Mapping[str, Any]]:
        """Return the deliveries' spans."""
        return [span for span in self.spans if span["name"].startswith("process ")]

    def points(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a metric's data points by fate."""
        points = self.metrics[name]["data"]["data_points"]
        return {point["attributes"]["acs.fate"]: point for point in points}


def reported(deliveries: Sequence[tuple[str, str]], *arguments: str, **settings: str) -> Report:
    """Deliver events to a process of the app with OpenTelemetry on, and return its report."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.measured", *arguments],
        input=json.dumps(deliveries).encode(),
        capture_output=True,
        cwd=PROJECT,
        env=os.environ | settings,
        timeout=120,
        check=False,
    )
    assert 0 == child.returncode, child.stderr.decode()
    report = json.loads(child.stdout)
    scopes = [scope for one in report["metrics"]["resource_metrics"] for scope in one["scope_metrics"]]
    metrics = {metric["name"]: metric for scope in scopes for metric in scope["metrics"]}
    text = child.stdout.decode() + child.stderr.decode()
    return Report(report["trace_id"], report["answers"], report["spans"], report["logs"], metrics, text)


def family_of(name: str) -> str:
    family: str = golden(name)["type"].split(".")[1].replace("-", "_")
    return family


def infested() -> list[tuple[str, str]]:
    """Return deliveries of every sample with a canary in one of its fields, as value and as key."""
    canaries = cycle(CANARIES.values())
    deliveries = []
    for name in EVENTS:
        for path in list(_paths(sample(name))):
            for as_key in (False, True):
                event = deepcopy(sample(name))
                _put(event, path, next(canaries), as_key=as_key)
                deliveries.append((family_of(name), json.dumps(event)))
    return deliveries


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path to each leaf of a JSON value."""
    match value:
        case dict():
            items: Iterator[tuple[Any, Any]] = iter(value.items())
        case list():
            items = enumerate(value)
        case _:
            yield path
            return
    for key, item in items:
        yield from _paths(item, (*path, key))


def _put(event: Any, path: tuple[Any, ...], canary: str, *, as_key: bool) -> None:
    *parents, last = path
    for key in parents:
        event = event[key]
    if as_key and isinstance(event, dict):
        event[canary] = event.pop(last)
    else:
        event[last] = canary


RECEIVED = "Microsoft.Communication.SMSReceived"
GOOD, BAD = sample("sms-received"), sample("sms-received")
del BAD["data"]["From"]
DELIVERIES = [("sms", json.dumps(event)) for event in (GOOD, BAD)]
"""One event that is written, and one that is dead-lettered."""


@pytest.mark.usefixtures("queues")
def test_a_delivery_has_a_record_a_span_and_metrics() -> None:
    """All have the function, the event type and the fate. Record and span also have the event's id."""
    report = reported(DELIVERIES)
    written, dead_lettered = sorted(report.records(), key=itemgetter("acs.fate"), reverse=True)
    dimensions = {"acs.function": "sms", "acs.event_type": RECEIVED, "acs.fate": "written", "acs.reason": "-"}
    assert dimensions | {"acs.event_id": GOOD["id"], "acs.ms": written["acs.ms"]} == written
    assert ("dead_lettered", "invalid_data") == (dead_lettered["acs.fate"], dead_lettered["acs.reason"])
    assert [written, dead_lettered] == sorted(
        (span["attributes"] for span in report.deliveries()), key=itemgetter("acs.fate"), reverse=True
    )
    counts = report.points("acs.deliveries")
    assert {"written": 1, "dead_lettered": 1} == {fate: counts[fate]["value"] for fate in counts}
    assert dimensions == counts["written"]["attributes"]


def test_what_is_measured(queues: Queues) -> None:
    """The time of the delivery and of its write, the age of the event, and the size of the outcome."""
    report = reported(DELIVERIES)
    duration, sink = (report.points(f"acs.{name}.duration") for name in ("delivery", "sink"))
    assert {"written", "dead_lettered"} == duration.keys() == sink.keys()
    assert 0 < sink["written"]["sum"] < duration["written"]["sum"] < 60
    (outcome,) = queues.messages(get_settings().queues["sms"])
    assert len(outcome.content) == report.points("acs.outcome.size")["written"]["sum"]
    age = report.points("acs.event.age")["written"]["sum"]
    since = datetime.now(UTC) - datetime.fromisoformat(GOOD["eventTime"])
    assert abs(since.total_seconds() - age) < 60


def test_an_outcome_has_the_trace_context(queues: Queues) -> None:
    """A consumer can continue the invocation's trace, from the span of the delivery."""
    report = reported(DELIVERIES)
    assert {f"0x{report.trace_id}"} == {span["context"]["trace_id"] for span in report.spans}
    written, dead_lettered = (
        next(span for span in report.deliveries() if span["attributes"]["acs.fate"] == fate)
        for fate in ("written", "dead_lettered")
    )
    for span, outcomes in ((written, queues.outcomes("sms")), (dead_lettered, queues.dead_letters())):
        span_id = span["context"]["span_id"].removeprefix("0x")
        assert [f"00-{report.trace_id}-{span_id}-01"] == [outcome["traceparent"] for outcome in outcomes]


def test_a_write_is_one_client_span(queues: Queues, azurite: str) -> None:
    """It is within the delivery's span, with storage's status and without the signature of the request."""
    for queue in (get_settings().queues["sms"], get_settings().dead_letter_queue):
        with QueueClient.from_connection_string(azurite, queue) as client:
            client.create_queue()
    report = reported(DELIVERIES)
    writes = [span for span in report.spans if span["kind"] == "SpanKind.CLIENT"]
    assert {span["context"]["span_id"] for span in report.deliveries()} == {
        span["parent_id"] for span in writes
    }
    assert [201, 201] == [span["attributes"]["http.response.status_code"] for span in writes]
    assert "sig=" not in report.text.replace("sig=REDACTED", "")
    assert 2 == len(queues.everything()) == len(writes)


def test_a_redelivery_in_another_trace_is_the_same_blob(queues: Queues, azurite: str) -> None:
    """Only the message that refers to the blob has the trace context."""
    event = sample("chat-message-received")
    event["data"]["messageBody"] = "x" * 60_000
    reported([("chat_message", json.dumps(event))] * 2)
    first, second = queues.outcomes("chat_message")
    assert first["dataref"] == second["dataref"]
    assert first["traceparent"] != second["traceparent"]
    oversize = get_settings().oversize_container
    with ContainerClient.from_connection_string(azurite, oversize) as container:
        (blob,) = container.list_blobs()
        assert b"traceparent" not in container.download_blob(blob.name).readall()


@pytest.mark.usefixtures("queues")
class TestNothingPersonal:
    """None of thirty texts is reported, in whichever field it is."""

    def test_of_what_is_written_or_dead_lettered(self) -> None:
        """The app's own records, spans and metrics contain none."""
        report = reported(infested())
        fates = Counter(record["acs.fate"] for record in report.records())
        assert fates["written"] > 50 < fates["dead_lettered"]
        assert fates.keys() == {"written", "dead_lettered"}
        assert {(202, "")} == {tuple(answer) for answer in report.answers}
        assert set() == report.canaries()

    def test_of_what_a_handler_fails_on(self) -> None:
        """The error of the handler quotes the event."""
        report = reported(infested(), "broken")
        fates = Counter(record["acs.fate"] for record in report.records())
        assert fates["raised"] > 50
        assert fates["raised"] == [status for status, _ in report.answers].count(500)
        assert set() == report.canaries()

    def test_of_what_storage_refuses(self, azurite: str) -> None:
        """The SDK's own errors, records and spans are reported too."""
        wrong_key = re.sub("AccountKey=[^;]*", "AccountKey=d3Jvbmc=", azurite)
        report = reported(infested(), OutcomesStorage=wrong_key)
        assert {"raised"} == {record["acs.fate"] for record in report.records()}
        assert {500} == {status for status, _ in report.answers}
        assert {"ERROR"} == {span["status"]["status_code"] for span in report.deliveries()}
        assert {"raised"} == report.points("acs.sink.duration").keys()
        assert set() == report.canaries()
