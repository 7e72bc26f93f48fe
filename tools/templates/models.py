"""Microsoft's management models -> the shape that a resource's body must have.

The packages are of two generations: those made from OpenAPI describe a class in `_attribute_map`, those made
from TypeSpec in its annotations.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from types import ModuleType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from azure.mgmt.applicationinsights.v2020_02_02 import models as insights
from azure.mgmt.authorization.v2022_04_01 import models as authorization
from azure.mgmt.communication import models as communication
from azure.mgmt.eventgrid import models as eventgrid
from azure.mgmt.loganalytics import models as loganalytics
from azure.mgmt.monitor import models as monitor
from azure.mgmt.msi import models as msi
from azure.mgmt.resource.resources import models as resources
from azure.mgmt.storage import models as storage
from azure.mgmt.web import models as web

MODELS: Mapping[str, type] = {
    "Microsoft.Authorization/roleAssignments": authorization.RoleAssignmentCreateParameters,
    "Microsoft.Communication/communicationServices": communication.CommunicationServiceResource,
    "Microsoft.EventGrid/systemTopics": eventgrid.SystemTopic,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": eventgrid.EventSubscription,
    "Microsoft.Insights/actionGroups": monitor.ActionGroupResource,
    "Microsoft.Insights/components": insights.ApplicationInsightsComponent,
    "Microsoft.Insights/metricAlerts": monitor.MetricAlertResource,
    "Microsoft.Insights/scheduledQueryRules": monitor.ScheduledQueryRuleResource,
    "Microsoft.ManagedIdentity/userAssignedIdentities": msi.Identity,
    "Microsoft.OperationalInsights/workspaces": loganalytics.Workspace,
    "Microsoft.Resources/resourceGroups": resources.ResourceGroup,
    "Microsoft.Storage/storageAccounts": storage.StorageAccountCreateParameters,
    "Microsoft.Storage/storageAccounts/blobServices": storage.BlobServiceProperties,
    "Microsoft.Storage/storageAccounts/blobServices/containers": storage.BlobContainer,
    "Microsoft.Storage/storageAccounts/queueServices": storage.QueueServiceProperties,
    "Microsoft.Storage/storageAccounts/queueServices/queues": storage.StorageQueue,
    "Microsoft.Web/serverfarms": web.AppServicePlan,
    "Microsoft.Web/sites": web.Site,
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": web.CsmPublishingCredentialsPoliciesEntity,
    "Microsoft.Web/sites/config": web.StringDictionary,
}
"""What a deployment sends for each type of resource."""

READ_MODELS: Mapping[str, type] = {
    **MODELS,
    "Microsoft.Authorization/roleAssignments": authorization.RoleAssignment,
    "Microsoft.Storage/storageAccounts": storage.StorageAccount,
}
"""What it gets back."""

type Shape = Anything | Scalar | Choices | ListOf | MapOf | Structure | ModelOf


@dataclass(frozen=True)
class Anything:
    pass


@dataclass(frozen=True)
class Scalar:
    type: type[str | int | bool]


@dataclass(frozen=True)
class Choices:
    values: frozenset[str]


@dataclass(frozen=True)
class ListOf:
    item: Shape


@dataclass(frozen=True)
class MapOf:
    item: Shape


@dataclass(frozen=True)
class ModelOf:
    """A class, whose structure is only looked at where a template uses it."""

    model: type


@dataclass(frozen=True)
class Field:
    shape: Shape
    read_only: bool = False
    required: bool = False


@dataclass(frozen=True)
class Structure:
    fields: Mapping[str, Field]
    discriminator: str = ""
    """The field that says which of the variants it is."""
    variants: Mapping[str, type] = field(default_factory=dict)


@cache
def structure(model: type) -> Structure:
    """Return the names that an object of this class has."""
    return _openapi(model) if hasattr(model, "_attribute_map") else _typespec(model)


def fields_of(shape: Shape) -> Mapping[str, Field] | None:
    """Return the names of an object, where they are known."""
    if isinstance(shape, ModelOf):
        shape = structure(shape.model)
    return shape.fields if isinstance(shape, Structure) and not shape.variants else None


def _openapi(model: Any) -> Structure:
    fields: dict[str, Any] = {}
    for attribute, info in model._attribute_map.items():
        if not info["key"]:  # "and anything else": what is misspelt would be that
            continue
        *outer, name = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", info["key"])]
        inner = fields
        for part in outer:
            inner = inner.setdefault(part, {})
        rules = model._validation.get(attribute, {})
        shape = _named_shape(model, info["type"], _documented_values(model, attribute))
        inner[name] = Field(shape, rules.get("readonly", False), rules.get("required", False))
    for attribute, variants in vars(model).get("_subtype_map", {}).items():
        key = model._attribute_map[attribute]["key"].replace("\\.", ".")
        classes = {value: _sibling(model, name) for value, name in variants.items()}
        return Structure(_nested(fields), key, classes)
    return Structure(_nested(fields))


def _nested(fields: Mapping[str, Any]) -> dict[str, Field]:
    return {name: item if isinstance(item, Field) else _outer(item) for name, item in fields.items()}


def _outer(fields: Mapping[str, Any]) -> Field:
    inner = _nested(fields)
    return Field(Structure(inner), required=any(item.required for item in inner.values()))


def _named_shape(model: type, name: str, values: frozenset[str]) -> Shape:
    if name[0] in "[{":
        item = _named_shape(model, name[1:-1], values)
        return ListOf(item) if name[0] == "[" else MapOf(item)
    if name in _SCALARS:
        return Choices(values) if values else Scalar(_SCALARS[name])
    return ModelOf(_sibling(model, name))


_SCALARS: Mapping[str, type[str | int | bool]] = {
    "bool": bool,
    "duration": str,
    "float": int,
    "int": int,
    "iso-8601": str,
    "long": int,
    "str": str,
}


def _documented_values(model: type, attribute: str) -> frozenset[str]:
    """Return the values of the enumeration that, in this generation, only the docstring names."""
    pattern = rf":vartype {attribute}:\s+(?:list\[|dict\[str,\s+)?str\s+or\s+~[\w.]*?(\w+)\]?\s"
    match = re.search(pattern, model.__doc__ or "")
    return _values(_sibling(model, match[1])) if match else frozenset()


def _sibling(model: type, name: str) -> Any:
    return getattr(_package(model), name)


def _package(model: type) -> ModuleType:
    return sys.modules[model.__module__.rpartition(".")[0]]


def _typespec(model: Any) -> Structure:
    hints = get_type_hints(model, localns={"_models": _package(model)})
    fields = {}
    discriminator = ""
    for attribute, info in _rest_fields(model):
        name = info._rest_name_input or attribute
        read_only = info._visibility == ["read"]
        required = not read_only and NoneType not in get_args(hints[attribute])
        fields[name] = Field(_hinted_shape(hints[attribute]), read_only, required)
        if info._is_discriminator:
            discriminator = name
    return Structure(fields, discriminator, vars(model).get("__mapping__", {}))


def _rest_fields(model: type) -> Iterator[tuple[str, Any]]:
    for base in reversed(model.__mro__):
        yield from ((name, value) for name, value in vars(base).items() if hasattr(value, "_rest_name_input"))


def _hinted_shape(hint: Any) -> Shape:
    hints = [member for member in get_args(hint) if member is not NoneType]
    match get_origin(hint):
        case origin if origin is list:
            return ListOf(_hinted_shape(hints[0]))
        case origin if origin is dict:
            return MapOf(_hinted_shape(hints[1]))
        case origin if origin is Literal:
            return Choices(frozenset(member.value for member in hints))
        case None:
            return _class_shape(hint)
    enumerations = [member for member in hints if isinstance(member, type) and issubclass(member, Enum)]
    return Choices(_values(enumerations[0])) if enumerations else _hinted_shape(hints[0])


def _class_shape(hint: Any) -> Shape:
    if hint in (str, datetime, timedelta):
        return Scalar(str)
    if hint in (int, float):
        return Scalar(int)
    if hint is bool:
        return Scalar(bool)
    return ModelOf(hint)


def _values(enumeration: type[Enum]) -> frozenset[str]:
    return frozenset(member.value for member in enumeration)
