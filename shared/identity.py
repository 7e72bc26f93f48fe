"""Gets tokens for storage, with a managed identity or with the developer's own login."""

import asyncio
import time
from typing import Any, Self, cast

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.settings import IdentityStorage, Storage

TOKEN_TIMEOUT = 8.0
"""Seconds that a token request may take. Leaves time to write."""

FAILURE_SECONDS = 5.0
"""Seconds after a failed token request in which no new one is made. Deliveries wait for tokens in turn."""


class TokenError(Exception):
    """Raised without a token. Says what to look at. Not an AzureError, which azure-core would retry."""


class Identity(AsyncTokenCredential, AsyncSupportsTokenInfo):
    """The credential for storage. If it cannot get a new token, it returns the last one."""

    def __init__(self, storage: IdentityStorage) -> None:
        # Imported only when used: it takes longer than all else in a cold start.
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        self._credential: AsyncSupportsTokenInfo
        if storage.managed_identity:
            self._credential = ManagedIdentityCredential(client_id=storage.client_id)
            client_id = "right" if storage.client_id else "missing"
            self._advice = (
                f"No token for the managed identity: is OutcomesStorage__clientId {client_id}, and is the "
                "identity assigned to the app?"
            )
        else:
            self._credential = DefaultAzureCredential(
                managed_identity_client_id=storage.client_id, process_timeout=int(TOKEN_TIMEOUT) - 1
            )
            self._advice = (
                "No token from a developer's login: run `az login`, or set OutcomesStorage__credential to "
                "managedidentity where the app has one."
            )
        self._last: AccessTokenInfo | None = None
        self._failed_until = 0.0

    @classmethod
    def of(cls, storage: Storage) -> Self | None:
        """Return the credential that storage needs, or None for a connection string."""
        return cls(storage) if isinstance(storage, IdentityStorage) else None

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Return a token and when to refresh it. Raises TokenError."""
        options = options or {}
        if time.monotonic() >= self._failed_until:
            try:
                async with asyncio.timeout(TOKEN_TIMEOUT):
                    self._last = await self._credential.get_token_info(*scopes, options=options)
                    return self._last
            except (AzureError, TimeoutError):
                self._failed_until = time.monotonic() + FAILURE_SECONDS
        # Claims or a tenant are asked for when storage has refused the last token.
        is_for_another = options.get("claims") or options.get("tenant_id")
        if is_for_another or self._last is None or self._last.expires_on <= time.time():
            raise TokenError(self._advice)
        return self._last

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for clients that do not refresh early. Raises TokenError."""
        token = await self.get_token_info(*scopes, options=cast("TokenRequestOptions", options))
        return AccessToken(token.token, token.expires_on)

    async def close(self) -> None:
        """Close all connections."""
        await self._credential.close()
