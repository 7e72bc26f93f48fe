"""The errors of this package, and what to do about those of storage."""

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.refusals import advice


class OpsError(Exception):
    """Something that the operator can put right; its text says what and how, in one line."""


def fault(error: AzureError) -> str:
    """Say what is wrong with storage, and what to do about it."""
    code = getattr(error, "error_code", None) or ""
    code = getattr(code, "value", code)
    match error:
        case HttpResponseError(status_code=403) if code == "AuthorizationPermissionMismatch":
            return "you lack the roles Storage Queue Data Contributor and Storage Blob Data Contributor"
        case HttpResponseError(status_code=int(status)):
            return f"storage answered {status} {code}".rstrip() + advice(code)
        case ClientAuthenticationError():
            return "cannot sign in to storage: is OutcomesStorage right, or is `az login` needed?"
        case _:
            return "storage could not be reached: is OutcomesStorage right?"
