"""`mlwright.yaml` -> Spec, with the place of every key kept for error messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from mlwright.core import MlwrightError
from mlwright.spec.places import Keys, Mark, Places, Problem, SpecInvalid
from mlwright.spec.spec import Spec

_YAML = "tag:yaml.org,2002:"
MAX_BYTES = 1_000_000
FILE_NAME = "mlwright.yaml"


class SpecNotReadable(MlwrightError):
    """There is no such file, or it is not text."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of plain values: `yes`, `no`, `on`, dates and 1_000 are text, so a class may be called `no`.

    Aliases are refused: a few lines of them stand for more values than any memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _Refused("an alias such as `*name` stands for other text", "write that text out", mark)
        return super().compose_node(parent, index)


class _Refused(Exception):
    """YAML that a spec has no use for."""

    def __init__(self, what: str, fix: str, mark: yaml.Mark) -> None:
        super().__init__(what)
        self.problem = Problem(what, f"line {mark.line + 1}, column {mark.column + 1}", fix)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"{_YAML}{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def load_spec(path: str | Path) -> Spec:
    """Read a spec from a file, or from the `mlwright.yaml` of a folder.

    Raises
    ------
    SpecNotReadable
        If there is no such file.
    SpecInvalid
        If it is not YAML, or has unknown keys or wrong types; each problem with its line and column.
    """
    path = Path(path)
    if path.is_dir():
        path = path / FILE_NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecNotReadable("the file is larger than a spec can be", where=str(path), fix="name a mlwright.yaml")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SpecNotReadable(
            "there is no spec here",
            where=str(path),
            fix="write one with `mlwright init TABLE --target COLUMN`, or name another file",
        ) from error
    except UnicodeDecodeError as error:
        raise SpecNotReadable("the file is not UTF-8 text", where=str(path), fix="save it as UTF-8") from error
    except OSError as error:
        raise SpecNotReadable(
            f"the file cannot be read: {error.strerror}", where=str(path), fix="check the path and its permissions"
        ) from error
    return parse_spec(text, path=path)


def parse_spec(text: str, *, path: Path | None = None) -> Spec:
    """Read a spec from YAML text; `path` is for messages and for relative paths in it."""
    marks: dict[Keys, Mark] = {}
    places = Places(path, marks)
    try:
        node = _Loader(text).get_single_node()
        tree = None if node is None else _tree(node, (), marks, places)
    except _Refused as error:
        found = error.problem
        raise SpecInvalid([found._replace(where=f"{path or 'the spec'}, {found.where}")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = Problem(
            f"this is not YAML: {error.problem or error.context}",
            f"{path or 'the spec'}{place}",
            "check the indentation, the colons and the quotes there",
        )
        raise SpecInvalid([problem]) from error
    except yaml.YAMLError as error:
        problem = Problem(
            "this is not YAML: it has characters that are not text", str(path or "the spec"), "save it as plain UTF-8"
        )
        raise SpecInvalid([problem]) from error
    except RecursionError as error:
        raise SpecInvalid([Problem("it is nested too deeply", str(path or "the spec"), "flatten it")]) from error
    if not isinstance(tree, dict):
        problem = Problem("this is not a spec", str(path or "the spec"), "begin with `data:` and its keys below it")
        raise SpecInvalid([problem])
    return Spec.of(tree, places=places)


def _tree(node: yaml.Node, keys: Keys, marks: dict[Keys, Mark], places: Places) -> Any:
    """Plain dictionaries, lists and values of a YAML node."""
    marks.setdefault(keys, Mark(node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or _value(key_node) is None:
                raise _Refused("a key must be plain text", "put it in quotes", key_node.start_mark)
            key = str(key_node.value)
            inner = (*keys, key)
            marks[inner] = Mark(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in tree:
                raise SpecInvalid(
                    [Problem(f"the key {key!r} stands twice", places.describe(inner), "keep one of the two")]
                )
            tree[key] = _tree(value_node, inner, marks, places)
        return tree
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, (*keys, i), marks, places) for i, item in enumerate(node.value)]
    return _value(node)


def _value(node: yaml.Node) -> str | int | float | bool | None:
    """The value of a scalar; a number is decimal, also with zeros before it (YAML 1.1 reads 010 as eight)."""
    text, kind = str(node.value), node.tag.removeprefix(_YAML)
    try:
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "int":
                return int(text)
            case "float":
                return float(text)
    except (KeyError, ValueError) as error:
        what = "truth value" if kind == "bool" else "number"
        raise _Refused(f"this {what} cannot be read", "put it in quotes if it is text", node.start_mark) from error
    raise _Refused(f"the tag {node.tag!r} is not one that a spec uses", "remove it", node.start_mark)
