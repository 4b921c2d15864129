from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlwright.spec import Problem, Spec, SpecInvalid, SpecNotReadable, load_spec, parse_spec
from mlwright.spec.load import MAX_BYTES

DATA = "data: {source: customers.csv, target: churned}\n"


def problems_in(text: str) -> list[tuple[str, str, str]]:
    """What, where and fix of each problem of a spec called churn.yaml."""
    with pytest.raises(SpecInvalid) as raised:
        parse_spec(dedent(text), path=Path("churn.yaml"))
    return [tuple(problem) for problem in raised.value.problems]  # type: ignore[misc]


def spec_or_problems(text: str) -> Spec | tuple[Problem, ...]:
    try:
        return parse_spec(text)
    except SpecInvalid as error:
        return error.problems


# Files.


def test_a_spec_is_read_from_a_file_or_from_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "mlwright.yaml"
    file.write_text(DATA)
    by_file, by_folder, by_text = load_spec(file), load_spec(tmp_path), load_spec(str(tmp_path))
    assert by_file.data.target == by_folder.data.target == by_text.data.target == "churned"
    assert by_folder.path == file
    assert by_folder.folder == tmp_path.resolve()


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mlwright.yaml"
    file.write_bytes("\ufeffdata:\r\n  source: a.csv\r\n  target: grün\r\n".encode())
    assert load_spec(file).data.target == "grün"


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SpecNotReadable, match="there is no spec here") as raised:
        load_spec(tmp_path)
    assert raised.value.where == str(tmp_path / "mlwright.yaml")
    assert "mlwright init" in raised.value.fix


@pytest.mark.parametrize(
    "content", [b"\x93NUMPY\xff\x00", "data: é".encode("latin-1"), "data: x".encode("utf-16")], ids=["npy", "1", "16"]
)
def test_a_file_that_is_not_utf8_text_is_told_plainly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlwright.yaml").write_bytes(content)
    with pytest.raises(SpecNotReadable, match="not UTF-8"):
        load_spec(tmp_path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mlwright.yaml"
    with file.open("wb") as stream:
        stream.truncate(50 * 1000 * MAX_BYTES)  # 50 GB, of which the disk holds none
    begun = time.monotonic()
    with pytest.raises(SpecNotReadable, match="larger than a spec can be"):
        load_spec(file)
    assert time.monotonic() - begun < 1


def test_a_file_that_may_not_be_read_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "mlwright.yaml").mkdir()
    with pytest.raises(SpecNotReadable, match="the file cannot be read") as raised:
        load_spec(tmp_path)
    assert "permissions" in raised.value.fix


# Places.


def test_a_problem_is_told_with_its_line_column_and_key() -> None:
    text = """\
        # the customers
        data:
          source: customers.csv
          target: churned
        budget:
          secnds: 5
        """
    assert problems_in(text) == [
        ("unknown key 'secnds'", "churn.yaml, line 6, column 3, budget.secnds", "did you mean 'seconds'?")
    ]


def test_every_problem_is_told_at_once() -> None:
    text = """\
        project: {nme: churn}
        data:
          source: customers.csv
          must_not_use: [age, 5]
        budget: {seconds: soon}
        requirements:
          - {id: R1, metric: roc_auc, min: 0.8}
          - {id: R2, metric: recall}
        seed: -1
        """
    found = problems_in(text)
    assert [where for _, where, _ in found] == [
        "churn.yaml, line 1, column 11, project.nme",
        "churn.yaml, line 2, column 1, data",
        "churn.yaml, line 4, column 23, data.must_not_use.1",
        "churn.yaml, line 8, column 5, requirements.1",
        "churn.yaml, line 5, column 10, budget.seconds",
        "churn.yaml, line 9, column 1, seed",
    ]
    assert [what for what, _, _ in found] == [
        "unknown key 'nme'",
        "the key 'target' is missing",
        "must_not_use[1]: input should be a valid string",
        "requirements[1]: a requirement has one bound: `min` or `max`",
        "seconds: input should be a valid number",
        "seed: input should be greater than or equal to 0",
    ]
    with pytest.raises(SpecInvalid) as raised:
        parse_spec(dedent(text))
    assert str(raised.value).count("\n  fix    ") == 6


