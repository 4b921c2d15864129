from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.checks.tables import CLEAN, checked, noticed, recoded
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, shared_table, spec_for

from mlwright.checks import run_checks
from mlwright.checks.leaks import near_copies
from mlwright.data import plan_split, split_rows

CLASSES = [name for name in CLEAN if name != "diabetes"]


@pytest.mark.parametrize("table", CLEAN)
@pytest.mark.parametrize("check", ["leakage", "contamination", "duplicates", "conflicting_targets", "time_leakage"])
def test_clean_tables_are_left_in_peace(table: str, check: str) -> None:
    make, target = CLEAN[table]
    assert noticed(checked(make(), target, check, "duplicates"), check) == []


# ---------------------------------------------------------------------------------------------------------- leakage


@pytest.mark.parametrize("table", CLASSES)
@pytest.mark.parametrize("wrong", [0.0, 0.01])
def test_a_copy_of_the_target_is_found_even_if_it_is_wrong_in_places(table: str, wrong: float) -> None:
    make, target = CLEAN[table]
    frame = make()
    report = checked(frame.with_columns(copy=recoded(frame[target], wrong=wrong)), target, "leakage")
    assert [result.column for result in report.failed("leakage")] == ["copy"]
    (result,) = report.failed("leakage")
    assert result.what.startswith("copy alone predicts the target")
    assert "known_after_decision: [copy]" in result.advice
    assert 0.97 < float(result.evidence["alone"] or 0) <= 1


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_copy_of_a_number_is_found(noise: float) -> None:
    frame = diabetes_frame()
    spread = frame["progression"].to_numpy().std() * noise
    copy = 1000 - 3 * (frame["progression"] + np.random.default_rng(0).normal(size=len(frame)) * spread)
    report = checked(frame.with_columns(copy=copy), "progression", "leakage")
    assert [result.column for result in report.failed("leakage")] == ["copy"]


@pytest.mark.parametrize("table", CLASSES)
def test_a_field_that_is_filled_in_after_the_event_is_found(table: str) -> None:
    make, target = CLEAN[table]
    frame, rng = make(), np.random.default_rng(0)
    rare = frame[target].value_counts().sort("count", target)[target][0]
    filled = (frame[target] == rare).to_numpy() & (rng.random(len(frame)) < 0.8)
    late = [float(v) if f else None for v, f in zip(rng.lognormal(size=len(frame)), filled, strict=True)]
    report = checked(frame.with_columns(refund=pl.Series(late)), target, "leakage")
    assert [result.column for result in report.failed("leakage")] == ["refund"]
    assert "filled in afterwards" in report.failed("leakage")[0].what


def test_a_real_table_with_an_honest_column_that_says_nearly_all_is_left_in_peace_whatever_the_split() -> None:
    """The worst perimeter of a tumour alone ranks malignant above benign in 97 of 100 pairs."""
    reports = [checked(breast_cancer_frame(), "diagnosis", "leakage", seed=seed) for seed in range(8)]
    assert [noticed(report, "leakage") for report in reports] == [[]] * 8
    assert max(float(report.of("leakage")[0].evidence["strongest"] or 0) for report in reports) > 0.95


def test_a_column_as_good_as_all_others_and_far_ahead_of_each_is_found() -> None:
    frame = mixed_frame(2000)
    report = checked(frame.with_columns(score=recoded(frame["bought"], wrong=0.2)), "bought", "leakage")
    (result,) = report.failed("leakage")
    assert result.column == "score"
    assert "as well as all other features together" in result.what
    assert float(result.evidence["alone"] or 0) > float(result.evidence["all_others"] or 0)


@pytest.mark.parametrize("noise_columns", [0, 1, 3])
def test_an_honest_column_beside_nothing_or_noise_is_no_leak(noise_columns: int) -> None:
    found = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(700, 1 + noise_columns))
        frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(1 + noise_columns)}).with_columns(
            y=pl.Series(np.where(x[:, 0] + rng.normal(size=700) > 0, "yes", "no"))
        )
        report = checked(frame, "y", "leakage")
        found += len(report.failed("leakage"))
    assert found <= 1


def test_a_column_that_the_spec_calls_known_in_time_is_only_a_warning() -> None:
    frame = breast_cancer_frame()
    frame = frame.with_columns(copy=recoded(frame["diagnosis"], wrong=0.01))
    accepted = {"columns": {"copy": {"known_in_time": True}}}
    report = checked(frame, "diagnosis", "leakage", data=accepted)
    assert report.failed() == []
    (result,) = report.warned("leakage")
    assert result.column == "copy"
    assert "the spec says that it is known in time" in result.what
    report.raise_if_failed()


