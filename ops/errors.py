"""The errors of this package, and what to do about those of storage."""

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError


class OpsError(Exception):
    """Something that the operator can put right; its text says what and how, in one line."""


def fault(error: AzureError, setting: str) -> str:
    """Say what is wrong with storage, which was found by this setting."""
    code = getattr(error, "error_code", None) or ""
    code = getattr(code, "value", code)
    match error:
        case HttpResponseError(status_code=403) if code == "AuthorizationPermissionMismatch":
            return "you lack the roles Storage Queue Data Contributor and Storage Blob Data Contributor"
        case HttpResponseError(status_code=int(status)):
            return f"storage answered {status} {code}".rstrip()
        case ClientAuthenticationError():
            return f"cannot sign in to storage: is {setting} right, or is `az login` needed?"
        case _:
            return f"storage could not be reached: is {setting} right?"
