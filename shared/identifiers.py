"""Communication identifiers: who takes part, by kind, raw id and member."""

from typing import Any, override

from shared.model import GaObject


class CommunicationUser(GaObject, frozen=True, kw_only=True):
    """A user of the Communication Services resource."""

    id: str


class PhoneNumber(GaObject, frozen=True, kw_only=True):
    """A phone number in E.164 form."""

    value: str


class MicrosoftTeamsUser(GaObject, frozen=True, kw_only=True):
    """A Microsoft Teams user."""

    user_id: str
    is_anonymous: bool | None = None
    cloud: str | None = None


class MicrosoftTeamsApp(GaObject, frozen=True, kw_only=True):
    """A Microsoft Teams app, such as a bot or a call queue."""

    app_id: str
    cloud: str | None = None


class CommunicationIdentifier(GaObject, frozen=True, kw_only=True):
    """A participant. Apart from `kind` and `rawId` at most one member is set."""

    text_field = "rawId"

    raw_id: str
    """The identifier as one string. Compare participants by it."""
    kind: str
    """`communicationUser`, `phoneNumber`, `microsoftTeamsUser`, `microsoftTeamsApp`, `unknown`, or newer."""
    communication_user: CommunicationUser | None = None
    phone_number: PhoneNumber | None = None
    microsoft_teams_user: MicrosoftTeamsUser | None = None
    microsoft_teams_app: MicrosoftTeamsApp | None = None

    @override
    @classmethod
    def complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Keep the member that the kind names, else the first one. Infer what is missing from the rest.

        An identifier with no raw id, stated or inferred, names no one: nothing of it is kept.
        """
        # Some events send a member with an empty id as a placeholder.
        named = [kind for kind, own_id in _OWN_IDS.items() if kind in values and values[kind][own_id]]
        stated = values.get("kind")
        raw_id = values.get("rawId")
        if named:
            kind = stated if stated in named else named[0]
            member = values[kind]
            raw_id = raw_id or _raw_id(kind, member)
        else:
            kind, member = _member(raw_id or "")
        if not raw_id:
            return {}
        completed = {"rawId": raw_id, "kind": stated or kind}
        return completed | {kind: member} if member else completed


_OWN_IDS = {
    "communicationUser": "id",
    "phoneNumber": "value",
    "microsoftTeamsUser": "userId",
    "microsoftTeamsApp": "appId",
}
"""The field that identifies the member of each kind. The kind is the member's name, too."""

_CLOUDS = {"orgid": "public", "dod": "dod", "gcch": "gcch"}
"""The Teams cloud that each prefix of a raw id stands for."""

_PREFIXES = {cloud: prefix for prefix, cloud in _CLOUDS.items()}


def _raw_id(kind: str, member: dict[str, Any]) -> str:
    """Return the raw id that a member implies, or an empty string for a cloud that is not known."""
    own_id: str = member[_OWN_IDS[kind]]
    match kind:
        case "communicationUser":
            return own_id
        case "phoneNumber":
            return f"4:{own_id}"
        case "microsoftTeamsUser" if member.get("isAnonymous"):
            return f"8:teamsvisitor:{own_id}"
    # Only now: in a member without this field the key may hold anything.
    prefix = _PREFIXES.get(member.get("cloud") or "public")
    scope = "8" if kind == "microsoftTeamsUser" else "28"
    return f"{scope}:{prefix}:{own_id}" if prefix else ""


def _member(raw_id: str) -> tuple[str, dict[str, Any]]:
    """Return the kind and the member that a raw id's prefix implies, as Microsoft's SDKs do."""
    match raw_id.split(":", 2):
        case ["8", "acs" | "spool" | "dod-acs" | "gcch-acs", _]:
            return "communicationUser", {"id": raw_id}
        case ["8", "teamsvisitor", user]:
            return "microsoftTeamsUser", {"userId": user, "isAnonymous": True, "cloud": "public"}
        case ["8", "orgid" | "dod" | "gcch" as prefix, user]:
            return "microsoftTeamsUser", {"userId": user, "isAnonymous": False, "cloud": _CLOUDS[prefix]}
        case ["28", "orgid" | "dod" | "gcch" as prefix, app]:
            return "microsoftTeamsApp", {"appId": app, "cloud": _CLOUDS[prefix]}
        case ["4", *number]:
            return "phoneNumber", {"value": ":".join(number)}
        case _:
            return "unknown", {}
