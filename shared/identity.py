"""Gets tokens for storage, with a managed identity or with the developer's own login."""

import asyncio
from typing import Any, Self

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.settings import ConnectionStringStorage, IdentityStorage

TOKEN_TIMEOUT = 8.0
"""Seconds that a token may take, which leaves time to write."""


class TokenError(Exception):
    """There is no token; says what to look at. Not an AzureError: azure-storage would try those again."""


class Identity(AsyncTokenCredential):
    """What azure-storage asks for tokens."""

    def __init__(self, storage: IdentityStorage) -> None:
        self._storage = storage
        self._credential = _credential(storage)

    @classmethod
    def of(cls, storage: IdentityStorage | ConnectionStringStorage) -> Self | None:
        """Return the identity that storage is reached with, if it is."""
        return cls(storage) if isinstance(storage, IdentityStorage) else None

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token. Raises TokenError."""
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT):
                return await self._credential.get_token(*scopes, **options)
        except (AzureError, TimeoutError):
            raise TokenError(_advice(self._storage)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._credential.close()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _credential(storage: IdentityStorage) -> AsyncTokenCredential:
    # Imported only when used: it costs a cold start more than everything else here.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    if storage.managed_identity:
        return ManagedIdentityCredential(client_id=storage.client_id)
    return DefaultAzureCredential()


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
