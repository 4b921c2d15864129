from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.checks.tables import CLEAN, checked, digits_frame, noticed
from tests.support import breast_cancer_frame, diabetes_frame, mixed_frame

from mlwright.statistics import MetricUnknown


def with_wrong_labels(
    frame: pl.DataFrame, target: str, share: float, *, seed: int = 0
) -> tuple[pl.DataFrame, set[int]]:
    """The frame with a share of its classes replaced by another one, and which rows those are."""
    rng = np.random.default_rng(seed)
    values = frame[target].to_numpy().copy()
    classes = sorted(set(values))
    wrong = np.flatnonzero(rng.random(len(values)) < share)
    for row in wrong:
        values[row] = rng.choice([name for name in classes if name != values[row]])
    return frame.with_columns(pl.Series(target, values)), set(wrong.tolist())


def labelled(table: str) -> tuple[pl.DataFrame, str]:
    """A clean table with enough rows of each class: of the digits only four."""
    make, target = CLEAN[table]
    return (digits_frame(1797).filter(pl.col("digit") < "digit 4") if table == "digits" else make()), target


@pytest.mark.parametrize("table", ["breast cancer", "digits", "mixed"])
def test_right_labels_are_not_doubted(table: str) -> None:
    frame, target = labelled(table)
    report = checked(frame, target, "label_errors")
    assert noticed(report, "label_errors") == []
    assert float(report.of("label_errors")[0].evidence["floor"] or 0) < 0.03 or table == "mixed"


@pytest.mark.parametrize("table", ["breast cancer", "digits"])
def test_wrong_labels_are_noticed_and_the_rows_listed_are_mostly_wrong(table: str) -> None:
    frame, target = labelled(table)
    frame, wrong = with_wrong_labels(frame, target, 0.1)
    (result,) = checked(frame, target, "label_errors").warned("label_errors")
    assert 0.03 < float(result.evidence["floor"] or 0) < 0.25
    assert len(result.listed) == 50
    assert len(wrong & set(result.listed)) >= (40 if table == "digits" else 25)
    assert "never delete them by machine" in result.advice


def test_labels_of_few_rows_and_numbers_are_not_judged() -> None:
    assert checked(mixed_frame(150), "bought", "label_errors").results == ()
    assert checked(diabetes_frame(), "progression", "label_errors").results == ()


def test_where_classes_can_hardly_be_told_apart_no_label_is_called_wrong() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 4))
    y = np.where(0.4 * x[:, 0] + rng.logistic(size=800) > 0, "yes", "no")
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(4)}).with_columns(y=pl.Series(y))
    report = checked(frame, "y", "label_errors")
    assert noticed(report, "label_errors") == []
    assert len(report.of("label_errors")[0].listed) == 50


# -------------------------------------------------------------------------------------------- imbalance, size of test


@pytest.mark.parametrize(
    ("positives", "rows", "says"),
    [(400, 1000, []), (30, 600, ["collect more rows"]), (60, 3000, ["PR AUC", "collect"]), (90, 3000, ["PR AUC"])],
)
def test_a_rare_class_is_noticed(positives: int, rows: int, says: list[str]) -> None:
    rng = np.random.default_rng(0)
    y = ["ill"] * positives + ["well"] * (rows - positives)
    frame = pl.DataFrame({"x": rng.normal(size=rows), "y": y})
    (result,) = checked(frame, "y", "class_imbalance").of("class_imbalance")
    assert (result.status == "warn") == bool(says)
    assert all(word in result.advice for word in says)
    assert result.evidence["rows"] == round(0.8 * positives)
    assert result.evidence["share"] == pytest.approx(positives / rows, abs=0.001)
    assert "(ill)" in result.what


def test_numbers_have_no_rare_class() -> None:
    assert checked(diabetes_frame(), "progression", "class_imbalance").results == ()


