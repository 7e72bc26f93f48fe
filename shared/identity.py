"""Gets tokens for storage, with a managed identity or with the developer's own login."""

import asyncio
from time import monotonic
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.settings import ConnectionStringStorage, IdentityStorage

TOKEN_TIMEOUT = 8.0
"""Seconds that a token may take, which leaves time to write."""


FAILURE_SECONDS = 5.0
"""How long a failure stands: deliveries wait for a token one after the other."""


class TokenError(Exception):
    """There is no token; says what to look at. Not an AzureError: azure-storage would try those again."""


class Identity(AsyncTokenCredential):
    """What azure-storage asks for tokens."""

    def __init__(self, storage: IdentityStorage) -> None:
        self._storage = storage
        self._credential = _credential(storage)
        self._failed_until = 0.0

    @classmethod
    def of(cls, storage: IdentityStorage | ConnectionStringStorage) -> Self | None:
        """Return the identity that storage is reached with, if it is."""
        return cls(storage) if isinstance(storage, IdentityStorage) else None

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token. Raises TokenError, to those who waited for a failure too."""
        if monotonic() < self._failed_until:
            raise TokenError(_advice(self._storage))
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT):
                return await self._credential.get_token(*scopes, **options)
        except (AzureError, TimeoutError):
            self._failed_until = monotonic() + FAILURE_SECONDS
            raise TokenError(_advice(self._storage)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._credential.close()


def _credential(storage: IdentityStorage) -> AsyncTokenCredential:
    # Imported only when used: it costs a cold start more than everything else here.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    if storage.managed_identity:
        return ManagedIdentityCredential(client_id=storage.client_id)
    return DefaultAzureCredential(
        managed_identity_client_id=storage.client_id, process_timeout=int(TOKEN_TIMEOUT) - 1
    )


def _advice(storage: IdentityStorage) -> str:
    if not storage.managed_identity:
        return (
            f"No token from a developer's login: run `az login`, or set {storage.setting}__credential to "
            "managedidentity where the app has one."
        )
    client_id = "right" if storage.client_id else "missing"
    return (
        f"No token for the managed identity: is {storage.setting}__clientId {client_id}, and is the identity "
        "assigned to the app?"
    )
