"""What to do when storage refuses a request, by its error code."""

from collections.abc import Mapping

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