def test_a_problem_found_later_can_be_told_at_its_place() -> None:
    spec = parse_spec("data:\n  source: a.csv\n  target: y\n", path=Path("churn.yaml"))
    assert spec.where("data", "target") == "churn.yaml, line 3, column 3, data.target"
    assert spec.where("data", "weight") == "churn.yaml, line 1, column 1, data.weight"
    assert spec.where("split") == "churn.yaml, line 1, column 1, split"


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("budget: {seconds: '60'}", "seconds: input should be a valid number", "write a plain number without quotes"),
        ("budget: {seconds: 0}", "seconds: input should be greater than or equal to 1", "change the value"),
        ("budget: {workers: 1.5}", "workers: input should be a valid integer", "write a plain number without quotes"),
        ("budget: 5", "budget is a section with keys of its own", "indent its keys below it: `key: value`"),
        ("budget:", "budget is a section with keys of its own", "indent its keys below it: `key: value`"),
        ("split: {kind: random_}", "kind: this value is not one of its choices", "use 'auto', 'random',"),
        ("split: {gap: 30 days}", "gap: a duration is a number and a unit", "change it"),
        ("project: {name: 5}", "name: input should be a valid string", "put the value in quotes"),
        ("project: {name: [a]}", "name: input should be a valid string", "write one value"),
        ("operation: {strict_input: yes}", "strict_input: input should be a valid boolean", "write true or false"),
        ("requirements: {id: R1}", "requirements is a list", "write a list: [a, b]"),
        ("requirements: [5]", "requirements[0] is a section with keys of its own", "indent its keys below it"),
        ("constraints: {monotonic: {age: up}}", "age: this value is not one of its choices", "use 'increasing' or"),
        ("mlwright: 2", "mlwright: this value is not one of its choices", "use 1"),
        ("decision: {current_process: age <}", "current_process: something cannot be read", "write numbers,"),
        ("decision: {values: {true_positive: ab(age)}}", "true_positive: the function 'ab' is not known", "did you"),
        ("decision: {values: {true_positive: true}}", "true_positive: write a number, or an expression", "change it"),
        ("label_price: 5", "unknown key 'label_price'", "choose from"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_to_write_instead(line: str, what: str, fix: str) -> None:
    (problem,) = problems_in(DATA + line)
    assert problem[0].startswith(what)
    assert problem[1].startswith("churn.yaml, line 2, column ")
    assert problem[2].startswith(fix)


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("source: {url: 'sqlite:///a.db'}", "the key 'query' is missing", "add `query: …` there"),
        ("source: {url: 'sqlite:///a.db', qurey: a}", "the key 'query' is missing", "add `query: …` there"),
        ("source: 5", "source: input should be a valid string", "put the value in quotes"),
        ("source: [a.csv]", "source: input should be a valid string", "write one value"),
        ("source: a.csv\n  columns: {age: {typ: number}}", "unknown key 'typ'", "did you mean 'type'?"),
        ("source: a.csv\n  columns: {age: number}", "age is a section with keys of its own", "indent its keys"),
        ("source: a.csv\n  columns: {age: {missing: [{}]}}", "missing[0]: input should be a valid string", "write one"),
    ],
)
def test_where_several_forms_are_allowed_only_the_one_that_was_meant_is_spoken_of(
    line: str, what: str, fix: str
) -> None:
    found = problems_in(f"data:\n  target: y\n  {line}\n")
    assert found[0][0] == what
    assert found[0][2].startswith(fix)
    assert len(found) == (2 if "qurey" in line else 1)


def test_no_value_is_echoed_in_a_message() -> None:
    text = (
        "data: {source: {url: 'postgresql://me:secret@host/db'}, target: [secret], group: {a: secret}}\nseed: secret\n"
    )
    with pytest.raises(SpecInvalid) as raised:
        parse_spec(text)
    assert "secret" not in str(raised.value)


# YAML as people write it, and as they should not.


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("'true'", "true"),
        ("1", 1),
        ("'1'", "1"),
        ("-3", -3),
        ("010", 10),
        ("08", 8),
        ("1.0", 1.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        (".inf", ".inf"),
        ("null", None),
        ("~", None),
        ("''", ""),
        ('"a: b # c"', "a: b # c"),
        ("!!str 5", "5"),
        ("naïve 值", "naïve 值"),
    ],
)
def test_plain_values_are_read_as_yaml_1_2_says(written: str, value: object) -> None:
    read = parse_spec(f"data: {{source: a, target: y, positive_class: {written}}}").data.positive_class
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("name", ["no", "on", "null", "true", "1", "a.b", "1.5", "2020-01-01"])
def test_the_name_of_a_column_stays_as_it_is_written(name: str) -> None:
    text = f"data: {{source: a, target: y, columns: {{'{name}': {{type: number}}}}}}"
    assert list(parse_spec(text).data.columns) == [name]


