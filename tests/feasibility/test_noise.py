from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, wine_frame

from mlwright.core import EvidenceStore
from mlwright.data import Dataset
from mlwright.feasibility.noise import NoiseFinding, find_noise
from mlwright.feasibility.relabelling import LabellingsUnfit, read_relabelled
from mlwright.statistics import Scored


def digits_frame() -> pl.DataFrame:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    columns = {f"pixel_{i}": bunch.data[:, i] for i in range(64)}
    return pl.DataFrame(columns).with_columns(digit=pl.Series([f"digit {k}" for k in bunch.target]))


TABLES = {"breast cancer": (breast_cancer_frame, "diagnosis"), "digits": (digits_frame, "digit")}


def with_wrong(y: np.ndarray, share: float, n_classes: int, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    moved = (y + rng.integers(1, n_classes, len(y))) % n_classes
    return np.where(rng.random(len(y)) < share, moved, y)


def predicted(dataset: Dataset, y: np.ndarray) -> Scored:
    """Out-of-fold predictions of a linear model."""
    x = np.column_stack([dataset.numbers(name) for name in dataset.features])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=500))
    p = cross_val_predict(model, x, y, cv=5, method="predict_proba")
    return Scored(target=y.astype(float), prediction=p[:, 1] if p.shape[1] == 2 else p)


