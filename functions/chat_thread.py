"""Chat threads: created, deleted, properties updated."""

import azure.functions as func

from shared.decoding import Event
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads.chat_thread import ChatThreadCreated, ChatThreadDeleted, ChatThreadPropertiesUpdated

family = EventFamily("chat_thread")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.event_grid_trigger(arg_name="event")
async def chat_thread(event: str) -> None:
    """Take the chat thread events of a Communication Services resource."""
    await family.handle(event)


@family.on(ChatThreadCreated)
async def created(event: Event[ChatThreadCreated]) -> Outcome:
    """Pass on a new thread with its participants."""
    return Outcome.of(event)


@family.on(ChatThreadDeleted)
async def deleted(event: Event[ChatThreadDeleted]) -> Outcome:
    """Pass on that a thread is gone."""
    return Outcome.of(event)


@family.on(ChatThreadPropertiesUpdated)
async def properties_updated(event: Event[ChatThreadPropertiesUpdated]) -> Outcome:
    """Pass on the properties that changed."""
    return Outcome.of(event)
