"""Parses and writes JSON as the Functions host does: a function is given the host's text, not the sender's.

The host uses Newtonsoft.Json. This parser is stricter in one way: it refuses comments, single quotes,
trailing commas and other extensions of JSON, which the host accepts.
"""

import json
import math
import re
from decimal import Decimal

DEPTH_LIMIT = 64
INTEGER_LIMIT = 380
"""Characters of an integer."""

_TOO_DEEP = f"the body is nested over {DEPTH_LIMIT} levels"
_ESCAPED = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


def first_value(text: str) -> object:
    """Return the first JSON value of a text; what follows it is ignored. Raises ValueError."""
    try:
        return json.JSONDecoder(strict=False, parse_int=_integer).raw_decode(text.lstrip())[0]
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def compact(value: object, depth: int = 0) -> str:
    """Return a value as the host writes it. Raises ValueError for one that is nested too deeply."""
    if isinstance(value, dict | list) and depth >= DEPTH_LIMIT:
        raise ValueError(_TOO_DEEP)
    match value:
        case dict():
            members = (f"{_string(name)}:{compact(each, depth + 1)}" for name, each in value.items())
            return "{" + ",".join(members) + "}"
        case list():
            return "[" + ",".join(compact(each, depth + 1) for each in value) + "]"
        case str():
            return _string(value)
        case float():
            return _float(value)
    return json.dumps(value)


def _integer(digits: str) -> int:
    if len(digits) > INTEGER_LIMIT:
        raise ValueError(f"the body holds an integer of over {INTEGER_LIMIT} digits")
    return int(digits)


def _float(value: float) -> str:
    """Return the shortest digits that .NET reads back, with an exponent from 1E+17 on."""
    if not math.isfinite(value):
        return f'"{json.dumps(value)}"'
    text = repr(value).upper()
    return f"{Decimal(text):.1f}" if text.endswith("E+16") else text


def _string(value: str) -> str:
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\N{REPLACEMENT CHARACTER}" if character >= "\ud800" else f"\\u{ord(character):04x}"
