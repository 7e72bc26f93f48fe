"""Connects to the app's storage account as its settings say, and says what is wrong with it."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from shared.refusals import advice
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings

_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
}


class OpsError(Exception):
    """Something that the operator can put right; its text says what and how, in one line."""


def fault(error: AzureError) -> str:
    """Say what is wrong with storage, and what to do about it."""
    code = getattr(error, "error_code", None) or ""
    code = getattr(code, "value", code)
    match error:
        case HttpResponseError(status_code=403) if code == "AuthorizationPermissionMismatch":
            roles = "Storage Queue Data Contributor and Storage Blob Data Contributor"
            return f"your login lacks the roles {roles}, or the signature in OutcomesStorage a permission"
        case HttpResponseError(status_code=int(status)):
            return f"storage answered {status} {code}".rstrip() + advice(code)
        case ClientAuthenticationError():
            return "cannot sign in to storage: is OutcomesStorage right, or is `az login` needed?"
        case _:
            return "storage could not be reached: is OutcomesStorage right?"


class Storage:
    """The storage account. What is connected is closed with the stack."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self._stack = stack

    def queue(self, name: str) -> QueueClient:
        return self._connect(QueueClient, name, lambda identity: identity.queue_service_uri)

    def dead_letters(self) -> QueueClient:
        return self.queue(self.settings.dead_letter_queue)

    def container(self, name: str) -> ContainerClient:
        return self._connect(ContainerClient, name, IdentityStorage.require_blob_service_uri)

    def oversize(self) -> ContainerClient:
        return self.container(self.settings.oversize_container)

    def _connect[C: (QueueClient, ContainerClient)](
        self, kind: type[C], name: str, uri: Callable[[IdentityStorage], str]
    ) -> C:
        try:
            match self.settings.storage:
                case ConnectionStringStorage(text):
                    client = kind.from_connection_string(text, name, **_OPTIONS)
                case IdentityStorage() as identity:
                    client = kind(uri(identity), name, credential=self._login(identity), **_OPTIONS)
        except ValueError as error:
            raise OpsError(f"OutcomesStorage is wrong: {error}") from None
        return self._stack.enter_context(client)

    def _login(self, identity: IdentityStorage) -> Any:
        """Return the operator's own login."""
        from azure.identity import DefaultAzureCredential

        return self._stack.enter_context(
            DefaultAzureCredential(managed_identity_client_id=identity.client_id)
        )