def found_in(dataset: Dataset, scored: Scored, *, seed: int = 0) -> NoiseFinding:
    return find_noise(dataset, scored, np.arange(len(scored)), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_wrong_labels_are_counted_and_found_where_classes_are_told_apart(table: str, share: float) -> None:
    frame, target = TABLES[table]
    dataset = dataset_of(frame(), target)
    y = with_wrong(dataset.y, share, len(dataset.classes))
    wrong = y != dataset.y
    finding = found_in(dataset, predicted(dataset, y))
    assert finding.outcome == "labels"
    assert finding.wrong == pytest.approx(wrong.mean(), abs=0.03)
    assert finding.wrong_interval is not None
    assert finding.wrong_interval.low < wrong.mean() < finding.wrong_interval.high + 0.02
    assert 0 < len(finding.suspicious) <= 50
    assert wrong[list(finding.suspicious)].mean() >= 0.75
    assert "labels look wrong" in finding.sentence


@pytest.mark.parametrize("table", TABLES)
def test_right_labels_are_not_called_wrong(table: str) -> None:
    frame, target = TABLES[table]
    dataset = dataset_of(frame(), target)
    finding = found_in(dataset, predicted(dataset, dataset.y))
    assert finding.outcome != "labels"
    assert finding.wrong is None or finding.wrong <= 0.02


def overlapping(n: int, *, seed: int, hidden: bool) -> tuple[Dataset, np.ndarray]:
    """Two classes that one column tells apart in part; with `hidden`, a second column that is not in the table does."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    y = (x + (3 * z if hidden else rng.logistic(0, 0.7, n)) > 0).astype(int)
    frame = pl.DataFrame({"x": x, "y": pl.Series(np.array(["no", "yes"])[y])})
    return dataset_of(frame, "y"), y


def test_where_hidden_columns_decide_nobody_can_tell() -> None:
    dataset, y = overlapping(1500, seed=0, hidden=True)
    finding = found_in(dataset, predicted(dataset, y))
    assert finding.outcome == "cannot tell"
    assert finding.wrong is None
    assert len(finding.relabel) == len(set(finding.relabel)) == 150
    assert "150 rows" in finding.sentence


def test_sure_rows_that_are_right_prove_that_labels_are_not_the_matter() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=3000)
    y = (x + rng.uniform(-2, 2, 3000) > 0).astype(int)
    dataset = dataset_of(pl.DataFrame({"x": x, "y": pl.Series(np.array(["no", "yes"])[y])}), "y")
    finding = found_in(dataset, predicted(dataset, y))
    assert finding.outcome == "features"
    assert finding.wrong_at_most is not None
    assert finding.error is not None
    assert finding.wrong_at_most < finding.error / 4
    assert finding.suspicious == ()


def test_rows_with_equal_inputs_bound_the_error_of_any_model() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 12, 1200)
    often = rng.uniform(0.1, 0.9, 12)
    y = (rng.random(1200) < often[x]).astype(int)
    dataset = dataset_of(pl.DataFrame({"x": x, "y": pl.Series(np.array(["no", "yes"])[y])}), "y")
    finding = found_in(dataset, Scored(target=y.astype(float), prediction=often[x]))
    assert finding.twins is not None
    best = np.minimum(often, 1 - often)[x].mean()
    assert finding.twins.rows == 1200
    assert finding.twins.least <= best <= finding.twins.most
    assert finding.twins.least > 0.1
    assert "same inputs" in finding.sentence


def test_rows_with_equal_inputs_bound_the_error_in_a_number() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 40, 800).astype(float)
    y = x + rng.normal(0, 2, 800)
    dataset = dataset_of(pl.DataFrame({"x": x, "y": y}), "y")
    finding = found_in(dataset, Scored(target=y, prediction=x))
    assert finding.outcome == "cannot tell"
    assert finding.twins is not None
    assert finding.twins.least < 2 < finding.twins.most
    assert finding.twins.error == pytest.approx(2, abs=0.15)


def test_tables_without_twins_have_no_bound_from_them() -> None:
    dataset = dataset_of(diabetes_frame(), "progression")
    finding = found_in(dataset, Scored(target=dataset.y, prediction=np.full(len(dataset), dataset.y.mean())))
    assert finding.twins is None
    assert "second measurement" in finding.sentence


def test_too_few_rows_are_said() -> None:
    dataset = dataset_of(wine_frame(), "cultivar")
    finding = found_in(dataset, predicted(dataset, dataset.y.astype(int)))
    assert finding.outcome == "cannot tell"
    assert "178 rows are too few" in finding.sentence


def test_bad_input_ends_in_a_reason() -> None:
    dataset, y = overlapping(300, seed=4, hidden=True)
    plain = predicted(dataset, y)
    nothing = Scored(target=plain.target, prediction=plain.prediction, weight=np.zeros(300))
    assert "no row has a weight" in found_in(dataset, nothing).sentence
    one_class = Scored(target=np.ones(300), prediction=plain.prediction)
    assert "all rows have the same class" in found_in(dataset, one_class).sentence
    constant = Scored(target=plain.target, prediction=np.full(300, 0.5))
    assert found_in(dataset, constant).outcome == "cannot tell"
    unknown = Scored(target=plain.target, prediction=np.full(300, np.nan))
    assert "did not predict" in found_in(dataset, unknown).sentence


def test_a_finding_is_kept_as_json_and_gives_evidence() -> None:
    dataset = dataset_of(breast_cancer_frame(), "diagnosis")
    y = with_wrong(dataset.y, 0.1, 2)
    finding = found_in(dataset, predicted(dataset, y))
    assert NoiseFinding.of_state(json.loads(json.dumps(finding.state()))) == finding
    store = EvidenceStore(finding.evidence())
    assert store["feasibility.noise"].value == "labels"
    assert store["feasibility.noise.wrong_labels"].interval == finding.wrong_interval
    assert all(record.id.startswith("feasibility.noise") for record in store)
    assert found_in(dataset, predicted(dataset, y)) == finding


# ------------------------------------------------------------------------------------------------------- labelled again


@pytest.mark.parametrize(
    ("flips", "error", "outcome"), [(0.15, 0.2, "labels"), (0.01, 0.25, "features"), (0.08, 0.2, "cannot tell")]
)
def test_a_second_labelling_tells_how_many_labels_are_wrong(flips: float, error: float, outcome: str) -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 200)
    first, second = ([int(t) ^ int(w) for t, w in zip(truth, rng.random(200) < flips, strict=True)] for _ in range(2))
    found = read_relabelled(first, second, n_classes=2, error=error)
    assert found.interval.low <= flips <= found.interval.high
    assert found.outcome == outcome
    assert f"{found.wrong:.0%}" in found.sentence


def test_rows_that_were_not_labelled_twice_do_not_count() -> None:
    assert read_relabelled(["a", None, "b"], ["a", "b", None], n_classes=2, error=0.1).n == 1
    with pytest.raises(LabellingsUnfit, match="no row has both"):
        read_relabelled([None], ["a"], n_classes=2, error=0.1)
    with pytest.raises(LabellingsUnfit, match="2 rows, the other 1"):
        read_relabelled(["a", "b"], ["a"], n_classes=2, error=0.1)