def test_a_test_too_small_for_what_is_asked_is_noticed() -> None:
    asked = [{"id": "R1", "metric": "roc_auc", "min": 0.7}, {"id": "R2", "metric": "accuracy", "min": 0.99}]
    few = checked(mixed_frame(300), "bought", "sample_size", requirements=asked)
    assert [result.what.split(":")[0] for result in few.warned("sample_size")] == ["R1", "R2"]
    many = checked(mixed_frame(8000), "bought", "sample_size", requirements=asked)
    assert [result.what.split(":")[0] for result in many.warned("sample_size")] == ["R2"]  # 0.01 is left to 1


def test_what_a_bound_must_be_cleared_by_is_forecast_about_right() -> None:
    """Against the spread of the accuracy of a score that is right in 80 of 100 rows."""
    asked = [{"id": "R1", "metric": "accuracy", "min": 0.7, "confidence": 0.95}]
    (result,) = checked(mixed_frame(2000), "bought", "sample_size", requirements=asked).of("sample_size")
    forecast = float(result.evidence["R1.half_width"] or 0)
    accuracies = np.random.default_rng(0).binomial(400, 0.8, 20_000) / 400
    assert forecast == pytest.approx(np.quantile(accuracies, 0.95) - 0.8, rel=0.05)


@pytest.mark.parametrize(("rows", "status"), [(200, "warn"), (6000, "pass")])
def test_without_a_requirement_the_usual_metric_is_forecast(rows: int, status: str) -> None:
    (result,) = checked(mixed_frame(rows), "bought", "sample_size").of("sample_size")
    assert result.status == status
    assert "roc_auc" in result.what
    assert checked(diabetes_frame(), "progression", "sample_size").results == ()


def test_a_metric_that_does_not_fit_the_task_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(MetricUnknown, match="no metric 'rmse' for a binary task"):
        checked(mixed_frame(), "bought", "sample_size", requirements=[{"id": "R1", "metric": "rmse", "max": 1}])


# ------------------------------------------------------------------------------------------------------- association


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_of_pure_noise_hardly_anything_is_called_related(target: str) -> None:
    related, unrelated_tables = 0, 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        columns: dict[str, object] = {f"x{i}": rng.normal(size=300) for i in range(30)}
        columns |= {f"c{i}": rng.choice(list("abcdef"), 300) for i in range(10)}
        y = rng.choice(["no", "yes"], 300) if target == "classes" else rng.normal(size=300)
        report = checked(pl.DataFrame({**columns, "y": y}), "y", "association")
        tested = [result for result in report.of("association") if result.column is not None]
        assert len(tested) == 40
        related += sum(float(result.evidence["p_adjusted"] or 0) < 0.05 for result in tested)
        unrelated_tables += noticed(report, "association") == [None]
    assert related <= 4  # of 480; without adjustment 5 % would be 24
    assert unrelated_tables >= 9


@pytest.mark.parametrize("table", ["breast cancer", "wine", "diabetes", "mixed"])
def test_columns_of_real_tables_are_related_the_strongest_first(table: str) -> None:
    make, target = CLEAN[table]
    report = checked(
        make().with_columns(noise=pl.Series(np.random.default_rng(0).random(len(make())))), target, "association"
    )
    assert noticed(report, "association") == []
    effects = [float(result.evidence["effect"] or 0) for result in report.of("association")]
    assert effects == sorted(effects, reverse=True)
    related = [r.column for r in report.of("association") if float(r.evidence["p_adjusted"] or 0) < 0.05]
    assert len(related) >= 3
    assert "noise" not in related
    chance = {result.column for result in report.of("association") if "could be chance" in result.what}
    assert "noise" in chance
    assert not chance & set(related)


def test_a_column_is_related_whatever_its_kind() -> None:
    frame = breast_cancer_frame()
    ill = (frame["diagnosis"] == "malignant").to_numpy()
    rng = np.random.default_rng(0)
    made = pl.DataFrame(
        {
            "truth": np.where(rng.random(569) < 0.3, ~ill, ill),
            "level": np.where(rng.random(569) < 0.3, "b", np.where(ill, "a", "c")),
            "count": rng.poisson(2 + ill),
            "diagnosis": frame["diagnosis"],
        }
    )
    report = checked(made, "diagnosis", "association")
    assert {r.column for r in report.of("association") if float(r.evidence["p_adjusted"] or 0) < 0.001} == {
        "truth",
        "level",
        "count",
    }
