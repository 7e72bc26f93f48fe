"""The published schemas: what consumers may hold outcomes to."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import UNSET

from shared.envelope import DecodeError, Reason, parse_json
from shared.outcomes import dead_letter, schema_of
from shared.payloads import PAYLOADS
from tests.events import SAMPLES, golden
from tests.schemas import SCHEMAS, faults
from tools import generated, schemas


def required_fields(document: dict[str, Any]) -> list[str]:
    """Return the data fields that the schema of a document demands."""
    schema = SCHEMAS[document["dataschema"]]
    name = schema["properties"]["data"]["$ref"].removeprefix("#/$defs/")
    return list(schema["$defs"][name]["required"])


def letter_of(text: str) -> dict[str, Any]:
    """Return an event's dead letter as a consumer reads it."""
    try:
        document = parse_json(text)
    except DecodeError:
        document = UNSET
    error = DecodeError(Reason.INVALID_DATA, "A required field is missing - at `$.data.messageId`.")
    outcome = dead_letter(text, document, function="sms", error=error)
    letter: dict[str, Any] = json.loads(outcome.encode())
    return letter


def test_every_outcome_type_has_a_schema() -> None:
    """Whatever `dataschema` names is there, and is a JSON Schema."""
    expected = {schema_of(payload.outcome_type, payload.schema_version) for payload in PAYLOADS.values()}
    assert expected | {schema_of("acs.dead-letter", 1)} == SCHEMAS.keys()
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_the_schemas_are_what_the_types_give() -> None:
    """A changed payload class comes with its changed schema."""
    assert generated.out_of_date(schemas.files(), schemas.strays()) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_golden_outcome_validates(name: str) -> None:
    """An outcome is valid under the schema that it names."""
    assert faults(golden(name)) == []


@pytest.mark.parametrize(
    "text", ['{"id": "1", "eventType": "Other", "data": {}}', "{}", "[1]", "null", '"text"', "not JSON", ""]
)
def test_a_dead_letter_validates(text: str) -> None:
    """A dead letter is valid under its schema, whatever JSON the event is, and where it is none."""
    assert faults(letter_of(text)) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_missing_field_is_refused(name: str) -> None:
    """Each data field that a schema demands is one that consumers can rely on."""
    required = required_fields(golden(name))
    assert required
    for field in required:
        outcome = golden(name)
        del outcome["data"][field]
        assert faults(outcome) == [f"{field!r} is a required property"]


@pytest.mark.parametrize("name", SAMPLES)
def test_an_outcome_has_data_or_says_where_it_is(name: str) -> None:
    """A document has `data` or `dataref`: one of them, and never both."""
    outcome = golden(name)
    both = outcome | {"dataref": "https://contoso.blob.core.windows.net/acs-outcomes/1.json"}
    elsewhere = {key: value for key, value in both.items() if key != "data"}
    neither = {key: value for key, value in outcome.items() if key != "data"}
    assert faults(elsewhere) == []
    assert len(faults(both)) == len(faults(neither)) == 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sms-received", {"type": "acs.sms.sent"}),
        ("sms-received", {"specversion": "0.3"}),
        ("sms-received", {"time": "yesterday"}),
        ("sms-received", {"time": "2026-03-02T09:15:33"}),
        ("sms-received", {"smskeyword": "maybe"}),
        ("sms-delivery-report", {"eventtype": "Microsoft.Communication.SMSReceived"}),
        ("chat-message-received", {"scope": "everyone"}),
        ("chat-message-received", {"sequence": "17"}),
    ],
)
def test_a_wrong_attribute_is_refused(name: str, changes: dict[str, str]) -> None:
    """A schema holds the attributes to their values, not only the data."""
    assert len(faults(golden(name) | changes)) == 1


@pytest.mark.parametrize("key", ["receivedTimestamp", "message", "segmentCount"])
def test_data_of_the_wrong_type_is_refused(key: str) -> None:
    """A schema knows the types of the data: times and optional fields too, which are never null."""
    outcome = golden("sms-received")
    assert len(faults(outcome | {"data": outcome["data"] | {key: None}})) == 1


@pytest.mark.parametrize("name", SAMPLES)
def test_fields_from_the_future_are_allowed(name: str) -> None:
    """What ACS adds to an event, or a handler to an outcome, breaks no consumer that validates."""
    outcome = golden(name)
    outcome["data"]["fromTheFuture"] = {"any": None}
    assert faults(outcome | {"extension": "1"}) == []


def test_a_file_that_is_out_of_date_missing_or_stray_is_named(tmp_path: Path) -> None:
    """Each gets one line; writing cures them all."""
    old, new, stray = (tmp_path / name for name in ("old.json", "new.json", "stray.json"))
    old.write_text("1")
    stray.write_text("1")
    files = {old: "2", new: "2"}
    assert generated.out_of_date(files, [stray]) == [
        f"{old} is out of date",
        f"{new} is missing",
        f"{stray} is generated from nothing",
    ]
    generated.write(files, [stray])
    assert generated.out_of_date(files) == []
    assert not stray.exists()
