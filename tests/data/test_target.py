"""The target: which problem it makes, which class is positive, and every target that nothing can be learned of."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import dataset_of, spec_for

from mlwright.data import MIN_ROWS, Dataset, DataUnfit, read

N = 120


def table(target: Any, **columns: Any) -> pl.DataFrame:
    """A feature and a target; a sequence that is shorter than the table is repeated."""
    values = target if isinstance(target, pl.Series) else pl.Series(target, strict=False)
    repeated = pl.concat([values] * (-(-N // len(values)))).head(N)
    return pl.DataFrame({"x": np.random.default_rng(0).normal(size=N), **columns}).with_columns(repeated.alias("y"))


def learned(target: Any, **sections: Any) -> Dataset:
    return dataset_of(table(target), "y", **sections)


def refused(frame: pl.DataFrame, **sections: Any) -> DataUnfit:
    with pytest.raises(DataUnfit) as caught:
        dataset_of(frame, "y", **sections)
    assert caught.value.where
    assert caught.value.fix
    return caught.value


# -------------------------------------------------------------------------------------------------------------- task


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (["yes", "no", "no"], "binary", ("no", "yes")),
        ([True, False], "binary", (False, True)),
        ([0, 1, 0], "binary", (0, 1)),
        ([1, 2, 2], "binary", (2, 1)),  # 1 says yes
        ([7, 9, 9], "binary", (9, 7)),  # neither says yes: the rarer one
        (["c", "a", "b"], "multiclass", ("a", "b", "c")),
        ([3, 1, 2, 10], "multiclass", (1, 2, 3, 10)),
        (["10", "9", "8"], "multiclass", (8, 9, 10)),
        (np.arange(40), "regression", ()),
        ([0.5, 1.5, 2.5], "regression", ()),
        (["1,5", "2,5", "7,25", "8,75"], "regression", ()),
    ],
)
def test_the_task_is_found_from_the_target(target: Any, task: str, classes: tuple[Any, ...]) -> None:
    dataset = learned(target)
    assert dataset.task == task
    assert tuple(map(str, dataset.classes)) == tuple(map(str, classes))


def test_numbers_of_the_source_stay_numbers_among_the_classes() -> None:
    assert learned([1, 2, 3]).classes == (1, 2, 3)
    assert learned([True, False]).classes == (False, True)
    assert learned([0.5, 1.0], task="binary").classes == (0.5, 1)


@pytest.mark.parametrize(
    ("asked", "target", "task"),
    [
        ("regression", [1, 2, 3], "regression"),
        ("multiclass", [f"c{i}" for i in range(20)], "multiclass"),
        ("multiclass", np.arange(15), "multiclass"),
        ("binary", [0.0, 2.5], "binary"),
        ("multiclass", ["a", "b"], "binary"),  # two classes are a binary task, whatever it is called
    ],
)
def test_the_spec_decides_the_task(asked: str, target: Any, task: str) -> None:
    assert learned(target, task=asked).task == task


# ----------------------------------------------------------------------------------------------------- positive class


@pytest.mark.parametrize(
    ("target", "positive", "classes"),
    [
        (["yes", "no"], "no", ("yes", "no")),
        (["Yes", "No"], "yes", ("No", "Yes")),
        ([0, 1], 0, (1, 0)),
        ([True, False], False, (True, False)),
        ([0.0, 1.0], 1.0, (0, 1)),
        (["1", "2"], 1, ("2", "1")),
    ],
)
def test_the_spec_names_the_positive_class(target: Any, positive: Any, classes: tuple[Any, ...]) -> None:
    dataset = learned(target, data={"positive_class": positive}, task="binary")
    assert tuple(map(str, dataset.classes)) == tuple(map(str, classes))


def test_a_positive_class_that_does_not_occur_is_an_error() -> None:
    error = refused(table(["good", "bad"]), data={"positive_class": "ugly"})
    assert "'ugly' does not occur; there are" in str(error)
    assert "positive_class" in error.where


@pytest.mark.parametrize("word", ["yes", "TRUE", "churned", "1", "bad"])
def test_without_a_word_of_the_spec_the_class_that_says_yes_is_positive(word: str) -> None:
    dataset = learned([word, word, "other"])  # though it is the more frequent one
    assert dataset.classes == ("other", word)


# -------------------------------------------------------------------------------------------- rows without a target


def test_rows_whose_target_is_not_known_are_left_out_and_counted() -> None:
    frame = table(["yes", "no", None, "?"])
    dataset = dataset_of(frame, "y")
    assert (len(dataset), dataset.unlabelled, dataset.classes) == (60, 60, ("no", "yes"))
    known = frame.filter(pl.col("y").is_in(["yes", "no"]))
    assert dataset.numbers("x").tolist() == known["x"].to_list()
    assert dataset.y.tolist() == (known["y"] == "yes").cast(pl.Float64).to_list()


def test_values_that_mean_missing_may_be_named_for_the_target() -> None:
    dataset = learned(["yes", "no", "open"], data={"columns": {"y": {"missing": ["open"]}}})
    assert (dataset.classes, dataset.unlabelled) == (("no", "yes"), 40)


def test_spellings_of_a_class_can_be_unified() -> None:
    dataset = learned(["yes", "Yes ", "no"], data={"columns": {"y": {"replace": {"Yes ": "yes"}}}})
    assert dataset.classes == ("no", "yes")
    assert dataset.y.mean() == pytest.approx(2 / 3)


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ([None], "the target has no values"),
        (["", "?"], "the target has no values"),
        (["yes"], "the same class|constant"),
        ([5], "the same class|constant"),
        (["yes", "no", "Yes"], "in several spellings"),
        (["a  b", "a b", "c"], "in several spellings"),
        ([0.5, float("inf"), 1.5, 2.5], "infinite in 30 rows"),
        ([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(N)], "the target is a date"),
        ([f"row {i}" for i in range(N)], "classes"),
    ],
)
def test_a_target_that_nothing_can_be_learned_of_is_refused(target: Any, says: str) -> None:
    assert re.search(says, str(refused(table(target))))


def test_the_fix_for_two_spellings_can_be_copied_into_the_spec() -> None:
    error = refused(table(["yes", "yes", "no", "YES"]))
    assert "data.columns.y.replace: {'YES': 'yes'}" in error.fix


@pytest.mark.parametrize("known", [1, 2, MIN_ROWS - 1])
def test_too_few_known_targets_are_refused(known: int) -> None:
    values = [("yes", "no")[i % 2] for i in range(known)] + [None] * (N - known)
    error = refused(table(values))
    assert f"only {known} row{'s have' if known > 1 else ' has'} a target" in str(error)


def test_twenty_known_targets_are_enough() -> None:
    assert len(learned([("yes", "no")[i % 2] for i in range(MIN_ROWS)] + [None] * (N - MIN_ROWS))) == MIN_ROWS


@pytest.mark.parametrize(
    ("target", "task", "says"),
    [
        (["a", "b", "c"], "binary", "has 3 classes, and a binary task has two"),
        ([1, 2, 3], "binary", "has 3 classes, and a binary task has two"),
        (["a", "b", "c"], "regression", "a regression needs numbers"),
        ([7.0], "regression", "the target is constant"),
        (np.arange(N) / 7, "multiclass", "classes"),
    ],
)
def test_a_target_that_does_not_fit_the_task_is_refused(target: Any, task: str, says: str) -> None:
    with pytest.raises(DataUnfit, match=says):
        dataset_of(table(target), "y", task=task)


def test_a_target_of_another_type_in_each_file_is_refused(tmp_path: Path) -> None:
    table([0, 1]).write_parquet(tmp_path / "a.parquet")
    table(["no", "yes"]).write_parquet(tmp_path / "b.parquet")
    spec = spec_for("y", data={"source": "*.parquet"}).at(tmp_path)
    with pytest.raises(DataUnfit, match="text in some places and as numbers in others"):
        read(spec)


def test_the_target_may_be_sparse_in_any_order() -> None:
    """Which rows are labelled does not change what is settled."""
    values = ["yes", "no", "no", None]
    there, back = learned(values), learned(values[::-1])
    assert (there.classes, there.task, there.unlabelled) == (back.classes, back.task, back.unlabelled)
    assert read(spec_for("y"), table(values)).table.equals(there.table)