def test_a_column_known_after_the_decision_is_not_looked_at() -> None:
    frame = breast_cancer_frame()
    frame = frame.with_columns(copy=recoded(frame["diagnosis"], wrong=0.0))
    report = checked(frame, "diagnosis", "leakage", data={"known_after_decision": ["copy"]})
    assert noticed(report, "leakage") == []


@pytest.mark.parametrize(
    ("name", "leaks"), [("car_insurance_claims", ["numclaims", "claimcst0"]), ("houston_flights", ["arr_delay"])]
)
def test_columns_of_real_tables_that_are_known_to_leak_are_found(name: str, leaks: list[str]) -> None:
    path, entry = shared_table(name)
    frame = pl.read_parquet(path).sample(6000, seed=0)
    kept = frame.drop([column for column in entry["leak_columns"] if column not in leaks])
    found = [result.column for result in checked(kept, entry["target"], "leakage").failed("leakage")]
    assert set(found) == set(leaks)
    assert noticed(checked(frame.drop(entry["leak_columns"]), entry["target"], "leakage"), "leakage") == []


# ------------------------------------------------------------------------------------------- contamination, copies


def later_copies(frame: pl.DataFrame, rows: int, *, shift: float) -> pl.DataFrame:
    """Rows with a time; the last ones are earlier ones again, their numbers a little moved."""
    rng = np.random.default_rng(0)
    numbers = [name for name in frame.columns if frame[name].dtype == pl.Float64]
    again = frame.sample(rows, seed=0).with_columns(
        pl.col(name) + rng.normal(size=rows) * shift * float(np.std(np.clip(frame[name].to_numpy(), -1e3, 1e3)))
        for name in numbers
    )
    return pl.concat([frame, again]).with_columns(at=pl.int_range(0, pl.len()))


def test_near_copies_across_the_split_are_found_and_listed() -> None:
    frame = breast_cancer_frame()
    report = checked(later_copies(frame, 60, shift=0.002), "diagnosis", "contamination", data={"time": "at"})
    (result,) = report.warned("contamination")
    assert float(result.evidence["share"] or 0) == pytest.approx(60 / 126, abs=0.02)
    assert float(result.evidence["share_inside_training"] or 0) < 0.01
    assert len(result.listed) == 50
    assert sum(row >= 569 for row in result.listed) >= 48
    assert noticed(checked(later_copies(frame, 60, shift=1.0), "diagnosis", "contamination"), "contamination") == []


def test_in_few_test_rows_a_near_copy_by_chance_is_no_alarm() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        frame = pl.DataFrame(
            {"a": rng.normal(size=150), "b": rng.normal(size=150), "y": rng.choice(["no", "yes"], 150)}
        )
        alarms += len(noticed(checked(frame, "y", "contamination"), "contamination"))
    assert alarms <= 2


@pytest.mark.parametrize("far", [1e6, 1e39, 1e300])
def test_near_copies_are_found_beside_numbers_of_any_size(far: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 4))
    values[::50, 0] = far
    frame = pl.DataFrame({f"x{i}": values[:, i] for i in range(4)}).with_columns(
        y=pl.Series(rng.choice(["no", "yes"], 300))
    )
    report = checked(later_copies(frame, 40, shift=1e-9), "y", "contamination", data={"time": "at"})
    assert noticed(report, "contamination") == [None]


def test_few_rows_or_one_number_say_nothing_about_copies() -> None:
    rng = np.random.default_rng(0)
    one = pl.DataFrame({"a": rng.normal(size=300), "y": rng.choice(["no", "yes"], 300)})
    few = one[:55].with_columns(b=pl.Series(rng.normal(size=55)))
    for frame in (one, few):
        dataset = dataset_of(frame, "y")
        split = split_rows(dataset, plan_split(dataset, spec_for("y")), seed=0)
        assert near_copies(split.train, split.test, seed=0) is None
        assert checked(frame, "y", "contamination").results == ()


def test_rows_that_stand_twice_are_counted() -> None:
    frame = mixed_frame().drop("customer_id")
    report = checked(pl.concat([frame, frame[:60]]), "bought", "duplicates")
    (result,) = report.warned("duplicates")
    assert result.evidence == {"rows": 60, "share": pytest.approx(60 / 660)}
    assert noticed(report, "conflicting_targets") == []


