"""Write `docs/reference/` from the code, so that it cannot say anything else.

    python docs/make_reference.py            # writes the pages
    python docs/make_reference.py --check    # exit code 1 if a committed page differs

Every page is made from what the program itself uses: the parser of the command line, the JSON Schema of the spec, the
tables of metrics and checks, the signatures and docstrings of the public names.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import mlwright
from mlwright.checks import CHECKS
from mlwright.core import MlwrightError
from mlwright.spec import json_schema
from mlwright.statistics import DECISION_METRICS, METRICS, Metric, Scored, score_with_interval

HERE = Path(__file__).resolve().parent / "reference"
MADE = "<!-- Made by docs/make_reference.py from the code: change the code, then run it again. -->\n\n"

#: The packages in the order in which data passes through them.
STAGES = (
    "core", "spec", "statistics", "data", "checks", "features", "models", "search", "evaluation", "runs", "reports",
    "predictions", "workflow", "proposal", "batch", "estimators", "serving", "verification",
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------ the small parts


def row(cells: Iterable[object]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    return "\n".join([row(head), row("---" for _ in head), *(row(cells) for cells in rows)]) + "\n"


def first_sentence(text: str | None) -> str:
    """What a docstring opens with, up to its first blank line, on one line."""
    return " ".join((inspect.cleandoc(text or "").partition("\n\n")[0]).split())


_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)


def markdown(text: str | None) -> str:
    """A numpydoc docstring as Markdown: its sections as lists, its examples as code."""
    parts = _SECTION.split(inspect.cleandoc(text or ""))
    made = [parts[0].strip()]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        made.append(f"**{title}**\n\n{_body(title, body.strip())}")
    return "\n\n".join(part for part in made if part)


def _body(title: str, body: str) -> str:
    if title == "Examples":
        return f"```pycon\n{body}\n```"
    if title in {"References", "Notes"}:
        return " ".join(body.split())
    items: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line and not line.startswith(" "):
            items.append((line, []))
        elif items:
            items[-1][1].append(line.strip())
    return "\n".join(f"- `{head}`" + (f": {' '.join(rest).strip()}" if rest else "") for head, rest in items)


# ------------------------------------------------------------------------------------------------------------- commands


def commands_page() -> str:
    """Each command with what `--help` says about it."""
    from typer.main import get_command

    from mlwright.cli.app import app

    group: Any = get_command(app)
    head = "# Commands\n\n" + _plain_help(group.help)
    listed = list(_commands(group, "mlwright"))
    overview = table(
        ["command", "what it does"],
        [(f"[`{name}`](#{name.replace(' ', '-')})", first_sentence(command.help)) for name, command in listed],
    )
    return f"{head}\n\n{overview}\n" + "\n".join(_command(name, command) for name, command in listed)


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _plain_help(text: str) -> str:
    return inspect.cleandoc(text).replace("```\nmlwright", "```text\nmlwright")


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *(_usage(p) for p in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {name}", "", f"```text\n{usage}\n```", "", inspect.cleandoc(command.help), ""]
    if command.params:
        rows = [
            (_written(p), p.help or "", _default(p)) for p in [*arguments, *(o for o in options if o.name != "help")]
        ]
        lines.append(table(["argument or option", "meaning", "if not given"], rows))
    return "\n".join(lines) + "\n"


def _usage(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    takes = "" if parameter.is_flag else " " + (parameter.metavar or parameter.name.removesuffix("_output").upper())
    return ", ".join(f"`{option}{takes}`" for option in parameter.opts)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    default = parameter.default
    return "" if default in (None, False) or callable(default) else f"`{default}`"


# ----------------------------------------------------------------------------------------------------------------- spec


def spec_page() -> str:
    """Every key of `mlwright.yaml`, from its JSON Schema."""
    schema = json_schema()
    parts = [
        "# The spec: `mlwright.yaml`\n",
        (
            "Unknown keys and wrong types are errors that name the file, the line and the nearest key. `mlwright spec schema` "
            "prints the JSON Schema that this page is made from; `mlwright init` writes it beside the spec, and editors "
            "complete and check with it.\n\n"
            "Plain words are text as in YAML 1.2: `yes`, `no` and dates stay what is written. Aliases (`*name`) are "
            "refused.\n\nKeys for later stages are read and checked already; "
            "[limits](../explanation/limits.md#not-yet) lists what nothing acts on yet.\n"
        ),
        "## The whole file\n\n" + first_sentence(schema["description"]) + "\n",
        _keys(schema, schema["$defs"]),
    ]
    for name in _in_order(schema, schema["$defs"]):
        section = schema["$defs"][name]
        parts.append(f"## {name}\n\n{first_sentence(section.get('description'))}\n")
        parts.append(_keys(_object(section), schema["$defs"]))
    parts.append(_small_values())
    return "\n".join(parts)


def _in_order(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """The sections in the order in which one meets them while reading."""
    seen: dict[str, None] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                name = node["$ref"].rpartition("/")[2]
                if name not in seen:
                    seen[name] = None
                    visit(definitions[name])
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(schema["properties"])
    return [name for name in seen if _object(definitions[name]).get("properties")]


def _object(section: dict[str, Any]) -> dict[str, Any]:
    return next((part for part in section.get("anyOf", ()) if part.get("properties")), section)


def _keys(section: dict[str, Any], definitions: dict[str, Any]) -> str:
    needed = set(section.get("required", ()))
    rows = [
        (
            f"`{name}`",
            _type(value, definitions),
            "must be given" if name in needed else _shown_default(value),
            _meaning(value, definitions),
        )
        for name, value in section["properties"].items()
    ]
    return table(["key", "type", "default", "meaning"], rows)


def _meaning(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a key is for; a key that only names a section means what the section says."""
    said = value.get("description")
    if said is None and "$ref" in value:
        said = definitions[value["$ref"].rpartition("/")[2]].get("description")
    return first_sentence(said)


