"""What passes between the host and its worker: JSON messages, each after its length in four bytes."""

from asyncio import IncompleteReadError, StreamReader
from collections.abc import Sequence
from typing import BinaryIO

import msgspec


class Hello(msgspec.Struct):
    """The worker's first message: the functions it found, or why the app does not load."""

    functions: Sequence[str]
    error: str | None = None


class Request(msgspec.Struct):
    """An event for a function."""

    id: int
    function: str
    event: str


class Reply(msgspec.Struct):
    """The end of an invocation; an error when it failed."""

    id: int
    error: str | None = None


def encode(message: msgspec.Struct) -> bytes:
    body = msgspec.json.encode(message)
    return len(body).to_bytes(4) + body


def read[Message](stream: BinaryIO, message_type: type[Message]) -> Message | None:
    """Read the next message, or None at the end of the stream."""
    length = int.from_bytes(stream.read(4))
    body = stream.read(length)
    return msgspec.json.decode(body, type=message_type) if body and len(body) == length else None


async def receive[Message](stream: StreamReader, message_type: type[Message]) -> Message | None:
    """Read the next message, or None at the end of the stream."""
    try:
        length = int.from_bytes(await stream.readexactly(4))
        return msgspec.json.decode(await stream.readexactly(length), type=message_type)
    except IncompleteReadError:
        return None
