"""What a template says of a resource or a module, against what may be said."""

from collections.abc import Iterator, Mapping

from tools.templates.bicep import (
    Array,
    Choice,
    Expression,
    Literal,
    Module,
    Object,
    Parameter,
    Property,
    Resource,
    Template,
    Union,
    Value,
)
from tools.templates.faults import Fault, unknown
from tools.templates.models import (
    MODELS,
    Anything,
    Choices,
    Field,
    ListOf,
    MapOf,
    ModelOf,
    Scalar,
    Shape,
    Structure,
    structure,
)

type Found = Iterator[tuple[int, str]]
"""The line and the text of each fault."""

_OF_BICEP = {
    "name": Field(Scalar(str), required=True),
    "parent": Field(Anything()),
    "scope": Field(Anything()),
    "dependsOn": Field(Anything()),
}
"""What no model describes."""
_KINDS = {str: "string", int: "number", bool: "bool", Object: "object", Union: "object", Array: "array"}
_PARAMETER_TYPES: Mapping[str, Shape] = {
    "string": Scalar(str),
    "int": Scalar(int),
    "bool": Scalar(bool),
    "object": MapOf(Anything()),
    "array": ListOf(Anything()),
    "string[]": ListOf(Scalar(str)),
}


def resource_faults(template: Template) -> Iterator[Fault]:
    """Hold each resource against Microsoft's model of its type."""
    for resource in template.resources:
        yield from (Fault(template.path, line, text) for line, text in _check_resource(resource, template))


def module_faults(template: Template, called: Mapping[str, Template]) -> Iterator[Fault]:
    """Hold each call of a module against the module's parameters."""
    for module in template.modules:
        if module.path not in called:
            yield Fault(template.path, module.line, unknown("module", module.path, called))
            continue
        found = _check_module(module, called[module.path].parameters)
        yield from (Fault(template.path, line, text) for line, text in found)


def check_value(value: Value, shape: Shape, where: str) -> Found:
    """Hold a value against a shape; an expression may be anything."""
    match value, shape:
        case (Expression() | Literal(value=None), _) | (_, Anything()):
            pass
        case Choice(), _:
            for option in value.options:
                yield from check_value(option, shape, where)
        case Union(), _:
            yield from check_value(_merged(value), shape, where)
        case _, ModelOf():
            yield from check_value(value, structure(shape.model), where)
        case Object(), Structure(variants=variants) if variants:
            yield from _check_variant(value, shape, where)
        case Object(), Structure():
            yield from _check_object(value, shape.fields, where)
        case Object(), MapOf():
            for item in value.properties:
                yield from check_value(item.value, shape.item, f"{where}.{item.name}")
        case Array(), ListOf():
            for element in value.items:
                yield from check_value(element, shape.item, where)
        case Literal(value=str(text)), Choices():
            if text not in shape.values:
                yield value.line, f"{where}: {unknown('value', text, sorted(shape.values))}"
        case Literal(), Scalar() if type(value.value) is shape.type:
            pass
        case _:
            yield value.line, f"{where}: expected {_kind_of_shape(shape)}, got {_kind(value)}"


def _check_resource(resource: Resource, template: Template) -> Found:
    if resource.type not in MODELS:
        yield resource.line, f"no model for {resource.type}"
        return
    parent = _parent_type(resource, template)
    if parent is not None and parent != resource.type.rpartition("/")[0]:
        yield resource.line, f"{resource.name}: {resource.type} cannot be in {parent}"
    described = {} if resource.existing else structure(MODELS[resource.type]).fields
    yield from _check_object(resource.body, {**described, **_OF_BICEP}, resource.name)


def _parent_type(resource: Resource, template: Template) -> str | None:
    match resource.body.get("parent"):
        case Expression(source=name):
            return next((other.type for other in template.resources if other.name == name), None)
    return None


def _check_module(module: Module, parameters: tuple[Parameter, ...]) -> Found:
    fields = {
        parameter.name: Field(
            _PARAMETER_TYPES.get(parameter.type.rstrip("?"), Anything()), required=parameter.required
        )
        for parameter in parameters
    }
    required = any(field.required for field in fields.values())
    params = {"params": Field(Structure(fields), required=required)}
    yield from _check_object(module.body, {**_OF_BICEP, **params}, module.name)


def _check_object(value: Object, fields: Mapping[str, Field], where: str) -> Found:
    for item in value.properties:
        if item.name is None:
            continue
        if (field := fields.get(item.name)) is None:
            yield item.line, f"{where}: {unknown('property', item.name, fields)}"
        elif field.read_only:
            yield item.line, f"{where}: property {item.name!r} is read-only"
        else:
            yield from check_value(item.value, field.shape, f"{where}.{item.name}")
    given = {item.name for item in value.properties}
    for name, field in fields.items():
        if field.required and not {name, None} & given:
            yield value.line, f"{where}: property {name!r} is missing"


def _check_variant(value: Object, shape: Structure, where: str) -> Found:
    match value.get(shape.discriminator):
        case Literal(value=str(name)) if name in shape.variants:
            yield from check_value(value, ModelOf(shape.variants[name]), where)
        case Literal(value=name, line=line):
            yield line, f"{where}.{shape.discriminator}: {unknown('value', str(name), shape.variants)}"
        case None:
            yield value.line, f"{where}: property {shape.discriminator!r} is missing"


def _merged(value: Value) -> Object:
    """Return one object of all parts, with an unnamed property for each that only a deployment knows."""
    match value:
        case Object():
            return value
        case Union(parts=parts) | Choice(options=parts):
            return Object(value.line, tuple(item for part in parts for item in _merged(part).properties))
    return Object(value.line, (Property(value.line, None, value),))


def _kind_of_shape(shape: Shape) -> str:
    match shape:
        case Scalar():
            return _KINDS[shape.type]
        case Choices():
            return "string"
        case ListOf():
            return "array"
    return "object"


def _kind(value: Value) -> str:
    return _KINDS[type(value.value) if isinstance(value, Literal) else type(value)]
