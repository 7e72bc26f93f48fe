"""Bicep source -> a small frozen tree of what the checks look at."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

type Value = Literal | Expression | Choice | Union | Array | Object


@dataclass(frozen=True)
class Literal:
    line: int
    value: str | int | bool | None


@dataclass(frozen=True)
class Expression:
    """What only a deployment can know."""

    line: int
    source: str


@dataclass(frozen=True)
class Choice:
    """The two sides of `condition ? one : other`."""

    line: int
    options: tuple[Value, ...]


@dataclass(frozen=True)
class Union:
    """What `union()` makes one of."""

    line: int
    parts: tuple[Value, ...]


@dataclass(frozen=True)
class Array:
    """An array, or a loop or a `map()`, whose one item stands for all."""

    line: int
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Property:
    line: int
    name: str | None
    """None where the name is an expression."""
    value: Value


@dataclass(frozen=True)
class Object:
    line: int
    properties: tuple[Property, ...]

    def get(self, *names: str) -> Value | None:
        """Return the value at a path of names."""
        found: Value | None = self
        for name in names:
            if not isinstance(found, Object):
                return None
            found = next((item.value for item in found.properties if item.name == name), None)
        return found


@dataclass(frozen=True)
class Parameter:
    line: int
    name: str
    type: str
    required: bool
    secure: bool


@dataclass(frozen=True)
class Named:
    """A variable or an output."""

    line: int
    name: str
    value: Value


@dataclass(frozen=True)
class Resource:
    """A resource; one that is nested in another has the type of both."""

    line: int
    name: str
    type: str
    existing: bool
    body: Object


@dataclass(frozen=True)
class Module:
    line: int
    name: str
    path: str
    body: Object


@dataclass(frozen=True)
class Reference:
    line: int
    name: str


@dataclass(frozen=True)
class Member:
    """A use of `name.some.path`."""

    line: int
    name: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    path: Path
    source: str
    parameters: tuple[Parameter, ...]
    variables: tuple[Named, ...]
    outputs: tuple[Named, ...]
    resources: tuple[Resource, ...]
    modules: tuple[Module, ...]
    other_names: frozenset[str]
    """Types, functions, and the variables of loops and lambdas."""
    references: tuple[Reference, ...]
    calls: tuple[Reference, ...]
    """Of functions and decorators."""
    members: tuple[Member, ...]
    literals: tuple[Literal, ...]
    """Every string, wherever it stands."""


_PARSER = Parser(Language(tree_sitter_bicep.language()))
_NAMING = (
    "module_declaration",
    "object_property",
    "output_declaration",
    "parameter_declaration",
    "resource_declaration",
    "type_declaration",
    "variable_declaration",
)
"""What begins with a name that is not looked up."""
_MEMBER = re.compile(r"(\w+)(?:\[[^\]]*\])?((?:[!?.]+\w+)+)")


def syntax_errors(source: str) -> list[int]:
    """Return the lines of what tree-sitter-bicep does not take for Bicep; a spread, `...`, is such."""
    nodes = _walk(_PARSER.parse(source.encode()).root_node)
    return [_line(node) for node in nodes if node.is_error or node.is_missing]


def parse(path: Path, source: str) -> Template:
    """Read a template that has no syntax errors."""
    nodes = list(_walk(_PARSER.parse(source.encode()).root_node))

    def of(kind: str) -> Iterator[Node]:
        return (node for node in nodes if node.type == kind)

    variables = tuple(map(_named, of("variable_declaration")))
    values = {variable.name: variable.value for variable in variables}
    return Template(
        path=path,
        source=source,
        parameters=tuple(map(_parameter, of("parameter_declaration"))),
        variables=variables,
        outputs=tuple(map(_named, of("output_declaration"))),
        resources=tuple(_resource(node, values) for node in of("resource_declaration")),
        modules=tuple(_module(node, values) for node in of("module_declaration")),
        other_names=frozenset(name for node in nodes for name in _other_names(node)),
        references=tuple(
            Reference(_line(node), _text(node)) for node in of("identifier") if not _is_declared_by(node)
        ),
        calls=tuple(Reference(_line(node), _text(node.named_children[0])) for node in of("call_expression")),
        members=tuple(
            Member(_line(node), match[1], tuple(re.findall(r"\w+", match[2])))
            for node in of("member_expression")
            if (match := _MEMBER.fullmatch(_text(node)))
        ),
        literals=tuple(value for node in of("string") if isinstance(value := _value(node), Literal)),
    )


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _parameter(node: Node) -> Parameter:
    before = node.prev_named_sibling
    decorators = _text(before) if before is not None and before.type == "decorators" else ""
    type_text = next((_text(child) for child in node.named_children if child.type == "type"), "")
    has_default = any(child.type == "=" for child in node.children)
    return Parameter(
        line=_line(node),
        name=_name(node),
        type=type_text,
        required=not has_default and not type_text.endswith("?"),
        secure="@secure()" in decorators,
    )


def _named(node: Node) -> Named:
    return Named(_line(node), _name(node), _value(node.named_children[-1]))


def _resource(node: Node, variables: Mapping[str, Value]) -> Resource:
    existing = any(child.type == "existing" for child in node.children)
    return Resource(_line(node), _name(node), _resource_type(node), existing, _body(node, variables))


def _module(node: Node, variables: Mapping[str, Value]) -> Module:
    return Module(_line(node), _name(node), _quoted(node), _body(node, variables))


def _resource_type(node: Node) -> str:
    own, _, _ = _quoted(node).partition("@")
    outer = node.parent
    while outer is not None and outer.type != "resource_declaration":
        outer = outer.parent
    return own if outer is None else f"{_resource_type(outer)}/{own}"


def _body(node: Node, variables: Mapping[str, Value]) -> Object:
    found = _resolved(_value(node.named_children[-1]), variables)
    while isinstance(found, Array) and found.items:
        (found,) = found.items
    return found if isinstance(found, Object) else Object(_line(node), ())


def _resolved(value: Value, variables: Mapping[str, Value]) -> Value:
    """Put the values of variables where they are named."""
    again = partial(_resolved, variables=variables)
    match value:
        case Expression(source=name) if name in variables:
            return again(variables[name])
        case Choice():
            return replace(value, options=tuple(map(again, value.options)))
        case Union():
            return replace(value, parts=tuple(map(again, value.parts)))
        case Array():
            return replace(value, items=tuple(map(again, value.items)))
        case Object():
            items = value.properties
            return replace(value, properties=tuple(replace(item, value=again(item.value)) for item in items))
    return value


def _value(node: Node) -> Value:
    line = _line(node)
    inside = [child for child in node.named_children if "comment" not in child.type]
    match node.type:
        case "string" if all(child.type != "interpolation" for child in inside):
            return Literal(line, "".join(map(_text, inside)))
        case "number":
            return Literal(line, int(_text(node)))
        case "boolean":
            return Literal(line, _text(node) == "true")
        case "null":
            return Literal(line, None)
        case "array":
            return Array(line, tuple(map(_value, inside)))
        case "object":
            properties = (child for child in inside if child.named_children[0].type != "resource_declaration")
            return Object(line, tuple(map(_property, properties)))
        case "ternary_expression":
            return Choice(line, tuple(map(_value, inside[1:])))
        case "for_statement":
            return Array(line, (_value(inside[-1]),))
        case "parenthesized_expression" | "if_statement" | "lambda_expression":
            return _value(inside[-1])
        case "call_expression":
            return _called(_text(inside[0]), inside[1]) or Expression(line, _text(node))
    return Expression(line, _text(node))


def _called(function: str, arguments: Node) -> Value | None:
    given = [child for child in arguments.named_children if "comment" not in child.type]
    match function:
        case "union":
            return Union(_line(arguments), tuple(map(_value, given)))
        case "map":
            return Array(_line(arguments), (_value(given[-1]),))
    return None


def _property(node: Node) -> Property:
    name, *_, value = node.named_children
    return Property(_line(node), _key(name), _value(value))


def _key(node: Node) -> str | None:
    if node.type == "identifier":
        return _text(node)
    key = _value(node)
    return str(key.value) if isinstance(key, Literal) else None


def _other_names(node: Node) -> list[str]:
    """Return the names that this declares which are no parameter, variable, output, resource or module."""
    match node.type:
        case "loop_variable" | "loop_enumerator":
            return [_text(node)]
        case "for_statement" | "type_declaration" | "user_defined_function" | "parameter":
            return [_text(child) for child in node.named_children[:1] if child.type == "identifier"]
        case "lambda_expression":
            return [_text(child) for child in _walk(node.named_children[0]) if child.type == "identifier"]
    return []


def _is_declared_by(node: Node) -> bool:
    """Tell whether an identifier only names what is declared, set or called here."""
    outer = node.parent
    if outer is None:
        return False
    if outer.type == "call_expression":
        return outer.child_by_field_name("function") == node
    return outer.type in _NAMING and outer.named_children[0] == node


def _name(node: Node) -> str:
    return next((_text(child) for child in node.named_children if child.type == "identifier"), "")


def _quoted(node: Node) -> str:
    return next((_text(child)[1:-1] for child in node.named_children if child.type == "string"), "")


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _line(node: Node) -> int:
    return node.start_point.row + 1
