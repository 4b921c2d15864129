from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.spec import ColumnNote, Draft, parse_spec, raise_if_contradictory, write_draft
from mlwright.spec.draft import scalar

NASTY = [
    "no",
    "yes",
    "on",
    "true",
    "False",
    "null",
    "~",
    "1",
    "010",
    "1.5",
    "1e3",
    ".5",
    "0x1f",
    "-",
    "- a",
    "?",
    ": a",
    "a: b",
    "a #b",
    "#",
    "[a]",
    "{a: b}",
    "a, b",
    "&a",
    "*a",
    "!!int 5",
    "!a",
    "%YAML",
    "@a",
    "`a`",
    "|",
    ">",
    "---",
    "...",
    "'",
    '"',
    "it's",
    'say "no"',
    "back\\slash",
    " lead",
    "trail ",
    "two  spaces",
    "tab\there",
    "line\nbreak",
    "return\rhere",
    "next\x85line",
    "line\u2028separator",
    "paragraph\u2029separator",
    "bell\x07",
    "null\x00",
    "delete\x7f",
    "\ufeffmark",
    "no\u00a0break",
    "Größe",
    "値段",
    "العمر",
    "🙂",
    "e\u0301",
    "2020-01-01",
    "12:30",
    "a" * 300,
]
NAMES = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def draft(**changes: Any) -> Draft:
    facts: dict[str, Any] = {
        "name": "churn",
        "source": "customers.csv",
        "rows": 1234,
        "target": "churned",
        "task": "binary",
        "positive_class": "yes",
        "classes": ("no", "yes"),
        "split": "stratified",
        "split_reason": "the classes are not equally common",
    }
    return Draft(**(facts | changes))


def test_a_draft_loads_as_it_is_and_says_what_was_found() -> None:
    text = write_draft(
        draft(
            id="customer_id",
            time="joined",
            sensitive=("sex", "age"),
            suspects=("closed_on",),
            other_times=("born",),
            columns=(
                ColumnNote(name="age", type="integer", remark="whole numbers"),
                ColumnNote(name="sex", type="text"),
            ),
        )
    )
    spec = parse_spec(text)
    raise_if_contradictory(spec)
    assert spec.data.target == "churned"
    assert spec.data.positive_class == "yes"
    assert (spec.data.id, spec.data.time, spec.data.group) == ("customer_id", "joined", None)
    assert spec.data.sensitive == ("sex", "age")
    assert spec.data.known_after_decision == ("closed_on",)
    assert spec.task == "binary"
    assert "1,234 rows" in text
    assert "#   age  integer  (whole numbers)" in text
    assert "also dates: born" in text
    assert "stratified: the classes are not equally common" in text


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_lines_behind_a_hash_are_a_spec_too_once_the_hash_is_gone(task: str) -> None:
    text = write_draft(draft(task=task, positive_class=None, classes=()))
    head, _, optional = text.partition("# decision:")
    optional = "# decision:" + optional
    lines = [line.removeprefix("# ") if line.startswith("# ") else line for line in optional.splitlines()]
    lines = [line for line in lines if not line.startswith("What must hold")]
    spec = parse_spec(head + "\n".join(lines))
    raise_if_contradictory(spec)
    assert [r.id for r in spec.requirements] == ["R1"]
    assert spec.constraints.monotonic == {"column": "increasing"}
    assert (spec.decision.values is not None) == (task == "binary")
    assert (spec.decision.error_cost is not None) == (task == "regression")


def test_a_query_is_written_with_its_database() -> None:
    query = 'SELECT *\nFROM customers -- all: of them\nWHERE "age" > 18'
    spec = parse_spec(write_draft(draft(source="sqlite:///shop.db", query=query)))
    assert not isinstance(spec.data.source, str)
    assert (spec.data.source.url, spec.data.source.query) == ("sqlite:///shop.db", query)


def test_of_very_many_columns_two_hundred_are_noted() -> None:
    text = write_draft(draft(columns=tuple(ColumnNote(name=f"c{i}", type="number") for i in range(250))))
    assert "#   c199 " in text
    assert "c200" not in text
    assert "… and 50 more" in text


@given(
    target=NAMES,
    positive_class=NAMES | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    roles=st.lists(NAMES, min_size=3, max_size=3),
    several=st.lists(NAMES, max_size=4),
    source=NAMES,
    remarks=st.lists(NAMES, min_size=2, max_size=2),
)
def test_whatever_columns_and_classes_are_called_the_draft_loads_with_those_names(
    target: str,
    positive_class: str | float | bool,
    roles: list[str],
    several: list[str],
    source: str,
    remarks: list[str],
) -> None:
    text = write_draft(
        draft(
            name=target,
            source=source,
            target=target,
            positive_class=positive_class,
            classes=tuple(several),
            id=roles[0],
            time=roles[1],
            group=roles[2],
            sensitive=tuple(several),
            suspects=tuple(several),
            other_times=tuple(several),
            split_reason=remarks[0],
            columns=tuple(ColumnNote(name=name, type="category", remark=remarks[1]) for name in several),
        )
    )
    data = parse_spec(text).data
    assert (data.source, data.target) == (source, target)
    assert [data.id, data.time, data.group] == roles
    assert data.sensitive == tuple(several)
    assert data.known_after_decision == tuple(several)
    assert data.positive_class == positive_class
    assert type(data.positive_class) is type(positive_class)
    assert data.columns == {}


@pytest.mark.parametrize("value", [*NASTY, "", True, False, 0, -3, 10**18, 0.0, -0.5, 1e16, 1e-7, 1 / 3])
def test_a_scalar_reads_back_as_the_same_value(value: str | float | bool) -> None:
    read = parse_spec(f"data: {{source: a, target: y, positive_class: {scalar(value)}}}").data.positive_class
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["age", "joined_on", "a.b", "a/b.csv", "two words"])
def test_a_plain_name_is_written_without_quotes(text: str) -> None:
    assert scalar(text) == text
