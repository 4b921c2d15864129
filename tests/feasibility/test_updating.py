from dataclasses import replace

import pytest
from tests.support import breast_cancer_frame, split_of

from mlwright.core import Deadline
from mlwright.data import Split
from mlwright.feasibility import Verdict, judge_feasibility, updated
from mlwright.search import Trials, choose_members, compared_rows, search
from mlwright.spec import Spec
from mlwright.statistics import METRICS, objective_of


@pytest.fixture(scope="module")
def searched() -> tuple[Spec, Split, Verdict, Trials]:
    spec, split = split_of(
        breast_cancer_frame(),
        "diagnosis",
        data={"positive_class": "malignant"},
        requirements=[
            {"id": "R1", "metric": "roc_auc", "min": 0.95},
            {"id": "R2", "metric": "log_loss", "max": 0.01},
            {"id": "R3", "metric": "recall", "min": 0.7},
        ],
    )
    verdict = judge_feasibility(split.train, spec, split.plan, test_rows=len(split.test), seed=0)
    trials = search(split.train, spec, split.plan, seed=0, deadline=Deadline.after(60))
    return spec, split, verdict, trials


def test_before_any_trial_nothing_changes(searched: tuple[Spec, Split, Verdict, Trials]) -> None:
    spec, split, verdict, trials = searched
    assert updated(verdict, replace(trials, trials=()), split.train, spec, seed=0) == verdict


def test_every_trial_makes_the_verdict_narrower_or_leaves_it(searched: tuple[Spec, Split, Verdict, Trials]) -> None:
    spec, split, verdict, trials = searched
    before = {one.metric: one for one in verdict.forecasts}
    now = verdict
    for count in range(1, len(trials.trials) + 1):
        now = updated(verdict, replace(trials, trials=trials.trials[:count]), split.train, spec, seed=0)
        for one in now.forecasts:
            assert one.sigma_truth <= before[one.metric].sigma_truth
            assert one.sigma <= before[one.metric].sigma
    assert now.trials == len([one for one in trials.usable if one.family != "constant"])
    assert [one.outcome for one in now.requirements[1:]] == ["infeasible", "feasible"]
    assert now.outcome == "infeasible"


def test_at_the_end_it_says_what_the_ensemble_scored_out_of_fold(
    searched: tuple[Spec, Split, Verdict, Trials],
) -> None:
    spec, split, verdict, trials = searched
    scored = compared_rows(split.train, trials.rows, spec)
    ensemble = choose_members(trials, scored, objective_of("binary"))
    now = updated(verdict, trials, split.train, spec, seed=0, ensemble=ensemble.predictions)
    own = METRICS["roc_auc"].compute(replace(scored, prediction=ensemble.predictions[trials.rows]))
    forecast = now.forecast("roc_auc")
    assert forecast is not None
    assert own in forecast.truth.interval()
    assert 1 - forecast.expected == pytest.approx(1 - own, rel=0.25)


def test_what_was_seen_stays_and_what_is_forecast_moves(searched: tuple[Spec, Split, Verdict, Trials]) -> None:
    spec, split, verdict, trials = searched
    now = updated(verdict, trials, split.train, spec, seed=0)
    for old, new in zip(verdict.points, now.points, strict=True):
        assert new.score in new.interval
        if old.kind == "seen":
            assert old == new
    assert any(old != new for old, new in zip(verdict.points, now.points, strict=True))
