"""What keeps the deployment without secrets: roles instead of keys, and accounts that take no keys."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.templates.bicep import Expression, Literal, Resource, Template
from tools.templates.faults import Fault, unknown

ROLES: Mapping[str, str] = {
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataMessageSender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

_HOSTS_ROLE = "storageBlobDataOwner"
"""Of the Functions host on its own account, which has nothing else in it."""

_ACCOUNT: Mapping[str, Any] = {
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "minimumTlsVersion": "TLS1_2",
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KEYS = re.compile(r"\blist\w*(Keys|Sas|Secrets)\w*\(|AccountKey|SharedAccessSignature", re.IGNORECASE)
_SECRET = re.compile(r"password|secret|(access|account|api|function|host)_?key", re.IGNORECASE)
_ROLE_ID = re.compile(r"subscriptionResourceId\('Microsoft\.Authorization/roleDefinitions', (\w+)\)")


def security_faults(template: Template) -> Iterator[Fault]:
    """Look for wrong roles, for keys, and for storage accounts that take keys."""
    found = (*_wrong_roles(template), *_open_accounts(template), *_keys(template), *_secrets(template))
    yield from (Fault(template.path, line, text) for line, text in found)


def _wrong_roles(template: Template) -> Iterator[tuple[int, str]]:
    named = {}
    for variable in template.variables:
        match variable.value:
            case Literal(line=line, value=str(guid)) if _GUID.fullmatch(guid):
                named[line, guid] = variable.name
    for literal in template.literals:
        if _GUID.fullmatch(str(literal.value)):
            name = named.get((literal.line, str(literal.value)), "")
            if name not in ROLES:
                yield literal.line, unknown("role", name or str(literal.value), ROLES)
            elif ROLES[name] != literal.value:
                yield literal.line, f"{name} is {ROLES[name]}"
    for resource in template.resources:
        if resource.type == "Microsoft.Authorization/roleAssignments":
            yield from _wrong_assignment(resource, template)


def _wrong_assignment(assignment: Resource, template: Template) -> Iterator[tuple[int, str]]:
    accounts = {item.name for item in template.resources if item.type == "Microsoft.Storage/storageAccounts"}
    scope = assignment.body.get("scope")
    match assignment.body.get("properties", "roleDefinitionId"):
        case Expression(source=source) if (match := _ROLE_ID.fullmatch(source)) and match[1] in ROLES:
            role = match[1]
            if role != _HOSTS_ROLE and isinstance(scope, Expression) and scope.source in accounts:
                yield scope.line, f"{assignment.name}: {role} is for a queue or a container, not the account"
        case _:
            yield assignment.line, f"{assignment.name}: roleDefinitionId is not that of a role in a variable"


def _open_accounts(template: Template) -> Iterator[tuple[int, str]]:
    for resource in template.resources:
        if resource.type == "Microsoft.Storage/storageAccounts" and not resource.existing:
            for name, safe in _ACCOUNT.items():
                given = resource.body.get("properties", name)
                if not isinstance(given, Literal) or given.value != safe:
                    line = given.line if given else resource.line
                    yield line, f"{resource.name}: {name} should be {safe!r}"


def _keys(template: Template) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(template.source.splitlines(), start=1):
        if match := _KEYS.search(text):
            yield line, f"{match[0]!r}: nothing here may know a key"


def _secrets(template: Template) -> Iterator[tuple[int, str]]:
    for parameter in template.parameters:
        if _SECRET.search(parameter.name) and not parameter.secure:
            yield parameter.line, f"parameter {parameter.name!r} is not @secure()"
    for output in template.outputs:
        if _SECRET.search(output.name):
            yield output.line, f"output {output.name!r} would be in the deployment's history"
