"""The consumer in examples/, in Microsoft's worker runtime, with Azurite's queues, blobs and tables."""

import ast
import json
import random
import subprocess
import sys
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from tests.events import PROJECT, golden

CONSUMER = PROJECT / "examples" / "consumer"
EXPIRES_NEVER = 9999
"""Year of `expires_on` of a message that never expires."""


class Consumer:
    """The consumer's process, and the storage that it uses."""

    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string
        self.queue_names = {"chat_message": f"chat-{uuid.uuid4().hex}", "sms": f"sms-{uuid.uuid4().hex}"}
        self.oversize = f"oversize-{uuid.uuid4().hex}"
        self.environ = {
            "OutcomesStorage": connection_string,
            "CHAT_MESSAGE_QUEUE": self.queue_names["chat_message"],
            "SMS_QUEUE": self.queue_names["sms"],
            "OVERSIZE_CONTAINER": self.oversize,
            "PYTHONPATH": str(PROJECT),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.queue_trigger"],
            cwd=CONSUMER,
            env=self.environ,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for queue in self.queue_names.values():
            self.queue(queue).create_queue()

    def take(self, function: str, *outcomes: dict[str, Any]) -> list[str]:
        """Let the consumer take these outcomes, and return its log records."""
        return self.take_text(function, *(encoded(json.dumps(outcome)) for outcome in outcomes))

    def take_text(self, function: str, *messages: str) -> list[str]:
        """Let the consumer take messages exactly as given, and return its log records."""
        for message in messages:
            self.queue(self.queue_names[function]).send_message(message)
        return self.drain(function)

    def drain(self, function: str) -> list[str]:
        """Let the consumer empty a queue, and return its log records."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{function} {self.connection_string} {self.queue_names[function]}\n")
        self.process.stdin.flush()
        lines: list[str] = []
        while (line := self.process.stdout.readline()) != "drained\n":
            assert line, f"the consumer ended: {lines}"
            lines.append(line)
        return [line.strip() for line in lines if line.startswith("consumer ")]

    def stop(self) -> None:
        """End the process as the host does, by closing its input."""
        self.process.communicate(timeout=30)

    def queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(self.connection_string, name)

    def messages(self, function: str, suffix: str = "") -> list[Any]:
        """Return the messages of a function's queue, or of the queue with this suffix."""
        return list(self.queue(self.queue_names[function] + suffix).peek_messages(32))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        with TableServiceClient.from_connection_string(self.connection_string) as service:
            return [dict(row) for row in service.get_table_client(table).list_entities()]

    def clear(self) -> None:
        with TableServiceClient.from_connection_string(self.connection_string) as service:
            for table in service.list_tables():
                client = service.get_table_client(table.name)
                for row in client.list_entities():
                    client.delete_entity(row)
        for name in self.queue_names.values():
            for suffix in ("", "-poison", "-set-aside"):
                try:
                    self.queue(name + suffix).clear_messages()
                except ResourceNotFoundError:
                    continue


@pytest.fixture(scope="module", name="process")
def _process(azurite: str) -> Iterator[Consumer]:
    """Run the consumer."""
    consumer = Consumer(azurite)
    yield consumer
    consumer.stop()


@pytest.fixture
def consumer(process: Consumer) -> Iterator[Consumer]:
    """Empty the consumer's queues and tables after the test."""
    yield process
    process.clear()


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def chat_message(kind: str, version: int, text: str | None = None, **attributes: Any) -> dict[str, Any]:
    """Return the outcome of one version of the sample's chat message."""
    outcome = golden(f"chat-message-{kind}")
    outcome["data"] |= {"threadId": "19:thread@thread.v2", "messageId": "1", "version": version}
    if text is not None:
        outcome["data"]["messageBody"] = text
    return outcome | {"id": f"{version}:{outcome['type']}", "sequence": f"{version:019d}"} | attributes


def test_a_chat_message_is_kept(consumer: Consumer) -> None:
    """The outcome comes from the queue to the consumer's state."""
    records = consumer.take("chat_message", chat_message("received", 1, "Hello"))
    assert records == ["consumer outcome type=acs.chat-message.received result=kept"]
    assert [("acs.chat-message.received", "Hello")] == [
        (row["Type"], row["Text"]) for row in consumer.rows("ChatMessages")
    ]
    assert [] == consumer.messages("chat_message")


def test_a_repeat_is_dropped(consumer: Consumer) -> None:
    """Repeats have the same `source` and `id`. Another resource's event with the same id is no repeat."""
    outcome = chat_message("received", 1, "Hello")
    (first,) = consumer.take("chat_message", outcome)
    (again,) = consumer.take("chat_message", outcome)
    (other,) = consumer.take("chat_message", outcome | {"source": "/another"})
    assert ["kept", "repeat", "not newer"] == [record.split("result=")[1] for record in (first, again, other)]


@pytest.mark.parametrize("last", ["edited", "deleted"])
def test_the_newest_version_wins_in_any_order(last: str, consumer: Consumer) -> None:
    """Sixteen versions are handled at the same time, in any order."""
    versions = [chat_message("received", 1, "1")]
    versions += [chat_message("edited", version, str(version)) for version in range(9, 23)]
    versions += [chat_message(last, 23, "23" if last == "edited" else None)]
    random.Random(0).shuffle(versions)  # noqa: S311
    consumer.take("chat_message", *versions)
    (row,) = consumer.rows("ChatMessages")
    assert (f"acs.chat-message.{last}", f"{23:019d}") == (row["Type"], row["Order"])
    assert row["Text"] == ("23" if last == "edited" else "")


def test_an_older_version_that_comes_late_changes_nothing(consumer: Consumer) -> None:
    """An edit that comes after the deletion does not bring the text back."""
    consumer.take("chat_message", chat_message("deleted", 2))
    (record,) = consumer.take("chat_message", chat_message("edited", 1, "secret"))
    assert record.endswith("result=not newer")
    assert [""] == [row["Text"] for row in consumer.rows("ChatMessages")]


def test_several_reports_on_one_sms(consumer: Consumer) -> None:
    """They may have the same id. The newest is kept, and only one with the same time is a repeat."""
    report = golden("sms-delivery-report")
    reports = []
    for status, time in (("failed", "09:20:08.5Z"), ("delivered", "09:20:09Z"), ("failed", "09:20:08.75Z")):
        data = report["data"] | {"receivedTimestamp": f"2026-03-02T{time}"}
        reports.append(report | {"deliveryoutcome": status, "data": data})
    results = [consumer.take("sms", outcome)[0].split("result=")[1] for outcome in (*reports, reports[1])]
    assert ["kept", "kept", "not newer", "repeat"] == results
    assert ["delivered"] == [row["Status"] for row in consumer.rows("SmsReports")]


def test_a_report_without_its_own_time_has_that_of_the_event(consumer: Consumer) -> None:
    """The field is optional. A report without any time is older than all others."""
    report = golden("sms-delivery-report")
    del report["data"]["receivedTimestamp"]
    assert consumer.take("sms", report)[0].endswith("result=kept")
    del report["time"]
    assert consumer.take("sms", report | {"id": "another"})[0].endswith("result=not newer")


def test_a_reference_to_a_blob_is_followed(consumer: Consumer) -> None:
    """An outcome that is too large for a message is read from the container."""
    outcome = chat_message("received", 1, "x" * 30_000)
    name = f"acs.chat-message.received/{'0' * 64}.json"
    with BlobServiceClient.from_connection_string(consumer.connection_string) as service:
        container = service.get_container_client(consumer.oversize)
        container.create_container()
        container.upload_blob(name, json.dumps(outcome))
    del outcome["data"]
    consumer.take("chat_message", outcome | {"dataref": f"https://any.host/{consumer.oversize}/{name}"})
    assert ["x" * 30_000] == [row["Text"] for row in consumer.rows("ChatMessages")]


REFERENCE = {"dataref": f"https://any.host/CONTAINER/acs.sms.received/{'1' * 64}.json"}
UNREADABLE: dict[str, tuple[str, str]] = {
    "no JSON": ("hello +14255550127", "not a CloudEvent"),
    "no object": ("[1]", "not a CloudEvent"),
    "no CloudEvent": ('{"id": "1"}', "not a CloudEvent"),
    "an id that is no text": (json.dumps(golden("sms-received") | {"id": 1}), "not a CloudEvent"),
    "another type": (json.dumps(golden("chat-message-received")), "No function handles"),
    "another container": (json.dumps(golden("sms-received") | REFERENCE), "not in the container"),
    "a reference with more after it": (
        json.dumps(golden("sms-received") | {"dataref": REFERENCE["dataref"] + "?x"}),
        "not in the container",
    ),
    "a reference that is no text": (
        json.dumps(golden("sms-received") | {"dataref": 5}),
        "not in the container",
    ),
    "a blob that is gone": (json.dumps(golden("sms-received") | REFERENCE), "is missing"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_outcome_is_set_aside(case: str, consumer: Consumer) -> None:
    """The log has the reason and nothing of the message. The message never expires."""
    text, reason = UNREADABLE[case]
    if case.startswith("a "):
        text = text.replace("CONTAINER", consumer.oversize)
    (record,) = consumer.take_text("sms", encoded(text))
    (message,) = consumer.messages("sms", "-set-aside")
    assert record.startswith(f"consumer set aside queue={consumer.queue_names['sms']}-set-aside message=")
    assert message.id in record
    assert reason in record
    assert "14255550127" not in record
    assert text == b64decode(message.content).decode()
    assert message.expires_on.year == EXPIRES_NEVER
    assert [] == consumer.messages("sms")


def test_what_is_no_base64_is_in_the_poison_queue(consumer: Consumer) -> None:
    """The host moves it there before the app sees it."""
    assert [] == consumer.take_text("sms", "no Base64!")
    assert ["no Base64!"] == [message.content for message in consumer.messages("sms", "-poison")]


def test_what_fails_again_and_again_is_in_the_poison_queue(consumer: Consumer) -> None:
    """It is not remembered as handled, so it can be put back when the cause is fixed."""
    outcome = chat_message("received", 1, "x" * 40_000)  # more than a table's property holds
    assert [] == consumer.take("chat_message", outcome)
    (message,) = consumer.messages("chat_message", "-poison")
    assert outcome == json.loads(b64decode(message.content))
    assert message.expires_on.year != EXPIRES_NEVER
    assert [] == consumer.messages("chat_message")
    assert [] == consumer.rows("Handled202603")


def test_messages_are_put_back(consumer: Consumer) -> None:
    """All messages are moved unchanged, over several pages, and no longer expire."""
    name = consumer.queue_names["sms"]
    consumer.take_text("sms", encoded("no outcome"))
    for number in range(33):
        consumer.queue(f"{name}-set-aside").send_message(encoded(str(number)))
    command = [sys.executable, "put_back.py", f"{name}-set-aside", name]
    run = subprocess.run(
        command, cwd=CONSUMER, env=consumer.environ, text=True, check=True, capture_output=True
    )
    assert run.stdout == f"34 messages moved from {name}-set-aside to {name}\n"
    assert [] == consumer.messages("sms", "-set-aside")
    (first, *others) = consumer.messages("sms")
    assert encoded("no outcome") == first.content
    assert {EXPIRES_NEVER} == {message.expires_on.year for message in (first, *others)}


def test_the_consumer_stands_alone() -> None:
    """It imports only its own files and the packages of its requirements.txt, so a copy of it runs."""
    lines = (CONSUMER / "requirements.txt").read_text().splitlines()
    packages = {line.split()[0].split("=")[0].replace("-", ".") for line in lines if line[0] != "#"}
    own = {file.stem for file in CONSUMER.glob("*.py")}
    for file in CONSUMER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert (
                    name.partition(".")[0] in own | sys.stdlib_module_names
                    or name in packages
                    or name.startswith("azure.core")  # a part of each of them
                )
