"""JSON Schemas from Python types (dataclasses, TypedDicts, enums, `typing`), and values of these types
from JSON. For answers that have a type. Never runs a type's own code but its constructor.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import Any

_SCALARS: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def of(kind: Any) -> dict[str, Any]:
    """The schema of a type, closed: no other properties, and all of them required."""
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if kind is None or kind is type(None):
        return {"type": "null"}
    if kind is Any:
        return {}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return of(arguments[0])
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of(argument) for argument in arguments]}
    if kind is list or origin in (list, set, tuple) and len(arguments) <= 2:
        return {"type": "array", "items": of(arguments[0])} if arguments else {"type": "array"}
    if kind is dict or origin is dict:
        return {"type": "object", "additionalProperties": of(arguments[1])} if arguments else {"type": "object"}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    fields = _fields(kind)
    if fields is None:
        raise TypeError(f"no JSON Schema can be made of {kind!r}; use a dataclass or a TypedDict")
    return {
        "type": "object",
        "properties": {name: of(field) for name, field in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }


def build(kind: Any, value: Any) -> Any:
    """A value of the type from what JSON gave."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return build(arguments[0], value)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        for argument in arguments:
            if argument is not type(None) and _fits(argument, value):
                return build(argument, value)
        return value
    if origin in (list, set, tuple) and arguments and isinstance(value, list):
        return origin(build(arguments[0], item) for item in value)
    if origin is dict and arguments and isinstance(value, dict):
        return {key: build(arguments[1], item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if kind is float and isinstance(value, int):
        return float(value)
    fields = _fields(kind)
    if fields is None or not isinstance(value, dict):
        return value
    built = {name: build(fields[name], item) for name, item in value.items() if name in fields}
    return kind(**built)


def _fits(kind: Any, value: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    if _fields(kind) is not None:
        return isinstance(value, dict) and set(value) <= set(_fields(kind) or ())
    return isinstance(value, origin) if isinstance(origin, type) else True


def _fields(kind: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or a TypedDict, by name."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    if typing.is_typeddict(kind):
        return typing.get_type_hints(kind, include_extras=True)
    return None
