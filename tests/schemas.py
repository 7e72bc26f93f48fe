"""The published schemas, as a consumer validates outcomes with them."""

import json
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from tools import schemas

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    """Return whether a text is a time with an offset, which jsonschema does not check by itself."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


SCHEMAS: dict[str, dict[str, Any]] = {
    schema["$id"]: schema
    for schema in (
        json.loads(path.read_text(encoding="utf-8")) for path in schemas.SCHEMAS_DIR.glob("*.json")
    )
}


def faults(document: dict[str, Any]) -> list[str]:
    """Return the errors of a document under the schema that it names."""
    validator = Draft202012Validator(SCHEMAS[document["dataschema"]], format_checker=FORMATS)
    return [error.message for error in validator.iter_errors(document)]
