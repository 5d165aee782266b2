"""Holds JSON against the vendors' own types (TypedDict or pydantic), strictly: an unknown field anywhere is a fault."""

import collections.abc
import datetime
import enum
import types
import typing

import pydantic
import typing_extensions

ANY = (typing.Any, object, pydantic.JsonValue)
WRAPPERS = (
    typing.Annotated,
    typing_extensions.Required,
    typing_extensions.NotRequired,
    typing_extensions.ReadOnly,
    typing.Required,
    typing.NotRequired,
)
SCALARS = {str: str, bool: bool, bytes: str, datetime.datetime: str, type(None): type(None)}


def faults(value, shape, at="body"):
    """What is wrong with `value` as `shape`, as a list of "where: what"."""
    shape = _plain(shape)
    if shape in ANY or isinstance(shape, typing.TypeVar):
        return []
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if origin in (typing.Union, types.UnionType):
        return _of_union(value, arguments, at)
    if origin is typing.Literal:
        return (
            []
            if any(value == each and type(value) is type(each) for each in arguments)
            else [f"{at}: {value!r} is none of {arguments}"]
        )
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return [f"{at}: not an object"]
        return [fault for key, each in value.items() for fault in faults(each, arguments[1], f"{at}.{key}")]
    if origin is not None or shape is list:
        if not isinstance(value, list):
            return [f"{at}: not an array"]
        inner = arguments[0] if arguments else typing.Any
        return [fault for index, each in enumerate(value) for fault in faults(each, inner, f"{at}[{index}]")]
    return _of_class(value, shape, at)


def _plain(shape):
    """Without Annotated, Required, NotRequired and aliases around it."""
    while True:
        if isinstance(shape, typing_extensions.TypeAliasType):
            shape = shape.__value__
        elif isinstance(origin := typing.get_origin(shape), typing_extensions.TypeAliasType):
            shape = origin.__value__[typing.get_args(shape)]
        elif typing_extensions.get_origin(shape) in WRAPPERS:
            shape = typing_extensions.get_args(shape)[0]
        else:
            return shape


def _of_union(value, arms, at):
    """The faults of the arm that fits best: the one with a matching tag if there is one, else with fewest faults."""
    if any(typing.get_origin(_plain(arm)) is typing.Literal for arm in arms):
        # Cohere's generator writes "one of these words, or anything the future brings".
        arms = [arm for arm in arms if arm is not typing.Any]
    tried = []
    for arm in arms:
        found = faults(value, arm, at)
        if not found:
            return []
        mistagged = any(f"{at}.type:" in fault or f"{at}.role:" in fault for fault in found)
        tried.append((mistagged, _kind_of(value) != _kind(_plain(arm)), len(found), found))
    return min(tried, key=lambda each: each[:3])[3]


def _kind_of(value):
    return "record" if isinstance(value, dict) else "list" if isinstance(value, list) else "plain"


def _kind(shape):
    if typing_extensions.is_typeddict(shape) or (isinstance(shape, type) and issubclass(shape, pydantic.BaseModel)):
        return "record"
    return "list" if typing.get_origin(shape) not in (None, typing.Literal, dict) else "plain"


def _of_class(value, shape, at):
    if typing_extensions.is_typeddict(shape):
        hints = typing_extensions.get_type_hints(shape, include_extras=True)
        return _of_fields(value, hints, _required(shape, hints), at)
    if isinstance(shape, type) and issubclass(shape, pydantic.BaseModel):
        return _of_model(value, shape, at)
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        allowed = [each.value for each in shape]
        return [] if value in allowed else [f"{at}: {value!r} is none of {allowed}"]
    if shape is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif shape is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif shape in SCALARS:
        fits = isinstance(value, SCALARS[shape])
    elif isinstance(shape, type) and issubclass(shape, collections.abc.Sequence):
        fits = isinstance(value, list)
    elif getattr(shape, "__name__", "").startswith("SequenceNotStr") or "Sequence" in str(shape):
        fits = isinstance(value, list)
    elif shape is dict:
        fits = isinstance(value, dict)
    else:
        # Files, sentinels and the like never come as JSON.
        fits = False
    return [] if fits else [f"{at}: {value!r:.80} is no {getattr(shape, '__name__', shape)}"]


def _required(shape, hints):
    """The keys that must be there. Under postponed annotations a TypedDict does not know its NotRequired ones."""
    marks = {name: typing_extensions.get_origin(hint) for name, hint in hints.items()}
    optional = {name for name, mark in marks.items() if mark in (typing_extensions.NotRequired, typing.NotRequired)}
    return (shape.__required_keys__ - optional) | {
        name for name, mark in marks.items() if mark in (typing_extensions.Required, typing.Required)
    }


def _of_model(value, shape, at):
    fields = {}
    required = set()
    for name, declared in shape.model_fields.items():
        named = declared.alias or next((m.alias for m in declared.metadata if getattr(m, "alias", None)), name)
        fields[named] = declared.annotation
        if declared.is_required():
            required.add(named)
    return _of_fields(value, fields, required, at)


def _of_fields(value, fields, required, at):
    if not isinstance(value, dict):
        return [f"{at}: not an object"]
    found = [f"{at}.{name}: missing" for name in sorted(required - value.keys())]
    for name, each in value.items():
        if name not in fields:
            found.append(f"{at}.{name}: unknown field")
        else:
            found += faults(each, fields[name], f"{at}.{name}")
    return found
