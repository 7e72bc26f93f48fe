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


type Member = CommunicationUser | PhoneNumber | MicrosoftTeamsUser | MicrosoftTeamsApp


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
        named = [kind for kind, name in _FIELDS.items() if name in values and _own_id(values[name])]
        stated = values.get("kind")
        member: Member | None
        if named:
            kind = stated if stated in named else named[0]
            member = values[_FIELDS[kind]]
            raw_id = values.get("raw_id") or _raw_id(member)
        else:
            raw_id = values.get("raw_id", "")
            kind, member = _member(raw_id)
        if not raw_id:
            return {}
        completed = {"kind": stated or kind, "raw_id": raw_id}
        return completed | {_FIELDS[kind]: member} if member else completed


_FIELDS = {
    "communicationUser": "communication_user",
    "phoneNumber": "phone_number",
    "microsoftTeamsUser": "microsoft_teams_user",
    "microsoftTeamsApp": "microsoft_teams_app",
}
"""The field that holds the member of each kind."""

_CLOUDS = {"orgid": "public", "dod": "dod", "gcch": "gcch"}
"""The Teams cloud that each prefix of a raw id stands for."""

_PREFIXES = {cloud: prefix for prefix, cloud in _CLOUDS.items()}


def _own_id(member: Member) -> str:
    """Return the id in a member. Some events send a member with an empty one as a placeholder."""
    match member:
        case CommunicationUser(id=own_id) | PhoneNumber(value=own_id):
            return own_id
        case MicrosoftTeamsUser(user_id=own_id) | MicrosoftTeamsApp(app_id=own_id):
            return own_id


def _raw_id(member: Member) -> str:
    """Return the raw id that a member implies, or an empty string for a cloud that is not known."""
    match member:
        case CommunicationUser(id=user):
            return user
        case PhoneNumber(value=number):
            return f"4:{number}"
        case MicrosoftTeamsUser(user_id=user, is_anonymous=True):
            return f"8:teamsvisitor:{user}"
        case MicrosoftTeamsUser(user_id=own_id, cloud=cloud):
            scope = "8"
        case MicrosoftTeamsApp(app_id=own_id, cloud=cloud):
            scope = "28"
    prefix = _PREFIXES.get(cloud or "public")
    return f"{scope}:{prefix}:{own_id}" if prefix else ""


def _member(raw_id: str) -> tuple[str, Member | None]:
    """Return the kind and the member that a raw id's prefix implies, as Microsoft's SDKs do."""
    match raw_id.split(":", 2):
        case ["8", "acs" | "spool" | "dod-acs" | "gcch-acs", _]:
            return "communicationUser", CommunicationUser(id=raw_id)
        case ["8", "teamsvisitor", user]:
            return "microsoftTeamsUser", MicrosoftTeamsUser(user_id=user, is_anonymous=True, cloud="public")
        case ["8", "orgid" | "dod" | "gcch" as prefix, user]:
            teams_user = MicrosoftTeamsUser(user_id=user, is_anonymous=False, cloud=_CLOUDS[prefix])
            return "microsoftTeamsUser", teams_user
        case ["28", "orgid" | "dod" | "gcch" as prefix, app]:
            return "microsoftTeamsApp", MicrosoftTeamsApp(app_id=app, cloud=_CLOUDS[prefix])
        case ["4", *number]:
            return "phoneNumber", PhoneNumber(value=":".join(number))
        case _:
            return "unknown", None
