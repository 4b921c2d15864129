"""What the errors on the test rows cost: exact sums, beside other ways to answer; and a run that is made of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import mean_pinball_loss
from tests.models.made import made
from tests.support import diabetes_frame, spec_for

from mlwright.core import MlwrightError
from mlwright.evaluation import CostOfErrors, Evaluation, cost_of_errors, scored_rows
from mlwright.models import Model, Offset, error_cost
from mlwright.reports.words import beats_baseline, headline, main_score, meaning
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Scored, required_metrics
from mlwright.verification import verify
from mlwright.workflow import run, train

TARGET = "progression"
COST = "where(error > 0, 0.02 * error, -0.05 * error)"


def spec_of(cost: str | None = COST, **sections: Any) -> Spec:
    decision = {"currency": "EUR", "volume": {"count": 500, "per": "week"}}
    decision |= {} if cost is None else {"error_cost": cost}
    return spec_for(TARGET, decision=decision, **sections)


def answered(model: Model, spec: Spec) -> Scored:
    test = made("regression").split.test
    cost = error_cost(spec, made("regression").split.train)
    return scored_rows(test, model.predict(test), None if cost is None else cost.of_rows(test))


@cache
def costs(seed: int = 0) -> CostOfErrors:
    one, spec = made("regression"), spec_of()
    moved = replace(one.model, offset=Offset(edges=(), amounts=(20.0,)))
    beside = {"mean": answered(one.model, spec)}
    found = cost_of_errors(answered(moved, spec), beside, one.split, spec, seed=seed)
    assert found is not None
    return found


def test_the_cost_is_the_sum_of_what_each_error_costs() -> None:
    test = made("regression").split.test
    predicted = made("regression").model.predict(test).prediction + 20
    per_row = 0.07 * mean_pinball_loss(test.y, predicted, alpha=5 / 7)
    assert costs().per_row == pytest.approx(per_row)
    assert costs().total == pytest.approx(per_row * len(test))
    assert costs().per_period == pytest.approx(500 * per_row)
    assert costs().interval is not None
    assert per_row in costs().interval  # type: ignore[operator]


def test_what_it_saves_over_the_mean_is_paired() -> None:
    test = made("regression").split.test
    (mean,) = costs().others
    plain = 0.07 * mean_pinball_loss(test.y, made("regression").model.predict(test).prediction, alpha=5 / 7)
    assert mean.per_row == pytest.approx(plain)
    assert mean.gain == pytest.approx(plain - (costs().per_row or 0))
    assert mean.gain is not None
    assert mean.gain > 0
    assert mean.gain_interval is not None
    whole = costs().interval
    assert whole is not None
    assert mean.gain_interval.high - mean.gain_interval.low < whole.high - whole.low


def test_it_is_evidence_and_comes_back_from_json() -> None:
    listed = {record.id: record for record in costs().evidence()}
    assert listed["value.cost_per_row"].value == costs().per_row
    assert listed["value.cost_per_row"].unit == "EUR"
    assert listed["value.mean.saved"].interval == costs().others[0].gain_interval
    assert {"value.cost_total", "value.cost_per_period", "value.mean.cost_per_row"} <= set(listed)

    assert CostOfErrors.of_state(json.loads(json.dumps(asdict(costs()), allow_nan=False))) == costs()
    assert costs(0) == costs.__wrapped__(0)


def test_without_a_cost_there_is_none() -> None:
    one = made("regression")
    assert cost_of_errors(answered(one.model, spec_of(None)), {}, one.split, spec_of(None), seed=0) is None


def test_a_required_cost_needs_to_be_said() -> None:
    asked: dict[str, Any] = {"requirements": [{"id": "R1", "metric": "error_cost", "max": 1.5}]}
    (metric,) = required_metrics(spec_of(**asked), "regression")
    assert metric is METRICS["error_cost"]
    with pytest.raises(MlwrightError, match="nothing says what an error costs"):
        required_metrics(spec_of(None, **asked), "regression")


# ------------------------------------------------------------------------------------------------------- a whole run


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("priced")
    diabetes_frame().write_parquet(folder / "rows.parquet")
    tree: dict[str, Any] = {
        "data": {"source": "rows.parquet", "target": TARGET},
        "decision": {"error_cost": COST, "currency": "EUR"},
        "requirements": [{"id": "R1", "metric": "error_cost", "max": 1.9}],
        "budget": {"seconds": 60, "trials": 3},
        "split": {"folds": 3},
    }
    return run(Spec.of(tree).at(folder))


def evaluated(made_run: Run) -> Evaluation:
    assert made_run.evaluation is not None
    return made_run.evaluation


def test_the_run_is_judged_by_the_cost(priced: Run) -> None:
    evaluation = evaluated(priced)
    assert priced.trials.objective == "error_cost"
    test = priced.split.test
    predicted = priced.model.predict(test).prediction
    per_row = 0.07 * mean_pinball_loss(test.y, predicted, alpha=5 / 7)
    assert evaluation.score("error_cost").value == pytest.approx(per_row)
    assert evaluation.cost is not None
    assert evaluation.cost.per_row == pytest.approx(per_row)
    assert [one.name for one in evaluation.cost.others] == ["constant", "linear", "mean"]
    assert evaluation.requirements[0].value == pytest.approx(per_row)
    assert evaluation.requirements[0].outcome == "met"
    assert beats_baseline(evaluation)
    assert main_score(evaluation).metric == "error_cost"
    assert headline(priced).tone == "good"
    assert Evaluation.of_state(json.loads(json.dumps(evaluation.state(), allow_nan=False))) == evaluation


def test_a_manager_reads_one_sentence_about_it(priced: Run) -> None:
    lines = meaning(evaluated(priced), priced.model, priced.spec)
    assert lines[0].startswith("Its errors on the 88 test rows cost ")
    assert "a row less than the same answer for every row would cost." in lines[0]
    assert lines[1].startswith(
        "An error upwards costs 0.02 EUR a unit, downwards 0.05: the model predicts the 71 % quantile"
    )
    page = priced.folder.report_path.read_text()
    assert "What the errors cost" in page
    assert "boosted trees that predict the mean" in page
    assert "What the errors cost" in (priced.folder.path / "model_card.md").read_text()


def test_every_number_of_it_comes_out_again(priced: Run) -> None:
    mine = ("value.", "test.", "trials.", "ensemble.", "requirements.")
    assert [one for one in verify(priced.folder).differences if one.id.startswith(mine)] == []


def test_a_cost_that_a_test_row_does_not_have_ends_the_run_before_the_search(tmp_path: Path) -> None:
    frame = diabetes_frame()
    price = [None if number == 17 else 1.0 + number % 3 for number in range(len(frame))]
    frame.with_columns(price=pl.Series(price)).write_parquet(tmp_path / "rows.parquet")
    given = {"data": {"source": "rows.parquet", "target": TARGET}, "budget": {"seconds": 60, "trials": 3}}
    spec = Spec.of({**given, "decision": {"error_cost": f"price * {COST}"}}).at(tmp_path)
    with pytest.raises(MlwrightError, match="no finite number in 1 of"):
        train(spec)
