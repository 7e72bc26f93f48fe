"""Keeps in table storage which outcomes were handled, and the newest state of each thing."""

import hashlib
from typing import Any

import storage
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.data.tables import UpdateMode


class Handled:
    """The outcomes that were handled, one table a month: delete a table to forget a month."""

    def __contains__(self, outcome: CloudEvent[Any]) -> bool:
        try:
            storage.table(_month_of(outcome)).get_entity(_identity_of(outcome), "")
        except ResourceNotFoundError:
            return False
        return True

    def add(self, outcome: CloudEvent[Any]) -> None:
        """Remember an outcome. Call it last: what fails before is tried again."""
        storage.table(_month_of(outcome)).upsert_entity(
            {"PartitionKey": _identity_of(outcome), "RowKey": "", "Type": outcome.type}
        )


def keep_newest(table_name: str, keys: tuple[str, str], order: str, properties: dict[str, Any]) -> str:
    """Store the state of a thing unless the same or a newer state is stored. Return which of the two it was.

    `order` is compared as text. Several instances may call this for one thing at the same time.
    """
    table = storage.table(table_name)
    partition_key, row_key = map(digest, keys)
    entity = {**properties, "PartitionKey": partition_key, "RowKey": row_key, "Order": order}
    while True:
        try:
            stored = table.get_entity(partition_key, row_key)
        except ResourceNotFoundError:
            try:
                table.create_entity(entity)
            except ResourceExistsError:  # another instance stored one first: compare with that
                continue
            return "kept"
        if order <= stored["Order"]:
            return "not newer"
        try:
            table.update_entity(
                entity,
                mode=UpdateMode.REPLACE,
                etag=stored.metadata["etag"],
                match_condition=MatchConditions.IfNotModified,
            )
        except ResourceModifiedError:
            continue
        return "kept"


def digest(*texts: str) -> str:
    """Return a table key for texts that may hold any character: keys allow neither `/` nor `#`."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _month_of(outcome: CloudEvent[Any]) -> str:
    """Return the table for an outcome, `HandledYYYYMM`. The event's own time is the same in a repeat."""
    return "Handled" + (outcome.time.strftime("%Y%m") if outcome.time else "")


def _identity_of(outcome: CloudEvent[Any]) -> str:
    """Return a key for what a repeat has in common with the first: `source` and `id`.

    For a delivery report also the time of the report: a carrier may report more than once on one SMS, and
    the reports may have the same id.
    """
    key = [outcome.source, outcome.id]
    if outcome.type == "acs.sms.delivery-reported":
        key.append((outcome.data or {}).get("receivedTimestamp", ""))
    return digest(*key)
