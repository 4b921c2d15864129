"""Splits and folds: laws that hold for any table, and what each kind of split promises."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, spec_for, wine_frame

from mlwright.data import Dataset, DataUnfit, Fold, Split, SplitPlan, fold_rows, plan_split, read, split_rows

START = datetime(2024, 1, 1, tzinfo=UTC)


def planned(kind: Any, *, test_share: float = 0.2, gap: float = 0.0) -> SplitPlan:
    return SplitPlan(kind=kind, test_share=test_share, gap=gap, reason="the test asks for it")


def split_as(frame: pl.DataFrame, target: str, *, seed: int = 0, **sections: Any) -> Split:
    spec = spec_for(target, **sections)
    dataset = read(spec, frame)
    return split_rows(dataset, plan_split(dataset, spec), seed=seed)


class Drawn(NamedTuple):
    """A table with everything that a split may look at."""

    dataset: Dataset
    groups: list[str | None]
    days: list[int]


@st.composite
def tables(draw: st.DrawFn, *, target: str = "any") -> Drawn:
    """Rows with a feature of many or few values, groups of any size, days that repeat, and a target of any kind."""
    n = draw(st.integers(60, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([3, 40, 10**6]))
    sizes = draw(st.sampled_from([2, 12, 40]))
    task = draw(st.sampled_from(["binary", "multiclass", "regression"])) if target == "any" else target
    groups = [f"g{g}" if g else None for g in rng.integers(0, sizes, n)]
    days = np.sort(rng.integers(0, draw(st.sampled_from([8, 1000])), n)).tolist()
    y: list[Any] = {
        "binary": np.where(rng.random(n) < draw(st.sampled_from([0.3, 0.5])), "yes", "no"),
        "multiclass": rng.choice(["a", "b", "c"], n, p=[0.2, 0.3, 0.5]),
        "regression": rng.gamma(2.0, 3.0, n),
    }[task].tolist()
    frame = pl.DataFrame(
        {
            "x": rng.integers(0, levels, n) + 0.5,
            "z": rng.normal(size=n).round(draw(st.integers(0, 6))),
            "household": groups,
            "day": [START + timedelta(days=day) for day in days],
            "y": y,
        }
    )
    columns = {"x": {"type": "number"}, "z": {"type": "number"}}
    spec = spec_for("y", data={"group": "household", "time": "day", "columns": columns})
    return Drawn(read(spec, frame), groups, days)


kinds = st.sampled_from(["random", "stratified", "grouped", "temporal"])


def attempted(dataset: Dataset, plan: SplitPlan, seed: int) -> Split | None:
    """None where the split is refused."""
    try:
        return split_rows(dataset, plan, seed=seed)
    except DataUnfit:
        return None


# ------------------------------------------------------------------------------------------------------------- laws


@given(drawn=tables(), kind=kinds, share=st.floats(0.05, 0.6), seed=st.integers(0, 99))
def test_every_row_has_one_use_and_a_split_can_be_repeated(drawn: Drawn, kind: str, share: float, seed: int) -> None:
    plan = planned(kind, test_share=share)
    split = attempted(drawn.dataset, plan, seed)
    if split is None:
        return
    used = np.concatenate([split.train_rows, split.test_rows, split.left_out])
    assert sorted(used.tolist()) == list(range(len(drawn.dataset)))
    again = split_rows(drawn.dataset, plan, seed=seed)
    assert again.test_rows.tolist() == split.test_rows.tolist()
    assert len(split.train) == len(split.train_rows)
    assert len(split.test) == len(split.test_rows)


@given(drawn=tables(), share=st.floats(0.1, 0.6), seed=st.integers(0, 99), k=st.integers(2, 5))
def test_groups_are_never_on_both_sides(drawn: Drawn, share: float, seed: int, k: int) -> None:
    plan = planned("grouped", test_share=share)
    split = attempted(drawn.dataset, plan, seed)
    if split is None:
        return
    known = np.array([group or f"alone {i}" for i, group in enumerate(drawn.groups)])
    assert not set(known[split.train_rows]) & set(known[split.test_rows])
    inside = known[split.train_rows]
    for fold in fold_rows(split.train, plan, k, seed=seed):
        assert not set(inside[fold.train]) & set(inside[fold.validation])


@given(drawn=tables(), share=st.floats(0.05, 0.6), gap=st.integers(0, 60), k=st.integers(2, 5))
def test_what_is_learned_from_is_older_than_what_is_judged_by_at_least_the_gap(
    drawn: Drawn, share: float, gap: int, k: int
) -> None:
    plan = planned("temporal", test_share=share, gap=gap * 86400.0)
    split = attempted(drawn.dataset, plan, 0)
    if split is None:
        return
    days = np.array(drawn.days)
    assert days[split.test_rows].min() - days[split.train_rows].max() >= max(gap, 1)
    # Nothing is left out but what lies in the gap.
    assert all(days[split.train_rows].max() < day < days[split.test_rows].min() for day in days[split.left_out])
    inside = days[split.train_rows]
    try:
        folds = fold_rows(split.train, plan, k, seed=0)
    except DataUnfit:
        return
    for fold in folds:
        assert inside[fold.validation].min() - inside[fold.train].max() >= max(gap, 1)
    firsts = [inside[fold.validation].min() for fold in folds]
    assert firsts == sorted(firsts)


@given(drawn=tables(target="binary"), kind=st.sampled_from(["random", "stratified"]), seed=st.integers(0, 99))
def test_equal_rows_stay_on_one_side_unless_so_many_are_equal_that_they_are_no_copies(
    drawn: Drawn, kind: str, seed: int
) -> None:
    columns = [drawn.dataset.numbers(name).tolist() for name in drawn.dataset.features]
    rows = list(zip(*columns, strict=True))
    counts = Counter(rows)
    if np.mean([counts[row] > 1 for row in rows]) > 0.1:
        return
    split = attempted(drawn.dataset, planned(kind), seed)
    assert split is not None
    assert not {rows[i] for i in split.train_rows} & {rows[i] for i in split.test_rows}


@given(drawn=tables(), kind=st.sampled_from(["random", "stratified", "grouped"]), k=st.integers(2, 8))
def test_each_row_is_validated_in_one_fold_and_trained_on_in_the_others(drawn: Drawn, kind: str, k: int) -> None:
    folds = fold_rows(drawn.dataset, planned(kind), k, seed=3)
    seen = np.concatenate([fold.validation for fold in folds])
    assert sorted(seen.tolist()) == list(range(len(drawn.dataset)))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(len(drawn.dataset)))


@given(drawn=tables(), share=st.floats(0.05, 0.6), seed=st.integers(0, 999))
@settings(max_examples=60)
def test_single_rows_are_drawn_in_the_share_that_was_asked(drawn: Drawn, share: float, seed: int) -> None:
    dataset = drawn.dataset.with_column("number", np.arange(len(drawn.dataset)) + 0.25)  # no two rows are equal
    split = attempted(dataset, planned("random", test_share=share), seed)
    if split is not None:
        assert abs(len(split.test_rows) - share * len(dataset)) < 1


# ---------------------------------------------------------------------------------------------- what is kept in balance


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
@pytest.mark.parametrize(
    ("frame", "target"), [(breast_cancer_frame(), "diagnosis"), (wine_frame(), "cultivar"), (mixed_frame(), "bought")]
)
def test_both_sides_and_all_folds_have_the_same_share_of_each_class(
    frame: pl.DataFrame, target: str, share: float
) -> None:
    split = split_as(frame, target, split={"test_share": share})
    assert split.plan.kind == "stratified"
    whole = np.bincount(split.dataset.y.astype(int))
    tested = np.bincount(split.test.y.astype(int), minlength=len(whole))
    assert np.abs(tested - share * whole).max() < 2
    y = split.train.y.astype(int)
    for fold in fold_rows(split.train, split.plan, 5, seed=0):
        counts = np.bincount(y[fold.validation], minlength=len(whole))
        assert np.abs(counts - np.bincount(y) / 5).max() < 2


def test_a_class_of_few_rows_is_on_both_sides() -> None:
    frame = pl.DataFrame({"x": np.arange(400) * 1.5, "y": ["ill"] * 6 + ["well"] * 394})
    for seed in range(20):
        split = split_as(frame, "y", seed=seed)
        assert 1 <= split.test.y.sum() <= 2


def test_test_rows_have_the_same_range_of_a_target_of_numbers() -> None:
    split = split_as(diabetes_frame(), "progression")
    edges = np.quantile(split.dataset.y, np.arange(1, 10) / 10)
    tenths = np.bincount(np.searchsorted(edges, split.test.y), minlength=10)
    assert tenths.max() - tenths.min() <= 2


def test_groups_are_balanced_by_class_and_size() -> None:
    rng = np.random.default_rng(0)
    sizes = [40] * 5 + [4] * 50
    groups = np.repeat([f"g{i}" for i in range(55)], sizes)
    sick = np.repeat(rng.random(55) < 0.4, sizes)
    frame = pl.DataFrame({"x": rng.normal(size=len(groups)), "g": groups, "y": np.where(sick, "yes", "no")})
    for seed in range(10):
        split = split_as(frame, "y", seed=seed, data={"group": "g"})
        assert split.plan.kind == "grouped"
        assert 0.1 < len(split.test_rows) / len(frame) < 0.3
        assert abs(split.test.y.mean() - split.dataset.y.mean()) < 0.25


def test_over_many_seeds_every_row_is_drawn_equally_often() -> None:
    dataset = dataset_of(wine_frame(), "cultivar")
    times = np.zeros(len(dataset))
    for seed in range(300):
        times[split_rows(dataset, planned("stratified"), seed=seed).test_rows] += 1
    # 300 draws with chance 0.2: of 178 rows, none should be more than four deviations away.
    assert np.abs(times - 60).max() < 4 * np.sqrt(300 * 0.2 * 0.8)


def test_another_seed_gives_another_split() -> None:
    dataset = dataset_of(wine_frame(), "cultivar")
    drawn = {tuple(split_rows(dataset, planned("stratified"), seed=seed).test_rows.tolist()) for seed in range(5)}
    assert len(drawn) == 5


def test_copies_of_rows_stay_together_but_rows_of_few_possible_values_do_not() -> None:
    wine = wine_frame()
    split = split_as(pl.concat([wine, wine.head(8)]), "cultivar")
    in_test = np.isin(np.arange(186), split.test_rows)
    assert (in_test[:8] == in_test[178:]).all()
    rng = np.random.default_rng(0)
    coarse = pl.DataFrame({"a": rng.choice(["x", "y"], 500), "b": rng.choice(["u", "v"], 500)})
    split = split_as(coarse.with_columns(y=pl.Series(rng.choice(["no", "yes"], 500))), "y")
    assert len(split.test_rows) == pytest.approx(100, abs=1)


def test_rows_with_a_missing_group_are_groups_of_their_own() -> None:
    rng = np.random.default_rng(0)
    groups = [None if i % 2 else f"g{i % 40}" for i in range(400)]
    frame = pl.DataFrame({"x": rng.normal(size=400), "g": groups, "y": rng.choice(["no", "yes"], 400)})
    split = split_as(frame, "y", data={"group": "g"})
    alone = np.isin(split.test_rows % 2, 1).sum()
    assert 20 < alone < 60


# ----------------------------------------------------------------------------------------------------------- in time


def dated(rows: int = 300, *, missing: int = 0) -> pl.DataFrame:
    """A row a day in a mixed order; the first rows of the file may lack their date."""
    rng = np.random.default_rng(0)
    days = rng.permutation(rows)
    when = [None if i < missing else START + timedelta(days=int(day)) for i, day in enumerate(days)]
    return pl.DataFrame({"x": rng.normal(size=rows), "when": when, "y": rng.choice(["no", "yes"], rows)})


def test_the_test_rows_are_the_latest() -> None:
    split = split_as(dated(), "y", data={"time": "when"})
    assert split.plan.kind == "temporal"
    times = split.dataset.times
    assert times is not None
    assert times[split.train_rows].max() < times[split.test_rows].min()
    assert len(split.test_rows) == pytest.approx(60, abs=1)
    assert len(split.left_out) == 0


def test_rows_without_a_time_are_for_neither_side() -> None:
    split = split_as(dated(missing=30), "y", data={"time": "when"})
    assert split.left_out.tolist() == list(range(30))


@pytest.mark.parametrize("section", [{"split": {"gap": "30d"}}, {"operation": {"label_delay": "30d"}}])
def test_the_gap_is_the_delay_of_the_labels_unless_the_spec_says_otherwise(section: dict[str, Any]) -> None:
    split = split_as(dated(), "y", data={"time": "when"}, **section)
    times = split.dataset.times
    assert times is not None
    assert split.plan.gap == 30 * 86400
    assert times[split.test_rows].min() - times[split.train_rows].max() > 30 * 86400
    assert len(split.left_out) == 30
    assert "30d between them" in split.plan.reason
    assert "until the truth is known" in split.plan.reason


def test_rows_of_one_moment_stay_on_one_side() -> None:
    frame = dated().with_columns(pl.col("when").dt.truncate("1mo"))
    split = split_as(frame, "y", data={"time": "when"})
    times = split.dataset.times
    assert times is not None
    assert not set(times[split.train_rows]) & set(times[split.test_rows])


def test_a_time_of_plain_numbers_orders_rows_too_but_knows_no_days() -> None:
    frame = dated().with_columns(when=pl.Series(np.random.default_rng(1).permutation(300) * 2))
    split = split_as(frame, "y", data={"time": "when", "columns": {"when": {"type": "integer"}}})
    assert frame["when"].to_numpy()[split.test_rows].min() > frame["when"].to_numpy()[split.train_rows].max()
    with pytest.raises(DataUnfit, match="needs a time column of dates"):
        split_as(frame, "y", data={"time": "when", "columns": {"when": {"type": "integer"}}}, split={"gap": "2d"})


@pytest.mark.parametrize("broken", ["one value", "mostly missing"])
def test_rows_that_cannot_be_put_in_time_are_refused(broken: str) -> None:
    frame = dated(missing=200)
    if broken == "one value":
        frame = dated().with_columns(when=pl.lit(START))
    with pytest.raises(DataUnfit, match="mostly missing or has one value") as caught:
        split_as(frame, "y", data={"time": "when", "columns": {"when": {"type": "datetime"}}})
    assert "'when'" in caught.value.where
    assert "split.kind: random" in caught.value.fix


def test_folds_forward_in_time_need_time() -> None:
    dataset = dataset_of(dated(), "y", data={"time": "when"})
    with pytest.raises(DataUnfit, match="too little time for a validation"):
        fold_rows(dataset, planned("temporal", gap=290 * 86400.0), 4, seed=0)


# ------------------------------------------------------------------------------------------------------- the proposal


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ({"time": "when", "group": "g"}, "temporal", "test rows are later"),
        ({"group": "g"}, "grouped", "a group is on one side only"),
        ({}, "stratified", "the same share of each class"),
    ],
)
def test_the_split_is_proposed_from_the_data_with_its_reason(data: dict[str, Any], kind: str, reason: str) -> None:
    frame = dated().with_columns(g=pl.Series([f"g{i % 30}" for i in range(300)]))
    spec = spec_for("y", data=data)
    plan = plan_split(read(spec, frame), spec)
    assert (plan.kind, plan.test_share, plan.gap, plan.folds) == (kind, 0.2, 0.0, None)
    assert reason in plan.reason
    assert all(name in plan.reason for name in list(data.values())[:1])


def test_numbers_are_split_at_random() -> None:
    spec = spec_for("progression")
    plan = plan_split(read(spec, diabetes_frame()), spec)
    assert plan.kind == "random"
    assert "neither time nor group" in plan.reason


@pytest.mark.parametrize("kind", ["random", "stratified", "grouped", "temporal"])
def test_the_spec_chooses_the_split(kind: str) -> None:
    frame = dated().with_columns(g=pl.Series([f"g{i % 30}" for i in range(300)]))
    spec = spec_for("y", data={"time": "when", "group": "g"}, split={"kind": kind, "test_share": 0.3, "folds": 4})
    plan = plan_split(read(spec, frame), spec)
    assert (plan.kind, plan.test_share, plan.folds, plan.reason) == (kind, 0.3, 4, "the spec asks for it")


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_split_that_leaves_too_little_is_refused() -> None:
    dataset = dataset_of(mixed_frame(24), "bought")
    with pytest.raises(DataUnfit, match=r"leaves \d rows for training"):
        split_rows(dataset, planned("random", test_share=0.8), seed=0)
    frame = dated(60)
    with pytest.raises(DataUnfit, match="leaves 0 rows for training") as caught:
        split_as(frame, "y", data={"time": "when"}, split={"gap": "60d"})
    assert "shorten split.gap" in caught.value.fix


@pytest.mark.parametrize("late", [True, False])
def test_a_split_without_both_classes_on_a_side_is_refused(late: bool) -> None:
    frame = (
        dated()
        .sort("when")
        .with_columns(y=pl.Series(["no"] * 240 + ["yes"] * 60 if late else ["yes"] * 60 + ["no"] * 240))
    )
    with pytest.raises(DataUnfit, match=f"all {'training' if late else 'test'} rows have the same class"):
        split_as(frame, "y", data={"time": "when"})


def test_one_group_alone_cannot_be_split() -> None:
    frame = dated().with_columns(g=pl.lit("all"))
    with pytest.raises(DataUnfit, match="the split leaves"):
        split_as(frame, "y", data={"group": "g"})


def test_a_fold_is_a_pair_of_row_numbers() -> None:
    dataset = dataset_of(wine_frame(), "cultivar")
    folds = fold_rows(dataset, planned("stratified"), 3, seed=0)
    assert all(isinstance(fold, Fold) for fold in folds)
    sizes = [len(fold.validation) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
