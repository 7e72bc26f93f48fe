"""Chat messages: received, edited, deleted; and commands to a bot."""

import azure.functions as func

from shared.decoding import Event
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads.chat_message import (
    ChatBotCommandReceived,
    ChatMessageDeleted,
    ChatMessageEdited,
    ChatMessageReceived,
)

family = EventFamily("chat_message")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.event_grid_trigger(arg_name="event")
async def chat_message(event: str) -> None:
    """Take the chat message events of a Communication Services resource."""
    await family.handle(event)


@family.on(ChatMessageReceived)
async def received(event: Event[ChatMessageReceived]) -> Outcome:
    """Pass on a message."""
    return Outcome.of(event)


@family.on(ChatMessageEdited)
async def edited(event: Event[ChatMessageEdited]) -> Outcome:
    """Pass on the new text of a message."""
    return Outcome.of(event)


@family.on(ChatMessageDeleted)
async def deleted(event: Event[ChatMessageDeleted]) -> Outcome:
    """Pass on that a message is gone."""
    return Outcome.of(event)


@family.on(ChatBotCommandReceived)
async def bot_command_received(event: Event[ChatBotCommandReceived]) -> Outcome:
    """Pass on a command to a bot."""
    return Outcome.of(event)
