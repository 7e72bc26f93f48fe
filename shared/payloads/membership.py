"""Membership: participants added to and removed from chat threads."""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import field

from shared.identifiers import CommunicationIdentifier
from shared.model import Formerly
from shared.payloads.chat import ChatParticipant, ThreadChange


class _Membership(ThreadChange, frozen=True, kw_only=True):
    family: ClassVar[str] = "membership"

    time: datetime | None = None
    """The time of the change."""


class ParticipantAdded(_Membership, frozen=True, kw_only=True):
    """A participant was added to a thread."""

    event_types = {
        "Microsoft.Communication.ChatParticipantAddedToThreadWithUser": "user",
        "Microsoft.Communication.ChatThreadParticipantAdded": "thread",
        "Microsoft.Communication.ChatMemberAddedToThreadWithUser": "user",
    }
    outcome_type = "acs.membership.participant-added"

    added_by: Annotated[CommunicationIdentifier | None, Formerly("addedBy")] = field(
        name="addedByCommunicationIdentifier", default=None
    )
    participant_added: Annotated[ChatParticipant, Formerly("memberAdded")]

    @property
    def change_key(self) -> str | None:
        """The version of the thread and who was added, as one request may add several participants."""
        return _with_participant(super().change_key, self.participant_added)


class ParticipantRemoved(_Membership, frozen=True, kw_only=True):
    """A participant was removed from a thread."""

    event_types = {
        "Microsoft.Communication.ChatParticipantRemovedFromThreadWithUser": "user",
        "Microsoft.Communication.ChatThreadParticipantRemoved": "thread",
        "Microsoft.Communication.ChatMemberRemovedFromThreadWithUser": "user",
    }
    outcome_type = "acs.membership.participant-removed"

    removed_by: Annotated[CommunicationIdentifier | None, Formerly("removedBy")] = field(
        name="removedByCommunicationIdentifier", default=None
    )
    participant_removed: Annotated[ChatParticipant, Formerly("memberRemoved")]

    @property
    def change_key(self) -> str | None:
        """The version of the thread and who was removed."""
        return _with_participant(super().change_key, self.participant_removed)


def _with_participant(change_key: str | None, participant: ChatParticipant) -> str | None:
    return change_key and f"{change_key}:{participant.identifier.raw_id}"