@pytest.mark.parametrize("name", ["no", "on", "true", "1", "1.50", "010"])
def test_a_key_without_quotes_is_text_too(name: str) -> None:
    assert list(parse_spec(f"data: {{source: a, target: y, columns: {{{name}: {{}}}}}}").data.columns) == [name]


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        (
            "data:\n  source: a\n  source: b\n",
            "the key 'source' stands twice",
            "churn.yaml, line 3, column 3, data.source",
        ),
        (DATA + DATA, "the key 'data' stands twice", "churn.yaml, line 2, column 1, data"),
        ("data: {source: a\n  target: y", "this is not YAML", "churn.yaml, line 2, column 9"),
        ("data:\n\tsource: a", "this is not YAML: found character '\\t'", "churn.yaml, line 2, column 1"),
        ("data: 'a", "this is not YAML", "churn.yaml, line 1, column 9"),
        ("--- a\n--- b\n", "this is not YAML", "churn.yaml, line 2, column 1"),
        ("? [a, b]\n: c", "a key must be plain text", "churn.yaml, line 1, column 3"),
        ("data: {~: c}", "a key must be plain text", "churn.yaml, line 1, column 8"),
        ("data: &a {}\nsplit: *a", "an alias such as `*name` stands for other text", "churn.yaml, line 2, column 8"),
        ("a: &a [*a]", "an alias such as `*name` stands for other text", "churn.yaml, line 1, column 8"),
        ("base: &b {source: a}\ndata:\n  <<: *b", "an alias such as", "churn.yaml, line 3, column 7"),
        ("data: !!int abc", "this number cannot be read", "churn.yaml, line 1, column 7"),
        ("data: !!float abc", "this number cannot be read", "churn.yaml, line 1, column 7"),
        ("data: !!bool abc", "this truth value cannot be read", "churn.yaml, line 1, column 7"),
        ("data: !!timestamp abc", "the tag ", "churn.yaml, line 1, column 7"),
        ("data: !mine abc", "the tag '!mine' is not one that a spec uses", "churn.yaml, line 1, column 7"),
        ("seed: " + "9" * 5000, "this number cannot be read", "churn.yaml, line 1, column 7"),
        ("a: \x00", "this is not YAML: it has characters that are not text", "churn.yaml"),
        ("a: \x07", "this is not YAML: it has characters that are not text", "churn.yaml"),
        ("", "this is not a spec", "churn.yaml"),
        ("# only a remark", "this is not a spec", "churn.yaml"),
        ("churned", "this is not a spec", "churn.yaml"),
        ("- data", "this is not a spec", "churn.yaml"),
    ],
)
def test_what_is_not_a_spec_is_told_with_its_place(text: str, what: str, where: str) -> None:
    (problem,) = problems_in(text)
    assert problem[0].startswith(what)
    assert problem[1] == where
    assert problem[2]


def test_an_anchor_that_nobody_refers_to_does_no_harm() -> None:
    assert parse_spec("data: &here {source: a, target: y}").data.target == "y"


def test_a_merge_key_without_an_alias_is_an_unknown_key() -> None:
    found = problems_in("data: {<<: {source: a}, target: y}")
    assert [what for what, _, _ in found] == ["the key 'source' is missing", "unknown key '<<'"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 5000,
        "- " * 5000 + "a",
        "data: " + "[" * 800 + "]" * 800,
        "\n".join("  " * i + "a:" for i in range(700)),
    ],
    ids=["lists", "sections", "items", "closed", "indented"],
)
def test_nesting_without_end_is_told_plainly(text: str) -> None:
    (problem,) = problems_in(text)
    assert problem[0] == "it is nested too deeply"


def test_aliases_that_stand_for_a_million_values_are_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 6)]  # a million values
    begun = time.monotonic()
    (problem,) = problems_in("\n".join(levels))
    assert time.monotonic() - begun < 1
    assert problem[1] == "churn.yaml, line 2, column 10"


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir", "!!python/module:os"],
)
def test_a_tag_that_names_code_runs_nothing(tmp_path: Path, tag: str) -> None:
    target = tmp_path / "made"
    for value in (f"[{target}]", f"'{target}'", f"{{args: [{target}]}}"):
        with pytest.raises(SpecInvalid):
            parse_spec(f"data: {{source: a, target: y}}\nproject: {tag} {value}")
    assert not target.exists()


@given(st.text(max_size=60))
@example("data: {source: a, target: y, positive_class: !!int '٣'}")
@example("? ")
@example("&a &b c")
@example("%YAML 3.0\n---\n")
@example("!<tag:yaml.org,2002:int> x: 1")
@example("\ud800")
def test_any_text_gives_a_spec_or_a_plain_error(text: str) -> None:
    outcome = spec_or_problems(text)
    assert isinstance(outcome, Spec) or all(what and where and fix for what, where, fix in outcome)


@given(
    st.lists(
        st.sampled_from(
            [
                "data",
                "source",
                ":",
                " ",
                "\n",
                "  ",
                "- ",
                "[",
                "]",
                "{",
                "}",
                ",",
                "'",
                '"',
                "&a",
                "*a",
                "!!int",
                "|",
                ">",
                "#",
                "1",
                "~",
                "?",
                "%",
                "@",
                "a",
                "<<",
                "\t",
                "---",
            ]
        ),
        max_size=25,
    )
)
def test_any_mixture_of_yaml_signs_gives_a_spec_or_a_plain_error(pieces: list[str]) -> None:
    with pytest.raises(SpecInvalid):
        parse_spec("".join(pieces))
