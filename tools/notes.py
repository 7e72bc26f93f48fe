"""Reads the docstrings under the fields of a class, which Python does not keep at run time."""

import ast
import inspect
from functools import cache
from types import ModuleType


def field_notes(owner: type) -> dict[str, str]:
    """Return the text under each field of a class and of its bases, as one line."""
    notes: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        module = inspect.getmodule(base)
        if module is not None and module.__name__.startswith("shared."):
            notes |= _notes_of_module(module).get(base.__name__, {})
    return notes


@cache
def _notes_of_module(module: ModuleType) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: _notes_of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _notes_of_class(definition: ast.ClassDef) -> dict[str, str]:
    notes = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(note))):
                notes[name] = " ".join(note.split())
    return notes
