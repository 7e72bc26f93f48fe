"""App settings, read on first use into frozen values."""

import os
import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Self

from msgspec import Struct

from shared.payloads import FAMILIES

QUEUE_SETTINGS: Mapping[str, tuple[str, str]] = {
    family: (f"{family.upper()}_QUEUE", f"acs-{family.replace('_', '-')}") for family in FAMILIES
}
"""The setting of each family's queue, and its default."""

_AZURITE = "UseDevelopmentStorage=true"
"""What the SDK understands, in this casing alone."""


class SettingsError(Exception):
    """An app setting that is missing or wrong; names the key and what it should look like, not its value."""


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
    """Lower-case ACS resource ids; empty trusts any."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings. Raises SettingsError."""
        queues = {family: _queue(environ, *setting) for family, setting in QUEUE_SETTINGS.items()}
        return cls(
            storage=_storage(environ),
            queues=queues,
            dead_letter_queue=_dead_letter_queue(environ, queues.values()),
            oversize_container=_name(environ, "OVERSIZE_CONTAINER", "acs-outcomes", longest=63),
            outcome_ttl_seconds=_ttl(environ),
            acs_sources=_sources(environ),
        )

    def setting_of(self, queue: str) -> str:
        """Return the name of the setting that names a queue."""
        families = (QUEUE_SETTINGS[family][0] for family, name in self.queues.items() if name == queue)
        return next(families, "DEAD_LETTER_QUEUE")

    def trusts(self, source: str) -> bool:
        """Tell whether events of this ACS resource are accepted; resource ids are case-insensitive."""
        return not self.acs_sources or _resource_id(source) in self.acs_sources


@cache
def get_settings() -> Settings:
    """Return the settings of this process; a wrong one is read again on the next call."""
    return Settings.from_environ(os.environ)


def _storage(environ: Mapping[str, str]) -> Storage:
    if text := _text(environ, "OutcomesStorage"):
        return ConnectionStringStorage(_connection_string(text))
    queue_uri = _service_uri(environ, "queue")
    if queue_uri is None:
        raise SettingsError(
            "OutcomesStorage is missing: set it to a storage connection string, or set "
            "OutcomesStorage__queueServiceUri to https://ACCOUNT.queue.core.windows.net."
        )
    return IdentityStorage(
        queue_service_uri=queue_uri,
        blob_service_uri=_service_uri(environ, "blob") or _blob_service_uri(queue_uri),
        managed_identity=_managed_identity(environ),
        client_id=_text(environ, "OutcomesStorage__clientId") or None,
    )


def _text(environ: Mapping[str, str], key: str) -> str:
    """Return a setting without surrounding white space, empty if it is missing."""
    text = environ.get(key, "").strip()
    # Azure passes a reference on as it is if it cannot be resolved.
    if re.match(r"@(Microsoft\.|AppSetting)", text, re.IGNORECASE):
        raise SettingsError(
            f"{key} is a reference that Azure did not resolve: look at its status in the portal (Environment "
            "variables), and give the app's identity access to what it refers to."
        )
    return text


def _connection_string(text: str) -> str:
    if text[0] in "\"'" or text[-1] in "\"'":
        raise SettingsError("OutcomesStorage has quotation marks round its value: remove them.")
    if text.rstrip(";").lower() == _AZURITE.lower():
        return _AZURITE
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    values = {name.strip(): value.strip() for name, _, value in pairs}
    names = {name.lower() for name in values}
    account = next((value for name, value in values.items() if name.lower() == "accountname"), "a")
    if (
        not all(separator for _, separator, _ in pairs)
        or not names & {"accountkey", "sharedaccesssignature"}
        or not names & {"accountname", "queueendpoint"}
        or not re.fullmatch(r"[A-Za-z0-9-]{1,63}", account)
    ):
        raise SettingsError(
            f"OutcomesStorage is no storage connection string: it should be {_AZURITE}, or look like "
            "DefaultEndpointsProtocol=https;AccountName=NAME;AccountKey=KEY;EndpointSuffix=core.windows.net."
        )
    return ";".join(f"{name}={value}" for name, value in values.items())


def _service_uri(environ: Mapping[str, str], service: str) -> str | None:
    name = f"OutcomesStorage__{service}ServiceUri"
    uri = _text(environ, name)
    account = _text(environ, "OutcomesStorage__accountName")
    if not uri and account:
        if not re.fullmatch(r"[a-z0-9]{3,24}", account):
            raise SettingsError(
                "OutcomesStorage__accountName should be 3 to 24 lower-case letters and digits."
            )
        return f"https://{account}.{service}.core.windows.net"
    if uri and not re.fullmatch(r"https://[^/?#\s]+(/[^?#\s]*)?", uri):
        raise SettingsError(
            f"{name} should be the account's {service} endpoint, https://HOST, without a query."
        )
    return uri.rstrip("/") or None


def _blob_service_uri(queue_service_uri: str) -> str | None:
    account, queue, domain = queue_service_uri.partition(".queue.")
    return f"{account}.blob.{domain}" if queue else None


def _managed_identity(environ: Mapping[str, str]) -> bool:
    key = "OutcomesStorage__credential"
    credential = _text(environ, key).lower()
    if credential not in ("", "managedidentity"):
        raise SettingsError(f"{key} should be managedidentity, or absent for a developer's own login.")
    return credential == "managedidentity"


def _queue(environ: Mapping[str, str], key: str, default: str) -> str:
    """Return a queue name of at most 56 characters, which leaves room for a consumer's `-poison` queue."""
    return _name(environ, key, default, longest=56)


def _dead_letter_queue(environ: Mapping[str, str], queues: Collection[str]) -> str:
    key = "DEAD_LETTER_QUEUE"
    name = _queue(environ, key, "acs-dead-letter")
    if name in queues:
        raise SettingsError(
            f"{key} should be a queue of its own: consumers would take dead letters for events."
        )
    return name


def _name(environ: Mapping[str, str], key: str, default: str, *, longest: int) -> str:
    name = _text(environ, key) or default
    if not is_name(name, longest=longest):
        raise SettingsError(
            f"{key} should be 3 to {longest} lower-case letters, digits and single dashes between them."
        )
    return name


def is_name(text: str, *, longest: int = 63) -> bool:
    """Tell whether a queue or a container may be called so."""
    return bool(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text)) and 3 <= len(text) <= longest


def _ttl(environ: Mapping[str, str]) -> int:
    key = "OUTCOME_TTL_SECONDS"
    text = _text(environ, key) or "-1"
    if text != "-1" and not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise SettingsError(
            f"{key} should be a number of seconds above 0, or -1 for messages that never expire."
        )
    return int(text)


def _sources(environ: Mapping[str, str]) -> frozenset[str]:
    key = "ACS_SOURCES"
    sources = frozenset(_resource_id(part) for part in _text(environ, key).split(",") if part.strip())
    if not all(map(_SOURCE.fullmatch, sources)):
        raise SettingsError(
            f"{key} should be resource ids of Communication Services, separated by commas: "
            "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/CommunicationServices/NAME."
        )
    return sources


_SOURCE = re.compile(
    r"/subscriptions/[^/\s]+/resourcegroups/[^/\s]+"
    r"/providers/microsoft\.communication/communicationservices/[^/;\s]+"
)


def _resource_id(text: str) -> str:
    return text.strip().rstrip("/").lower()
