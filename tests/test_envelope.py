"""Reading an envelope from JSON text."""

from typing import Any

import pytest

from shared.envelope import DecodeError, Reason, parse_envelope, parse_json, utc_time

EVENT_GRID: dict[str, Any] = {
    "id": "e1",
    "topic": "/subscriptions/s",
    "subject": "thread/t",
    "eventType": "T",
    "eventTime": "2026-03-02T09:15:33Z",
    "data": {"a": 1},
}
CLOUD_EVENT: dict[str, Any] = {
    "id": "e1",
    "source": "/subscriptions/s",
    "subject": "thread/t",
    "type": "T",
    "time": "2026-03-02T09:15:33Z",
    "data": {"a": 1},
    "specversion": "1.0",
}


@pytest.mark.parametrize(
    "text",
    ["", "{", "not JSON", "\ufeff{}", "NaN", "[1e400]", '"\\ud800"', "\ud800", "[" * 100_000, "9" * 5_000],
    ids=["empty", "cut", "words", "bom", "nan", "huge", "surrogate escape", "surrogate", "nested", "digits"],
)
def test_text_that_is_no_json_is_refused(text: str) -> None:
    """Each text that is not a JSON document is refused, whatever its fault."""
    with pytest.raises(DecodeError) as refused:
        parse_json(text)
    assert refused.value.reason is Reason.INVALID_JSON


def test_both_schemas_give_the_same_envelope() -> None:
    """After the envelope is read, the schema makes no difference."""
    assert parse_envelope(EVENT_GRID) == parse_envelope(CLOUD_EVENT)


def test_misspelt_specversion_and_mixed_schemas_are_read() -> None:
    """Published examples have `specVersion`, and one mixes both schemas."""
    misspelt = {key: value for key, value in CLOUD_EVENT.items() if key != "specversion"} | {
        "specVersion": "1.0"
    }
    assert parse_envelope(CLOUD_EVENT) == parse_envelope(misspelt)
    assert parse_envelope(CLOUD_EVENT) == parse_envelope(EVENT_GRID | {"specversion": "1.0"})


@pytest.mark.parametrize("document", [None, [], [EVENT_GRID], "x", 1, True])
def test_json_that_is_no_object_is_no_envelope(document: Any) -> None:
    """An event is one object, because the Functions host splits arrays."""
    with pytest.raises(DecodeError, match=r"invalid_envelope: .* at `\$`"):
        parse_envelope(document)


@pytest.mark.parametrize("key", ["id", "eventType"])
@pytest.mark.parametrize("value", [None, "", 7, {}])
def test_an_envelope_needs_an_id_and_a_type(key: str, value: Any) -> None:
    """The app makes up no id, because a redelivery would get another and would not be seen as a repeat."""
    with pytest.raises(DecodeError, match=rf"invalid_envelope: .* at `\$\.{key}`"):
        parse_envelope(EVENT_GRID | {key: value})
    with pytest.raises(DecodeError, match=rf"invalid_envelope: .* at `\$\.{key}`"):
        parse_envelope({name: item for name, item in EVENT_GRID.items() if name != key})


def test_source_subject_time_and_data_may_be_absent() -> None:
    """Events that were written by hand often lack them."""
    envelope = parse_envelope({"id": "e1", "eventType": "T"})
    assert (envelope.source, envelope.subject, envelope.time, envelope.data) == ("unknown", None, None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-03-02T09:15:33Z", "2026-03-02T09:15:33Z"),
        ("2026-03-02T09:15:33.9174402Z", "2026-03-02T09:15:33.9174402Z"),
        ("2026-03-02T09:15:33.48+00:00", "2026-03-02T09:15:33.48Z"),
        ("2026-03-02T23:15:33.48-08:00", "2026-03-03T07:15:33.48Z"),
        ("2026-03-02t09:15:33z", "2026-03-02T09:15:33Z"),
        ("2026-03-02T09:15:33", "2026-03-02T09:15:33Z"),
        ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59.9999999Z", None),
        ("2026-03-02T24:00:00Z", None),
        ("2016-12-31T23:59:60Z", None),
        ("2026-02-30T09:15:33Z", None),
        ("2026-03-02", None),
        ("3/28/2007 7:13:50 PM +00:00", None),
        ("٢٠٢٦-03-02T09:15:33Z", None),
        (1772445735306, None),
        (None, None),
    ],
)
def test_times_become_utc_with_the_fraction_as_it_came(given: Any, expected: str | None) -> None:
    """The offset becomes Z, and no digit of the fraction is lost. A value that is not a time is None."""
    assert expected == utc_time(given)
