"""The published schemas, with which consumers can validate outcomes."""

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
    """Return the data fields that the schema of a document requires."""
    schema = SCHEMAS[document["dataschema"]]
    name = schema["properties"]["data"]["$ref"].removeprefix("#/$defs/")
    return list(schema["$defs"][name]["required"])


def letter_of(text: str) -> dict[str, Any]:
    """Return the dead letter of a text, as a consumer reads it."""
    try:
        document = parse_json(text)
    except DecodeError:
        document = UNSET
    error = DecodeError(Reason.INVALID_DATA, "A required field is missing - at `$.data.messageId`.")
    outcome = dead_letter(text, document, function="sms", error=error)
    letter: dict[str, Any] = json.loads(outcome.encode())
    return letter


def test_every_outcome_type_has_a_schema() -> None:
    """Each identifier that `dataschema` can have names a valid JSON Schema."""
    expected = {schema_of(payload.outcome_type, payload.schema_version) for payload in PAYLOADS.values()}
    assert expected | {schema_of("acs.dead-letter", 1)} == SCHEMAS.keys()
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_the_schemas_are_what_the_types_give() -> None:
    """After a change of a payload class the schemas have to be generated again."""
    assert generated.out_of_date(schemas.files(), schemas.strays()) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_golden_outcome_validates(name: str) -> None:
    """An outcome is valid under the schema that it names."""
    assert faults(golden(name)) == []


@pytest.mark.parametrize(
    "text", ['{"id": "1", "eventType": "Other", "data": {}}', "{}", "[1]", "null", '"text"', "not JSON", ""]
)
def test_a_dead_letter_validates(text: str) -> None:
    """A dead letter is valid under its schema, whether or not the event is JSON."""
    assert faults(letter_of(text)) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_missing_field_is_refused(name: str) -> None:
    """An outcome without a required data field is not valid."""
    required = required_fields(golden(name))
    assert required
    for field in required:
        outcome = golden(name)
        del outcome["data"][field]
        assert faults(outcome) == [f"{field!r} is a required property"]


@pytest.mark.parametrize("name", SAMPLES)
def test_an_outcome_has_data_or_a_reference_to_it(name: str) -> None:
    """A document has either `data` or `dataref`."""
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
    """A schema checks the attributes as well as the data."""
    assert len(faults(golden(name) | changes)) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message", 5),
        ("message", None),
        ("receivedTimestamp", "yesterday"),
        ("receivedTimestamp", None),
        ("segmentCount", "1"),
        ("segmentCount", None),
    ],
)
def test_data_of_the_wrong_type_is_refused(key: str, value: object) -> None:
    """A schema checks the type of each field. No field may be null, not even an optional one."""
    outcome = golden("sms-received")
    assert len(faults(outcome | {"data": outcome["data"] | {key: value}})) == 1


@pytest.mark.parametrize("name", SAMPLES)
def test_fields_from_the_future_are_allowed(name: str) -> None:
    """Unknown fields and attributes are valid, so that later additions break no consumer."""
    outcome = golden(name)
    outcome["data"]["fromTheFuture"] = {"any": None}
    assert faults(outcome | {"extension": "1"}) == []


def test_a_file_that_is_out_of_date_missing_or_stray_is_named(tmp_path: Path) -> None:
    """Each file gets one line, and writing corrects them all."""
    old, new, stray = (tmp_path / name for name in ("old.json", "new.json", "stray.json"))
    old.write_text("1")
    stray.write_text("1")
    files = {old: "2", new: "2"}
    assert generated.out_of_date(files, [stray]) == [
        f"{old} is out of date",
        f"{new} is missing",
        f"{stray} is no longer generated",
    ]
    generated.write(files, [stray])
    assert generated.out_of_date(files) == []
    assert not stray.exists()
