"""Describes why storage did not accept an outcome, and what to do."""

from collections.abc import Mapping

from azure.core.exceptions import AzureError, HttpResponseError

from shared.identity import TokenError
from shared.settings import ConnectionStringStorage, Storage

_SIGNATURE = "the signature must allow the services bq, the resource types co, this protocol and this network"
_BUSY = "if it goes on, look at the load on the storage account and at the status of Azure"
_DELETED = "it is being deleted: try again in a minute"

_ADVICE: Mapping[str, str] = {
    "AccountIsDisabled": "enable the storage account, or its subscription",
    "AuthenticationFailed": "use a current key or signature, or an identity of the account's own tenant",
    "AuthorizationFailure": "allow this network in the storage account's firewall",
    "AuthorizationProtocolMismatch": _SIGNATURE,
    "AuthorizationResourceTypeMismatch": _SIGNATURE,
    "AuthorizationServiceMismatch": _SIGNATURE,
    "AuthorizationSourceIPMismatch": _SIGNATURE,
    "ContainerBeingDeleted": _DELETED,
    "InternalError": _BUSY,
    "InvalidHeaderValue": "if this is Azurite, update it or start it with --skipApiVersionCheck",
    "KeyBasedAuthenticationNotPermitted": "use an identity, by OutcomesStorage__queueServiceUri",
    "OperationTimedOut": _BUSY,
    "QueueBeingDeleted": _DELETED,
    "QueueNotFound": _DELETED,
    "ServerBusy": _BUSY,
}
"""https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes has more."""


def advice(code: str) -> str:
    """Return what to do, after a colon, or nothing for a code that is not listed."""
    return f": {_ADVICE[code]}" if code in _ADVICE else ""


def describe(error: AzureError | TimeoutError | TokenError, storage: Storage) -> str:
    """Return what is wrong and what to do, without any part of the request."""
    if isinstance(error, TokenError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "Storage did not answer in time: is OutcomesStorage right?"
    if not isinstance(error, HttpResponseError):
        return "Storage could not be reached: is OutcomesStorage right?"
    code = getattr(error.response, "headers", {}).get("x-ms-error-code", "")
    match code:
        case "AuthorizationPermissionMismatch" if isinstance(storage, ConnectionStringStorage):
            return "The signature in OutcomesStorage lacks the permission to add messages or to write blobs."
        case "AuthorizationPermissionMismatch":
            return (
                "The identity lacks Storage Queue Data Message Sender or Storage Blob Data Contributor, "
                "or what it should write to is not there."
            )
        case "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation":
            return f"Storage refused the credential of OutcomesStorage ({code}){advice(code)}."
        case _:
            return f"Storage answered {error.status_code} {code}".rstrip() + f"{advice(code)}."
