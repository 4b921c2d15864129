"""Where in the file each key of a spec stands, and validation errors told in those places."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlwright.core import MlwrightError, closest

Keys = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in a text file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Places:
    """The file a spec was read from, and the mark of each of its keys."""

    path: Path | None = None
    marks: Mapping[Keys, Mark] = field(default_factory=dict)

    def describe(self, keys: Sequence[str | int]) -> str:
        """`churn.yaml, line 12, column 3, data.target`; as much of it as is known."""
        dotted = ".".join(map(str, keys)) or "the whole spec"
        known = tuple(keys)
        while known and known not in self.marks:
            known = known[:-1]
        mark = self.marks.get(known)
        place = f"line {mark.line}, column {mark.column}, " if mark else ""
        return f"{self.path or 'the spec'}, {place}{dotted}"


class Problem(NamedTuple):
    """One thing that is wrong with a spec."""

    what: str
    where: str
    fix: str


class SpecInvalid(MlwrightError):
    """The spec cannot be used; carries every problem, told one after the other."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.what, where=first.where, fix=first.fix)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(f"{p.what}\n  where  {p.where}\n  fix    {p.fix}" for p in self.problems)


def problems_of(error: ValidationError, model: type[BaseModel], tree: Any, places: Places) -> list[Problem]:
    """Say each validation error in plain words, at its place in the file, without echoing values."""
    problems: dict[Keys, Problem] = {}
    for details in error.errors(include_url=False):
        keys = _keys_in(tree, details)
        # Of a union every member complains about the same key: the first one is the likeliest meant.
        problems.setdefault(keys, _problem(details, keys, _fields_at(model, keys), places))
    # Where a section was meant and is wrong inside, the member of the union that is no section has nothing to say.
    return [problem for keys, problem in problems.items() if not any(_inside(other, keys) for other in problems)]


def _inside(inner: Keys, outer: Keys) -> bool:
    return len(inner) > len(outer) > 0 and inner[: len(outer)] == outer


def _problem(details: ErrorDetails, keys: Keys, known: list[str], places: Places) -> Problem:
    where = places.describe(keys)
    name = _name(keys)
    match details["type"]:
        case "extra_forbidden":
            return Problem(f"unknown key {name!r}", where, closest(str(name), known))
        case "missing":
            return Problem(f"the key {name!r} is missing", places.describe(keys[:-1]), f"add `{name}: …` there")
        case "value_error":
            what, _, fix = details["msg"].removeprefix("Value error, ").partition("; ")
            return Problem(f"{name}: {what}", where, fix or "change it")
        case "literal_error":
            return Problem(f"{name}: this value is not one of its choices", where, f"use {details['ctx']['expected']}")
        case "tuple_type" | "list_type":
            return Problem(f"{name} is a list", where, "write a list: [a, b]")
        case "model_type" | "dict_type" | "model_attributes_type":
            return Problem(f"{name} is a section with keys of its own", where, "indent its keys below it: `key: value`")
        case _:
            return Problem(f"{name}: {_lower(details['msg'])}", where, _advice(details))


def _name(keys: Keys) -> str:
    """What to call a key in a sentence: `seconds`, or `requirements[0]` for an item of a list."""
    if not keys:
        return "the spec"
    return f"{keys[-2]}[{keys[-1]}]" if isinstance(keys[-1], int) and len(keys) > 1 else str(keys[-1])


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _advice(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "bool_type":
        return "write true or false"
    if kind in {"float_type", "int_type"}:
        return "write a plain number without quotes"
    if kind == "string_type":
        return "write one value" if isinstance(details["input"], dict | list) else "put the value in quotes"
    return "change the value"


def _keys_in(tree: Any, details: ErrorDetails) -> Keys:
    """The location without what pydantic adds to it: the name of the union member that failed is no key of the file."""
    keys: list[str | int] = []
    location = details["loc"]
    for part in location:
        inner: Any = dict(enumerate(tree)) if isinstance(tree, list) else tree
        if isinstance(inner, dict) and part in inner:
            tree = inner[part]
            keys.append(part)
    if details["type"] == "missing":
        keys.append(location[-1])
    return tuple(keys)


def _fields_at(model: type[BaseModel], keys: Keys) -> list[str]:
    """The keys that may stand beside the last of `keys`."""
    options: list[Any] = [model]
    for key in keys[:-1]:
        options = [
            inner
            for option in options
            for inner in (
                _flat(option.model_fields[key].annotation)
                if _is_model(option) and key in option.model_fields
                else _items(option)
            )
        ]
    return [name for option in options if _is_model(option) for name in option.model_fields]


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of unions and what is annotated, down to plain types."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _flat(member)
    elif origin is typing.Annotated:
        yield from _flat(typing.get_args(annotation)[0])
    else:
        yield annotation


def _items(annotation: Any) -> list[Any]:
    """What the values of a dictionary or the items of a tuple are."""
    arguments = [a for a in typing.get_args(annotation) if a is not Ellipsis]
    if typing.get_origin(annotation) is dict:
        arguments = arguments[1:]
    elif typing.get_origin(annotation) not in (tuple, list):
        return []
    return [flat for argument in arguments for flat in _flat(argument)]
