"""What a record's settings are and may be, in words: for documentation, and for those who wrote a value that can't be.

msgspec checks a table against a record and says where it stopped. `record_of` says the same with the setting's name as
one writes it in the file, its value, and what is allowed, which it reads from the record itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from msgspec import NODEFAULT, Struct, ValidationError, convert, inspect

from training.errors import RecipeError

RecordT = TypeVar("RecordT", bound=Struct)

ALLOWED = "allowed"  # key of a Meta's `extra`: what a text's pattern allows, in words
_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+|\.\.\.)\]")
_FIELD = re.compile(r"Object (?P<problem>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)


@dataclass(frozen=True)
class Setting:
    """One setting: its path in the file (`fit.epochs`), what it may be and means, its default (`NODEFAULT` for none)."""

    path: str
    allowed: str
    meaning: str
    default: object


def settings_of(record: type[Struct], prefix: str = "") -> Iterator[Setting]:
    """All settings of a record, those of a table within it by their path. A table with a description of its own is one."""
    kind = inspect.type_info(record)
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        path = f"{prefix}{field.encode_name}"
        if isinstance(field.type, inspect.StructType):
            yield from settings_of(field.type.cls, f"{path}.")
        else:
            default = field.default if field.default_factory is NODEFAULT else field.default_factory()
            yield Setting(path, _allowed(field.type), _meaning(field.type), default)


def record_of(kind: type[RecordT], table: object) -> RecordT:
    """The record of a table as TOML gives it. Raises `RecipeError` that names the setting at fault and what it may be."""
    try:
        return convert(table, kind)
    except ValidationError as error:
        raise RecipeError(_refusal(str(error), kind, table)) from error


def _refusal(message: str, kind: type[Struct], table: object) -> str:
    place = _PLACE.fullmatch(message)
    assert place
    path, expected, value = "", inspect.type_info(kind), table
    for step in _STEP.finditer(place["path"] or ""):
        expected = _plain(expected)
        if step["name"]:
            assert isinstance(expected, inspect.StructType)
            assert isinstance(value, dict)
            path += f".{step['name']}" if path else step["name"]
            expected = next(field.type for field in expected.fields if field.encode_name == step["name"])
            value = value[step["name"]]
        elif step["index"] == "...":  # msgspec doesn't say which key of a mapping
            break
        else:
            assert isinstance(expected, inspect.VarTupleType)
            assert isinstance(value, list)
            path += f"[{step['index']}]"
            expected, value = expected.item_type, value[int(step["index"])]
    if field := _FIELD.fullmatch(place["problem"]):
        name = f"{path}.{field['name']}" if path else field["name"]
        if field["problem"].startswith("missing"):
            return f"{name} is missing"
        inner = _plain(expected)
        assert isinstance(inner, inspect.StructType)
        return f"unknown setting {name}; there are {', '.join(field.encode_name for field in inner.fields)}"
    whole = isinstance(_plain(expected), inspect.StructType | inspect.DictType | inspect.VarTupleType)
    return f"{path or 'a recipe'}{'' if whole else f' = {value!r}'} must be {_allowed(expected)}"


def _plain(kind: inspect.Type) -> inspect.Type:
    """A type without what is said about it, and without the None that a setting may be left at."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        (inner,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
        return _plain(inner)
    return kind


def _meaning(kind: inspect.Type) -> str:
    return str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, inspect.Metadata) else ""


def _allowed(kind: inspect.Type) -> str:
    """What a value of a type may be: `a number in 0…0.9`."""
    if isinstance(kind, inspect.Metadata) and ALLOWED in (kind.extra or {}):
        return str((kind.extra or {})[ALLOWED])
    match _plain(kind):
        case inspect.IntType(ge=low, le=high):
            return f"a whole number{_bounds(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number{_bounds(low, high)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.VarTupleType(item_type=item, min_length=least):
            return f"a list of {_plural(item)}" + (f", at least {least}" if least else "")
        case inspect.DictType(value_type=value):
            return f"a table of {_plural(value)}"
        case inspect.StructType(fields=fields):
            return f"a table with {', '.join(field.encode_name for field in fields)}"
        case inspect.StrType(min_length=least, max_length=most) if least is not None and most is not None:
            return f"a text of {least}…{most} characters, in one line"
        case _:
            return "a text"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" in {low}…{high}"


def _plural(kind: inspect.Type) -> str:
    match _plain(kind):
        case inspect.IntType(ge=low, le=high):
            return f"whole numbers{_bounds(low, high)}"
        case inspect.StrType():
            return "texts"
        case _:
            return "tables"
