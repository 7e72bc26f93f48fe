"""The names within the templates: each that is used is declared, and each that is declared is used."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.templates.bicep import Object, Resource, Template, Value
from tools.templates.faults import Fault, line_of, unknown
from tools.templates.models import (
    READ_MODELS,
    Anything,
    Field,
    Scalar,
    Shape,
    Structure,
    fields_of,
    structure,
)

_FUNCTIONS = """
allowed any array base64 batchSize concat contains deployer deployment description empty endsWith
environment export filter first flatten format guid indexOf int items join json last length
loadJsonContent loadTextContent map max maxLength maxValue metadata min minLength minValue range reduce
replace resourceGroup resourceId secure skip sort split startsWith string subscription
subscriptionResourceId substring take tenant toLower toObject toUpper trim union uniqueString uri
"""

FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions and decorators of Bicep, without the rare ones."""


def symbol_faults(template: Template, called: Mapping[str, Template]) -> Iterator[Fault]:
    """Look for names that are not declared, and for parameters and variables that nothing uses."""
    for line, text in (*_undeclared(template), *_unused(template), *_unknown_members(template, called)):
        yield Fault(template.path, line, text)


def parameter_file_faults(template: Template, path: Path, text: str) -> Iterator[Fault]:
    """Hold a parameter file against the template that it is for."""
    given = json.loads(text)["parameters"]
    declared = {parameter.name: parameter.required for parameter in template.parameters}
    for name in given.keys() - declared.keys():
        yield Fault(path, line_of(f'"{name}"', text), unknown("parameter", name, declared))
    for name, required in declared.items():
        if required and name not in given:
            yield Fault(path, 1, f"parameter {name!r} is missing")


def loaded_file_faults(template: Template, project_dir: Path) -> Iterator[Fault]:
    """Look for files that are read into a template, and are not there."""
    folder = project_dir / template.path.parent
    for file in re.findall(r"\bload\w+\('([^']+)'", template.source):
        if not (folder / file).exists():
            yield Fault(template.path, line_of(file, template.source), f"there is no {file}")


def _undeclared(template: Template) -> Iterator[tuple[int, str]]:
    declared = {item.name for item in template.parameters + template.variables}
    declared |= {item.name for item in template.resources + template.modules} | template.other_names
    for reference in template.references:
        if reference.name not in declared:
            yield reference.line, unknown("name", reference.name, declared)
    callable_names = FUNCTIONS | template.other_names
    for call in template.calls:
        if call.name not in callable_names:
            yield call.line, unknown("function", call.name, callable_names)


def _unused(template: Template) -> Iterator[tuple[int, str]]:
    used = {reference.name for reference in template.references}
    for item in template.parameters + template.variables:
        if item.name not in used:
            yield item.line, f"{item.name!r} is never used"


def _unknown_members(template: Template, called: Mapping[str, Template]) -> Iterator[tuple[int, str]]:
    shapes: dict[str, Shape] = {
        **{resource.name: _read_shape(resource) for resource in template.resources},
        **{module.name: _outputs_shape(called.get(module.path)) for module in template.modules},
        **{variable.name: _value_shape(variable.value) for variable in template.variables},
    }
    shapes |= dict.fromkeys(template.other_names, Anything())
    for member in template.members:
        shape = shapes.get(member.name, Anything())
        for name in member.path:
            fields = fields_of(shape)
            if fields is None:
                break
            if name not in fields:
                yield member.line, f"{member.name}: {unknown('member', name, fields)}"
                break
            shape = fields[name].shape


def _read_shape(resource: Resource) -> Shape:
    if resource.type not in READ_MODELS:
        return Anything()
    of_all = dict.fromkeys(("id", "name", "type"), Field(Scalar(str)))
    return Structure({**structure(READ_MODELS[resource.type]).fields, **of_all})


def _outputs_shape(module: Template | None) -> Shape:
    if module is None:
        return Anything()
    outputs = {output.name: Field(Anything()) for output in module.outputs}
    return Structure({"name": Field(Scalar(str)), "outputs": Field(Structure(outputs))})


def _value_shape(value: Value) -> Shape:
    if not isinstance(value, Object) or any(item.name is None for item in value.properties):
        return Anything()
    return Structure({str(item.name): Field(_value_shape(item.value)) for item in value.properties})