def test_equal_rows_with_other_targets_are_counted() -> None:
    frame = mixed_frame().drop("customer_id")
    turned = frame[:60].with_columns(bought=pl.col("bought").replace({"yes": "no", "no": "yes"}))
    report = checked(pl.concat([frame, turned]), "bought", "duplicates")
    (result,) = report.warned("conflicting_targets")
    assert result.evidence == {"twin_share": pytest.approx(120 / 660), "pair_disagreement": 1.0}
    assert noticed(report, "duplicates") == []


def test_of_three_equal_rows_one_of_which_disagrees_two_pairs_of_three_do() -> None:
    frame = mixed_frame(100).drop("customer_id")
    turned = frame.with_columns(bought=pl.col("bought").replace({"yes": "no", "no": "yes"}))
    (result,) = checked(pl.concat([frame, frame, turned]), "bought", "duplicates").of("conflicting_targets")
    assert result.evidence["pair_disagreement"] == pytest.approx(2 / 3)


# ------------------------------------------------------------------------------------------------- groups and time


def grouped_frame() -> pl.DataFrame:
    """100 patients with 6 visits each."""
    return mixed_frame(600).with_columns(patient=pl.Series([f"P{i // 6:03d}" for i in range(600)]))


def test_groups_on_both_sides_of_a_split_at_random_are_found() -> None:
    sections = {"data": {"group": "patient", "id": "customer_id"}, "split": {"kind": "stratified"}}
    report = checked(grouped_frame(), "bought", "group_leakage", **sections)
    (result,) = report.warned("group_leakage")
    assert float(result.evidence["share"] or 0) > 0.9
    assert "split.kind: grouped" in result.advice


def test_a_split_by_groups_and_a_table_without_groups_need_no_word() -> None:
    assert checked(grouped_frame(), "bought", "group_leakage", data={"group": "patient"}).results == ()
    assert checked(mixed_frame(), "bought", "group_leakage").results == ()


def test_groups_of_one_row_are_on_one_side_only() -> None:
    sections = {"data": {"group": "customer_id"}, "split": {"kind": "random"}}
    assert noticed(checked(mixed_frame(), "bought", "group_leakage", **sections), "group_leakage") == []


def dated_frame(rows: int, *, periods: bool, seed: int) -> pl.DataFrame:
    """Rows with a day; where there are periods, each has its own level of the target that no later row can know."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, 1000, rows))
    x = rng.normal(size=rows)
    level = rng.normal(0, 3, 40)[day // 25] if periods else 0.0
    y = np.where(x + level + rng.logistic(size=rows) > 0, "yes", "no")
    start = datetime(2020, 1, 1)  # noqa: DTZ001 - days have no zone
    return pl.DataFrame({"x": x, "day": [start + timedelta(days=int(d)) for d in day], "y": y}).sample(
        rows, shuffle=True, seed=seed
    )


def test_a_table_that_a_split_at_random_flatters_is_found() -> None:
    frame = dated_frame(2500, periods=True, seed=0)
    (result,) = checked(frame, "y", "time_leakage").warned("time_leakage")
    assert result.column == "day"
    assert float(result.evidence["gap"] or 0) > 0.05
    assert "data.time: day" in result.advice
    assert checked(frame, "y", "time_leakage", data={"time": "day"}).results == ()


def test_days_that_do_not_matter_are_rarely_an_alarm() -> None:
    frames = [dated_frame(700, periods=False, seed=seed) for seed in range(8)]
    assert sum(len(noticed(checked(frame, "y", "time_leakage"), "time_leakage")) for frame in frames) <= 2


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_where_early_and_late_rows_have_no_target_in_common_the_gap_cannot_be_told(target: str) -> None:
    frame = dated_frame(700, periods=False, seed=0).sort("day")
    late = np.arange(700) >= 350
    y = np.where(late, "yes", "no") if target == "classes" else np.where(late, 0.0, frame["x"].to_numpy())
    frame = frame.with_columns(y=pl.Series(y))
    report = run_checks(dataset_of(frame, "y"), spec_for("y"), only=["time_leakage"])
    (result,) = report.of("time_leakage")
    assert result.status == "pass"
    assert result.evidence == {"gap": 0.0, "standard_error": None}
