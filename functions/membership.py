"""Membership: participants added to and removed from chat threads."""

import azure.functions as func

from shared.decoding import Event
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads.membership import ParticipantAdded, ParticipantRemoved

family = EventFamily("membership")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.event_grid_trigger(arg_name="event")
async def membership(event: str) -> None:
    """Take the membership events of a Communication Services resource."""
    await family.handle(event)


@family.on(ParticipantAdded)
async def participant_added(event: Event[ParticipantAdded]) -> Outcome:
    """Pass on who was added, and by whom."""
    return Outcome.of(event)


@family.on(ParticipantRemoved)
async def participant_removed(event: Event[ParticipantRemoved]) -> Outcome:
    """Pass on who was removed, and by whom."""
    return Outcome.of(event)
