"""App settings, read on first use into frozen values."""

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Self

from msgspec import Struct

from shared.payloads import FAMILIES

QUEUE_SETTINGS: Mapping[str, tuple[str, str]] = {
    family: (f"{family.upper()}_QUEUE", f"acs-{family.replace('_', '-')}") for family in FAMILIES
}
"""The setting of each family's queue, and its default."""


class SettingsError(Exception):
    """Raised for a missing or wrong app setting. Names the setting and the expected form, never the value."""


class IdentityStorage(Struct, frozen=True):
    """A storage account reached with a managed identity or the developer's own login."""

    queue_service_uri: str
    blob_service_uri: str | None
    """None if it is not set and cannot be derived from the queue endpoint."""
    managed_identity: bool
    client_id: str | None

    def require_blob_service_uri(self) -> str:
        """Return the blob endpoint. Raises SettingsError."""
        if self.blob_service_uri is None:
            raise SettingsError(
                "OutcomesStorage__blobServiceUri is missing: set it to the account's blob endpoint, which "
                "cannot be derived from OutcomesStorage__queueServiceUri."
            )
        return self.blob_service_uri


class ConnectionStringStorage(Struct, frozen=True):
    """A storage account reached with a connection string."""

    connection_string: str

    def __repr__(self) -> str:
        """Hide the key."""
        return "ConnectionStringStorage(...)"


type Storage = ConnectionStringStorage | IdentityStorage


class Settings(Struct, frozen=True):
    """Every setting of the app."""

    storage: Storage
    queues: Mapping[str, str]
    """Queue names by family."""
    dead_letter_queue: str
    oversize_container: str
    outcome_ttl_seconds: int
    """-1 never expires. Dead letters never expire."""
    acs_sources: frozenset[str]
    """Lower-case ACS resource ids. If there are none, every source is trusted."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings. Raises SettingsError."""
        queues = {family: _text(environ, *setting, _QUEUE) for family, setting in QUEUE_SETTINGS.items()}
        dead_letter_queue = _text(environ, "DEAD_LETTER_QUEUE", "acs-dead-letter", _QUEUE)
        if dead_letter_queue in queues.values():
            raise SettingsError("DEAD_LETTER_QUEUE should be another queue than those for outcomes.")
        sources = _text(environ, "ACS_SOURCES", "", _SOURCES).split(",")
        return cls(
            storage=_storage(environ),
            queues=queues,
            dead_letter_queue=dead_letter_queue,
            oversize_container=_text(environ, "OVERSIZE_CONTAINER", "acs-outcomes", _CONTAINER),
            outcome_ttl_seconds=int(_text(environ, "OUTCOME_TTL_SECONDS", "-1", _SECONDS)),
            acs_sources=frozenset(filter(None, map(_resource_id, sources))),
        )

    def setting_of(self, queue: str) -> str:
        """Return the name of the setting that names a queue."""
        families = (QUEUE_SETTINGS[family][0] for family, name in self.queues.items() if name == queue)
        return next(families, "DEAD_LETTER_QUEUE")

    def trusts(self, source: str) -> bool:
        """Return whether events of this ACS resource are accepted. Resource ids are case-insensitive."""
        return not self.acs_sources or _resource_id(source) in self.acs_sources


@cache
def get_settings() -> Settings:
    """Return the settings of this process. If one is wrong, the next call reads them again."""
    return Settings.from_environ(os.environ)


type _Rule = tuple[str, str]
"""A pattern that a setting has to match, and its description in an error."""

_ANY = ("(?s).*", "")
_NAME = "[a-z0-9]+(-[a-z0-9]+)*"
_CONTAINER = (f"(?=.{{3,63}}$){_NAME}", "3 to 63 lower-case letters, digits and single dashes between them")
# Leaves room for a consumer's `-poison` queue.
_QUEUE = (f"(?=.{{3,56}}$){_NAME}", "3 to 56 lower-case letters, digits and single dashes between them")
_SECONDS = ("-1|[1-9][0-9]{0,8}", "a number of seconds above 0, or -1 for no expiry")
_ACCOUNT = ("[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits")
_CREDENTIAL = ("(?i)managedidentity", "managedidentity, or absent for a developer's own login")
_SOURCES = (
    r"(?i)(\s*(/subscriptions/[^/,\s]+/resourcegroups/[^/,\s]+"
    r"/providers/microsoft\.communication/communicationservices/[^/;,\s]+/*\s*)?(,|$))*",
    "resource ids of Communication Services, separated by commas: "
    "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/CommunicationServices/NAME",
)