def _shown_default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if default is None or isinstance(default, dict) or default == []:
        return ""
    if default == "PT0S":  # how pydantic writes a duration of nothing
        return "`0s`"
    return f"`{str(default).lower() if isinstance(default, bool) else _plain(default)}`"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _type(node: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        target = definitions[name]
        return f"[{name}](#{name.lower()})" if _object(target).get("properties") else _type(target, definitions)
    if "allOf" in node:
        return _type(node["allOf"][0], definitions)
    if "anyOf" in node:
        return " or ".join(
            dict.fromkeys(_type(part, definitions) for part in node["anyOf"] if part.get("type") != "null")
        )
    if "enum" in node:
        return " · ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    kind = node.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(_WORDS.get(one, one) for one in kind)
    if kind == "array":
        return f"list of {_type(node.get('items', {}), definitions)}"
    if kind == "object":
        return f"keys with {_type(node.get('additionalProperties') or {}, definitions)}"
    return _WORDS.get(kind, kind) + _bounds(node)


_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list"}


def _bounds(node: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {node[key]:,}".removesuffix(".0") for key, sign in signs.items() if key in node]
    return f" {' and '.join(found)}" if found else ""


def _small_values() -> str:
    from mlwright.spec.expressions import _FUNCTIONS
    from mlwright.spec.values import _UNITS

    return (
        "## Small values\n\n"
        f"- A **duration** is a number and a unit: {', '.join(f'`{unit}`' for unit in _UNITS)}; `30d`, `12h`.\n"
        "- A **capacity** is `500 per week`, `5%` or a share such as `0.05`.\n"
        "- An **expression** is a number, or text with column names (or `col('a name with spaces')`), `+ - * / % **`, "
        "comparisons, `in`, `and`, `or`, `not`, and the functions "
        f"{', '.join(f'`{name}`' for name in _FUNCTIONS)}. It is parsed by mlwright and never run as code; a comparison "
        "with a missing value is false.\n"
    )


# -------------------------------------------------------------------------------------------------- metrics and checks


def metrics_page() -> str:
    """The metrics that a requirement may name."""
    rows = [
        (
            f"`{metric.name}`",
            metric.title,
            ", ".join(metric.tasks),
            "higher" if metric.higher_is_better else "lower",
            _definition(metric),
            _interval_method(metric),
        )
        for metric in METRICS.values()
    ]
    of_decisions = [
        (f"`{one.name}`", one.described, _NEEDS[one.needs], first_sentence(one.compute.__doc__))
        for one in DECISION_METRICS.values()
    ]
    return (
        "# Metrics\n\n"
        "What a requirement may name, and what every evaluation reports for its task. The interval column says which "
        "method a score gets on rows without weights and groups; where rows have weights or groups, means keep Student's "
        "interval (of groups, if there are any) and everything else gets the bootstrap, which resamples groups where "
        "rows have them.\n\n"
        + table(["name", "title", "tasks", "better", "definition", "interval"], rows)
        + "\n## Metrics of decisions\n\n"
        "These can be required of a decision between two classes, and are not in the table of every evaluation: they need a "
        "level, or what outcomes are worth. More is better in each, and the interval is a bootstrap.\n\n"
        + table(["name", "title", "needs", "definition"], of_decisions)
    )


_NEEDS = {
    "level": "`at`, a share in (0, 1]",
    "top": "`at`, a share of the rows; that of `decision.capacity` if it is not given",
    "rows": "`decision.values` and `decision.volume`",
    "nothing": "`decision.values`",
}


def _definition(metric: Metric) -> str:
    """The docstring of what computes it, per row or as a whole."""
    function: Callable[..., Any] | None = metric.per_row or metric.successes
    if function is None:
        function = inspect.getclosurevars(metric.compute).nonlocals["compute"]
    said = first_sentence(function.__doc__)
    said = re.sub(r",? ?(as two arrays of 0 and 1)?,? shape \(n_rows,\)( each)?", "", said).replace(";.", ".")
    if metric.per_row is not None:
        said = said.replace("Per row", function.__name__.replace("_", " "))
        said = said[0].lower() + said[1:]
        said = f"{'Root of the mean' if metric.root else 'Mean'} over rows of: {said}"
    return said.replace(" , ", ", ").replace(":,", ",")


def _interval_method(metric: Metric) -> str:
    """The method that `score_with_interval` names for it, asked on a few made-up rows."""
    rng = np.random.default_rng(0)
    names = []
    for task in metric.tasks:
        said = score_with_interval(metric, _made_up(task, rng), rng=rng).method
        found = re.sub(r", \d+ repetitions", "", said.removeprefix(f"{metric.title}; "))
        names.append((task, found))
    if len({found for _, found in names}) == 1:
        return names[0][1]
    return "; ".join(f"{task}: {found}" for task, found in names)


def _made_up(task: str, rng: np.random.Generator) -> Scored:
    n = 60
    if task == "regression":
        target = rng.normal(size=n)
        prediction = target + rng.normal(size=n)
        return Scored(target=target, prediction=prediction, low=prediction - 2, high=prediction + 2)
    target = rng.integers(0, 2 if task == "binary" else 3, n).astype(float)
    if task == "binary":
        return Scored(target=target, prediction=np.clip(0.3 + 0.3 * target + 0.2 * rng.normal(size=n), 0.01, 0.99))
    return Scored(target=target, prediction=rng.dirichlet(np.ones(3), n))


def checks_page() -> str:
    """What is looked at before a model is fitted."""
    parts = [
        "# Checks\n",
        (
            "`mlwright check` runs all of them, `mlwright run` and `mlwright train` begin with them. Each result is `pass`, "
            "`warn` (a person should look at it) or `fail` (a model from this data would be wrong: the run stops with exit "
            "code 1). A check that does not apply says nothing. How they work and what they find is told in "
            "[explanation/checks.md](../explanation/checks.md).\n"
        ),
    ]
    for name, check in CHECKS.items():
        parts.append(f"## {name}\n\n{markdown(inspect.getdoc(check))}\n")
    return "\n".join(parts)


# ----------------------------------------------------------------------------------------------------------- Python API


def python_page() -> str:
    """The names of `import mlwright`, and where everything else is."""
    names = [name for name in mlwright.__all__ if not name.startswith("__")]
    parts = [
        "# Python API\n",
        "What `import mlwright` offers. Names are loaded when they are first used.\n",
        table(
            ["name", "what it is"],
            [(link, first_sentence(_public(name).__doc__)) for name, link in zip(names, _links(names), strict=True)],
        ),
    ]
    parts += [_documented(name, _public(name)) for name in names]
    parts.append("## Packages\n\nWhat the stages offer to each other. Import from the package, not from its modules.\n")
    for name in STAGES:
        module = import_module(f"mlwright.{name}")
        parts.append(f"### mlwright.{name}\n\n{first_sentence(module.__doc__)}\n")
        public = getattr(module, "__all__", None)
        if public:
            rows = [(f"`{one}`", _about(getattr(module, one))) for one in public]
            parts.append(table(["name", "what it is"], rows))
    return "\n".join(parts)


def _public(name: str) -> Any:
    """What a public name stands for, from the package that it comes from."""
    return getattr(import_module(f"mlwright.{mlwright._HOMES[name]}"), name)


def _links(names: list[str]) -> Iterator[str]:
    """Links to the headings below; of two that differ in case only, the second one gets a number."""
    seen: dict[str, int] = {}
    for name in names:
        anchor = name.lower()
        number = seen.setdefault(anchor, -1) + 1
        seen[anchor] = number
        yield f"[`{name}`](#{anchor}{f'-{number}' if number else ''})"


def _about(value: Any) -> str:
    if inspect.isclass(value) or inspect.isroutine(value):
        said = first_sentence(value.__doc__)
        return "" if said.startswith(f"{getattr(value, '__name__', '')}(") else said
    return "a type" if type(value).__module__ in {"typing", "types", "collections.abc"} else "a value"


def _documented(name: str, value: Any) -> str:
    parts = [f"## {name}\n"]
    if inspect.isclass(value):
        if "__init__" in vars(value) or _has_init(value):
            parts.append(f"```python\n{_signature(name, value)}\n```\n")
        inherited = [] if "Attributes" in (value.__doc__ or "") else _inherited(value)
        parts.append("\n\n".join(filter(None, [markdown(value.__doc__), *inherited])) + "\n")
        methods = list(_members(value))
        if methods:
            parts.append(table(["member", "what it does"], methods))
    else:
        parts.append(f"```python\n{_signature(name, value)}\n```\n\n{markdown(value.__doc__)}\n")
    return "\n".join(parts)


def _has_init(value: type) -> bool:
    return any(base.__module__.startswith("mlwright") and "__init__" in vars(base) for base in value.__mro__)


def _inherited(value: type) -> list[str]:
    """What a private base of ours says about the parameters."""
    bases = [b for b in value.__mro__[1:] if b.__module__.startswith("mlwright") and b.__name__.startswith("_")]
    return [markdown(base.__doc__).partition("\n\n")[2] for base in bases]


class _Written:
    """An annotation as the code writes it."""

    def __init__(self, text: object) -> None:
        self.text = text if isinstance(text, str) else inspect.formatannotation(text)

    def __repr__(self) -> str:
        return re.sub(r"mlwright(?:\.\w+)+\.(\w+)", r"\1", self.text)


def _signature(name: str, value: Any) -> str:
    found = inspect.signature(value)
    parameters = [
        p if p.annotation is p.empty else p.replace(annotation=_Written(p.annotation))
        for p in found.parameters.values()
        if p.name != "self"
    ]
    returned = found.return_annotation
    found = found.replace(
        parameters=parameters,
        return_annotation=returned if returned in (found.empty, None, "None") else _Written(returned),
    )
    signature = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", str(found))
    signature = re.sub(r" -> '?None'?$", "", signature)
    written = f"{name}{signature}"
    if len(written) <= 110:
        return written
    inside, _, after = signature[1:].rpartition(")")
    return f"{name}(\n" + "".join(f"    {part},\n" for part in _arguments(inside)) + f"){after}"


def _arguments(text: str) -> list[str]:
    """Split at the commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _members(value: type) -> Iterator[tuple[str, str]]:
    for name, member in vars(value).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"`{name}`", first_sentence(member.__doc__)
        elif inspect.isfunction(function):
            said = first_sentence(function.__doc__)
            yield f"`{_signature(name, getattr(value, name))}`", said


# ------------------------------------------------------------------------------------------------- files and exit codes


def files_page() -> str:
    """What a run and a package are on disk, in the words of the modules that write them."""
    from mlwright.models import package
    from mlwright.runs import folder

    run, model = (
        inspect.cleandoc(module.__doc__ or "").replace("```\n", "```text\n", 1) for module in (folder, package)
    )
    return (
        "# Files\n\n"
        "Every file appears whole or not at all: it is written aside, synced and renamed. JSON files carry "
        "`format_version`.\n\n"
        f"## A run\n\n{run}\n\nFormat {folder.FORMAT_VERSION}.\n\n"
        f"## A package\n\n{model}\n\nFormat {package.FORMAT_VERSION}.\n\n"
        "## A record of `evidence.json`\n\n" + _evidence()
    )


def _evidence() -> str:
    from mlwright.core import Evidence

    return markdown(Evidence.__doc__) + "\n"


def codes_page() -> str:
    """How a command can end, and the errors behind each code."""
    from mlwright.cli.main import _BUG, _STOPPED

    meaning = {
        0: "Done.",
        1: "A check failed, a requirement of priority `must` is not met, or a number did not come out again.",
        2: "The call, the spec, the data or the machine (disk, memory) is wrong; nothing half-written is left behind.",
        _BUG: "A bug of mlwright: run the same command with `--debug` and report what it prints.",
        _STOPPED: "Stopped by Ctrl-C; what was finished is kept.",
    }
    errors = sorted(_errors(), key=lambda error: (error.exit_code, error.__module__, error.__name__))
    listed = [
        (error.exit_code, f"`{error.__name__}`", error.__module__.split(".")[1], first_sentence(error.__doc__))
        for error in errors
    ]
    return (
        "# Exit codes and errors\n\n"
        "An error for people is three lines on stderr: what, where, and what to do. `--debug`, or `MLWRIGHT_DEBUG=1`, "
        "shows the traceback.\n\n"
        + table(["code", "meaning"], meaning.items())
        + "\nEvery error derives from `mlwright.MlwrightError`, with the attributes `what`, `where`, `fix` and "
        "`exit_code`.\n\n" + table(["code", "error", "package", "when"], listed)
    )


def _errors() -> set[type[MlwrightError]]:
    for module in pkgutil.walk_packages(mlwright.__path__, "mlwright."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found: set[type[MlwrightError]] = set()
    waiting = [MlwrightError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found |= {error for error in below if error.__module__.startswith("mlwright.")}
        waiting += below
    return found


def index_page() -> str:
    """The contents."""
    return "# Reference\n\nThese pages are made from the code.\n\n" + "\n".join(
        f"- [{name}]({name}.md): {first_sentence(page.__doc__)}" for name, page in PAGES.items() if name != "index"
    )


PAGES: dict[str, Callable[[], str]] = {
    "index": index_page,
    "commands": commands_page,
    "spec": spec_page,
    "metrics": metrics_page,
    "checks": checks_page,
    "python": python_page,
    "files": files_page,
    "exit-codes": codes_page,
}


def pages() -> dict[str, str]:
    """The text of every page by the name of its file."""
    made = {f"{name}.md": MADE + page().strip() + "\n" for name, page in PAGES.items()}
    return {name: "\n".join(map(str.rstrip, text.splitlines())) + "\n" for name, text in made.items()}


def main() -> int:
    """Write the pages, or compare them."""
    check = "--check" in sys.argv[1:]
    differing = []
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = HERE / name
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                differing.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if differing:
        said = f"docs/reference is not what the code says: {', '.join(differing)}\nrun: python docs/make_reference.py\n"
        sys.stderr.write(textwrap.dedent(said))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
