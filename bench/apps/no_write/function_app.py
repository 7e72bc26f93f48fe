"""This app without the write: what it does itself for an event, and the worker runtime."""

import azure.functions as func

import shared.sink
from functions import sms
from shared.queue_writer import QueueWriter


class NullWriter(QueueWriter):
    """Adds no messages."""

    def __init__(self, *_: object) -> None:
        """Connect to nothing."""

    async def put(self, queue: str, document: bytes, time_to_live: int) -> None:
        """Write nothing."""


setattr(shared.sink, "QueueWriter", NullWriter)  # noqa: B010 - mypy knows another type

app = func.FunctionApp()
app.register_blueprint(sms.blueprint)