def _text(environ: Mapping[str, str], key: str, default: str = "", rule: _Rule = _ANY) -> str:
    """Return a setting without surrounding white space, or its default. Raises SettingsError."""
    text = environ.get(key, "").strip()
    # Azure passes a reference on as it is if it cannot be resolved.
    if re.match(r"@(Microsoft\.|AppSetting)", text, re.IGNORECASE):
        raise SettingsError(
            f"{key} is a reference that Azure did not resolve: look at its status in the portal (Environment "
            "variables), and give the app's identity access to what it refers to."
        )
    if text.startswith(("'", '"')) or text.endswith(("'", '"')):
        raise SettingsError(f"{key} has quotation marks around its value: remove them.")
    pattern, should_be = rule
    if text and not re.fullmatch(pattern, text):
        raise SettingsError(f"{key} should be {should_be}.")
    return text or default


def is_name(text: str) -> bool:
    """Return whether a queue or a container can have this name."""
    return re.fullmatch(_CONTAINER[0], text) is not None


def _storage(environ: Mapping[str, str]) -> Storage:
    if text := _text(environ, "OutcomesStorage"):
        return ConnectionStringStorage(_connection_string(text))
    queue_uri, blob_uri = (_service_uri(environ, service) for service in ("queue", "blob"))
    if not queue_uri:
        raise SettingsError(
            "OutcomesStorage is missing: set it to a storage connection string, or set "
            "OutcomesStorage__queueServiceUri to https://ACCOUNT.queue.core.windows.net."
        )
    account, queue, domain = queue_uri.partition(".queue.")
    return IdentityStorage(
        queue_service_uri=queue_uri,
        blob_service_uri=blob_uri or (f"{account}.blob.{domain}" if queue else None),
        managed_identity=bool(_text(environ, "OutcomesStorage__credential", "", _CREDENTIAL)),
        client_id=_text(environ, "OutcomesStorage__clientId") or None,
    )


def _service_uri(environ: Mapping[str, str], service: str) -> str:
    account = _text(environ, "OutcomesStorage__accountName", "", _ACCOUNT)
    default = f"https://{account}.{service}.core.windows.net" if account else ""
    uri = (r"https://[^/?#\s]+(/[^?#\s]*)?", f"the {service} endpoint, https://HOST, without a query")
    return _text(environ, f"OutcomesStorage__{service}ServiceUri", default, uri).rstrip("/")


_AZURITE = "UseDevelopmentStorage=true"
"""The connection string of Azurite, in the only casing that the SDK understands."""


def _connection_string(text: str) -> str:
    """Return a connection string without the white space and the empty parts of a pasted one."""
    if text.rstrip(";").lower() == _AZURITE.lower():
        return _AZURITE
    parts = [[word.strip() for word in part.split("=", 1)] for part in text.split(";") if part.strip()]
    values = {part[0].lower(): part[-1] for part in parts}
    if (
        any(len(part) == 1 for part in parts)
        or not values.keys() & {"accountkey", "sharedaccesssignature"}
        or not values.keys() & {"accountname", "queueendpoint"}
        or not re.fullmatch(r"[A-Za-z0-9-]{1,63}", values.get("accountname", "a"))
    ):
        raise SettingsError(
            f"OutcomesStorage is not a storage connection string: it should be {_AZURITE}, or look like "
            "DefaultEndpointsProtocol=https;AccountName=NAME;AccountKey=KEY;EndpointSuffix=core.windows.net."
        )
    return ";".join("=".join(part) for part in parts)


def _resource_id(text: str) -> str:
    return text.strip().rstrip("/").lower()
