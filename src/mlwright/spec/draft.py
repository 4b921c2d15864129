"""The first `mlwright.yaml` of a project: what was found in the table, commented for the person who goes on with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_NOT_TEXT = {"true", "false", "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNote:
    """What was found about one column: its type, and a remark that says why it matters."""

    name: str
    type: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The facts that `mlwright init` found; every proposal is one that the owner can change."""

    name: str
    source: str
    query: str | None = None
    rows: int
    target: str
    task: str
    positive_class: str | int | float | bool | None = None
    classes: tuple[str, ...] = ()
    id: str | None = None
    time: str | None = None
    group: str | None = None
    sensitive: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    other_times: tuple[str, ...] = ()
    split: str
    split_reason: str
    columns: tuple[ColumnNote, ...] = ()


def write_draft(draft: Draft) -> str:
    """The text of a commented `mlwright.yaml`; it loads as it is."""
    sections = [_head(draft), _data(draft), _decision(draft), _requirements(draft), _rest(draft)]
    return "\n".join(sections)


def _head(draft: Draft) -> str:
    return f"""\
# yaml-language-server: $schema=mlwright.schema.json
# What mlwright is to decide, what errors cost, what must hold. Lines behind a # are optional:
# remove the # to use them. `mlwright check` says what is wrong with the data or with this file.
mlwright: 1

project:
  name: {scalar(draft.name[:100])}
  # owner: Customer team <customers@example.com>
  # statement: >-
  #   The business question in one or two sentences.
"""


def _data(draft: Draft) -> str:
    if draft.query is None:
        source = f"  source: {scalar(draft.source)}"
    else:
        source = f"  source:\n    url: {scalar(draft.source)}\n    query: {scalar(draft.query)}"
    lines = ["data:", source, f"  target: {scalar(draft.target)}"]
    if draft.positive_class is not None:
        lines.append(f"  positive_class: {scalar(draft.positive_class)}    # of {_remark(', '.join(draft.classes))}")
    lines += [
        _role("id", draft.id, "names a row; never a feature"),
        _role("time", draft.time, _why_time(draft)),
        _role("group", draft.group, "rows of one customer, household … stay on one side of the split"),
        _role("weight", None, "how much a row counts"),
        "  # must_not_use: [column]          # may not be a feature, by law or by choice",
        _suspects(draft.suspects),
    ]
    if draft.sensitive:
        names = ", ".join(map(scalar, draft.sensitive))
        lines.append(f"  sensitive: [{names}]    # scores are shown for each group")
    else:
        lines.append("  # sensitive: [sex, age_band]     # scores are shown for each group")
    lines.append(f"  # What was found in {draft.rows:,} rows; correct it with:  columns: {{name: {{type: category}}}}")
    width = max((len(note.name) for note in draft.columns), default=0)
    for note in draft.columns[:200]:
        remark = f"  ({note.remark})" if note.remark else ""
        lines.append(f"  #   {_remark(note.name).ljust(min(width, 32))}  {note.type}{_remark(remark)}")
    if len(draft.columns) > 200:
        lines.append(f"  #   … and {len(draft.columns) - 200} more")
    return "\n".join(lines) + "\n"


def _why_time(draft: Draft) -> str:
    others = f" (also dates: {', '.join(draft.other_times)})" if draft.other_times else ""
    return f"when the row was known; the split then goes forward in time{others}"


def _suspects(columns: tuple[str, ...]) -> str:
    if not columns:
        return "  # known_after_decision: [column]  # filled in later; would leak the answer"
    return (
        "  # These give the target away. If one of them is known in time, take it out of the list and say\n"
        "  # columns: {name: {known_in_time: true}}\n"
        f"  known_after_decision: [{', '.join(map(scalar, columns))}]"
    )


def _role(role: str, column: str | None, why: str) -> str:
    if column is None:
        return f"  # {role}: column    # {_remark(why)}"
    return f"  {role}: {scalar(column)}    # {_remark(why)}"


def _decision(draft: Draft) -> str:
    head = f"task: {draft.task}\n\n"
    if draft.task == "binary":
        return head + (
            "# What right and wrong decisions are worth, per row; numbers, or expressions over columns.\n"
            "# decision:\n"
            "#   action: what we do for a row of the positive class\n"
            "#   currency: EUR\n"
            "#   values:\n"
            "#     true_positive: 40        # we act and it was right\n"
            "#     false_positive: -10      # we act for nothing\n"
            "#     false_negative: 0        # we should have acted\n"
            "#   capacity: 500 per week     # or a share: 5%\n"
        )
    if draft.task == "regression":
        return head + (
            "# What an error costs, over `error` (prediction minus truth), `prediction` and columns.\n"
            "# decision:\n"
            "#   currency: EUR\n"
            "#   error_cost: 0.02 * abs(error)\n"
        )
    return head + "# decision:\n#   action: what we do with the predicted class\n"


def _requirements(draft: Draft) -> str:
    metric, bound = {
        "binary": ("roc_auc", "min: 0.75"),
        "multiclass": ("accuracy", "min: 0.8"),
        "regression": ("r2", "min: 0.7"),
    }[draft.task]
    return f"""\
# What must hold for the model to be of use; each ends as met, not met or undecided.
# requirements:
#   - id: R1
#     metric: {metric}          # `mlwright spec metrics` lists them
#     {bound}
#     # on: region == "north"    # all rows, if left out
#     confidence: 0.9
#     priority: must
#     rationale: why it is asked
"""


def _rest(draft: Draft) -> str:
    return f"""\
# constraints:
#   latency_ms: 5
#   size_mb: 20
#   monotonic: {{column: increasing}}

budget:
  seconds: 60
  memory_mb: 4096

split:
  kind: auto    # {draft.split}: {_remark(draft.split_reason)}
  test_share: 0.2

seed: 0
"""


def scalar(value: object) -> str:
    """A YAML 1.2 scalar that reads back as the same value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.casefold() not in _NOT_TEXT:
        return text
    return "".join(_escaped(c) for c in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    """YAML has no place for control characters, and takes more of them for the end of a line than JSON does."""
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _remark(text: str) -> str:
    """Text for a comment, which ends with its line."""
    return "".join(c if c.isprintable() else " " for c in text)
