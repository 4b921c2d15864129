"""What is tried in which order: the portfolio, the pilot, the race and the variations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.core import Deadline
from mlwright.data import fold_rows, plan_split
from mlwright.models import FAMILIES, Outline
from mlwright.search import EncodedFolds, MemoryStore, Threads, Trial, search
from mlwright.search.folds import TrialPlan
from mlwright.search.pacing import Pacing
from mlwright.search.pilot import Pace, measure_pace
from mlwright.search.portfolio import portfolio
from mlwright.search.race import Race
from mlwright.search.variation import variation
from mlwright.statistics import METRICS

LOSS = METRICS["log_loss"]
SPEC = spec_for("bought")


def outline(**changes: int) -> Outline:
    known: dict[str, Any] = {"n_rows": 5000, "n_features": 20, "n_classes": 2, "most_levels": 5}
    return Outline(task="binary", **{**known, **changes})


def made(family: str, score: float, folds: tuple[float, ...] = (), **parameters: float) -> Trial:
    name = f"{family} {score}"
    return Trial(
        id=name,
        family=family,
        parameters={"name": name, **parameters},
        status="finished",
        score=score,
        fold_scores=folds or (score,) * 4,
        predictions=np.zeros(3),
    )


# ----------------------------------------------------------------------------------------------------------- portfolio


def test_the_baselines_and_the_workhorse_are_tried_first_and_each_id_is_unique() -> None:
    planned = portfolio(outline(), SPEC)
    assert [one.family.name for one in planned][:2] == ["constant", "lightgbm"]
    assert "linear" in [one.family.name for one in planned][:3]
    assert len({one.id for one in planned}) == len(planned)
    assert len({one.parameters["name"] for one in planned}) == len(planned)


def test_only_families_that_can_keep_the_constraints_are_tried_beside_the_baselines() -> None:
    glass = spec_for("bought", constraints={"interpretability": "glass_box"})
    assert {one.family.name for one in portfolio(outline(), glass)} == {"constant", "linear", "additive"}
    rising = spec_for("bought", constraints={"monotonic": {"age": "increasing"}})
    tried = {one.family.name for one in portfolio(outline(), rising)} - {"constant", "linear"}
    assert tried
    assert all(FAMILIES[name].abilities.monotonic for name in tried)


def test_wide_categories_bring_ordered_target_statistics_forward() -> None:
    usual, wide = ([one.family.name for one in portfolio(outline(most_levels=levels), SPEC)] for levels in (5, 5000))
    assert wide.index("catboost") < usual.index("catboost")


def test_where_no_category_is_worth_crossing_the_crossed_view_is_not_tried_again() -> None:
    dataset = dataset_of(mixed_frame(300), "bought", data={"id": "customer_id"})
    spec = spec_for("bought", budget={"seconds": 60, "trials": 8})
    trials = search(dataset, spec, plan_split(dataset, spec), seed=0)
    (crossed,) = [trial for trial in trials if trial.family == "lightgbm_crossed"]
    assert crossed.status == "left out"
    assert "repeat" in crossed.reason


# --------------------------------------------------------------------------------------------------------------- pilot


def test_a_large_budget_takes_the_usual_folds_and_leaves_the_rates_alone() -> None:
    dataset = dataset_of(mixed_frame(), "bought")
    pace = measure_pace(dataset, plan_split(dataset, SPEC), seconds=10_000, workers=2, seed=0)
    assert pace.folds == 8
    parameters = {"name": "x", "learning_rate": 0.05}
    assert pace.fitted(parameters) == parameters


def test_a_small_budget_takes_fewer_folds_and_coarser_steps() -> None:
    dataset = dataset_of(mixed_frame(4000), "bought")
    pace = measure_pace(dataset, plan_split(dataset, SPEC), seconds=0.3, workers=1, seed=0)
    assert pace.folds < 5
    assert 0.05 < float(pace.fitted({"name": "x", "learning_rate": 0.05})["learning_rate"]) <= 0.15


@given(rate=st.floats(0.005, 0.3), least=st.floats(0, 5))
def test_a_fitted_rate_is_never_finer_than_the_family_asked_for(rate: float, least: float) -> None:
    fitted = Pace(folds=3, least_rate=least).fitted({"learning_rate": rate})["learning_rate"]
    assert fitted >= min(rate, 0.15) - 1e-4
    assert fitted <= max(rate, 0.15)


def test_with_a_number_of_trials_nothing_depends_on_the_clock() -> None:
    dataset = dataset_of(mixed_frame(300), "bought")
    spec = spec_for("bought", budget={"seconds": 60, "trials": 2})
    store = MemoryStore()
    search(dataset, spec, plan_split(dataset, spec), seed=0, store=store)
    assert store.noted("pace") == {"folds": 8, "least_rate": 0.0, "start_seconds": 0.0}


def test_a_search_that_goes_on_keeps_its_folds() -> None:
    dataset = dataset_of(mixed_frame(300), "bought")
    store = MemoryStore()
    store.note("pace", {"folds": 3, "least_rate": 0.1})
    trials = search(dataset, spec_for("bought", budget={"seconds": 2}), plan_split(dataset, SPEC), seed=0, store=store)
    assert trials.n_folds == 3
    assert trials["01-lightgbm"].parameters["learning_rate"] == 0.1


# -------------------------------------------------------------------------------------------------------------- pacing


def pacing(hands: Callable[[], float], **budget: Any) -> Pacing:
    spec = spec_for("bought", budget={"seconds": 100, "trials": None, **budget})
    dataset = dataset_of(mixed_frame(300), "bought")
    return Pacing(
        spec=spec,
        data=EncodedFolds(dataset, fold_rows(dataset, plan_split(dataset, spec), 3, seed=0), seed=0),
        objective=LOSS,
        seed=0,
        deadline=Deadline.after(100, clock=hands),
        pace=Pace(folds=3),
        executor=Threads(1),
    )


def planned(family: str, *, last: bool = False, **parameters: float) -> TrialPlan:
    return TrialPlan(id="x", family=FAMILIES[family], parameters={"name": "x", **parameters}, last=last)


def test_no_candidate_takes_what_the_others_need_unless_none_waits_behind_it() -> None:
    shares = pacing(lambda: 0.0)
    so_far = [made("constant", 0.69), made("lightgbm", 0.4)]
    until = Deadline.after(50, clock=lambda: 0.0)
    assert shares.part(planned("catboost"), 1.0, until, so_far).seconds == pytest.approx(20)
    assert shares.part(planned("catboost"), 45.0, until, so_far).seconds == pytest.approx(25)
    assert shares.part(planned("catboost", last=True), 45.0, until, so_far).seconds == pytest.approx(50)
    assert shares.part(planned("lightgbm"), 0.0, until, so_far[:1]).seconds == pytest.approx(25)


def test_a_candidate_is_begun_only_if_what_is_left_is_worth_it() -> None:
    shares = pacing(lambda: 0.0)
    so_far = [made("constant", 0.69), made("lightgbm", 0.4)]
    assert not shares.too_little(planned("catboost"), 9.0, 10.0, so_far)
    assert shares.too_little(planned("catboost"), 6.0, 10.0, so_far)
    assert not shares.too_little(planned("catboost", last=True), 6.0, 10.0, so_far)
    assert not shares.too_little(planned("lightgbm"), 6.0, 10.0, so_far[:1])  # there is nothing to fall back on


def test_a_slow_family_learns_in_coarser_steps_and_not_at_all_where_trials_are_counted() -> None:
    slow = replace(made("catboost", 0.4, learning_rate=0.05), settled={"rounds": 400.0}, round_seconds=0.02)
    quick = replace(slow, round_seconds=0.0001)
    until = Deadline.after(50, clock=lambda: 0.0)
    asked = planned("catboost", learning_rate=0.05)
    for trial, coarser in ((slow, True), (quick, False)):
        fitted, cost = pacing(lambda: 0.0).paced(asked, until, [trial])
        assert (fitted.parameters["learning_rate"] > 0.05) == coarser
        assert cost > 0
    counted, _ = pacing(lambda: 0.0, trials=9).paced(asked, until, [slow])
    assert counted == asked


def test_more_is_kept_for_the_refit_of_what_was_slow_to_fit() -> None:
    shares = pacing(lambda: 0.0)
    assert shares.until([]).seconds == pytest.approx(90)
    slow = replace(made("lightgbm", 0.4), refit_seconds=12.0)
    assert shares.until([slow]).seconds == pytest.approx(100 - 1.3 * 24)


# ---------------------------------------------------------------------------------------------------------------- race


def test_who_is_far_behind_after_the_first_folds_is_given_up() -> None:
    so_far = [made("constant", 0.69), made("lightgbm", 0.40, (0.38, 0.42, 0.40, 0.40)), made("linear", 0.45)]
    race = Race(so_far, LOSS)
    assert race.hopeless([0.39, 0.43]) is None
    told = race.hopeless([0.55, 0.56])
    assert told is not None
    assert "behind lightgbm 0.4" in told
    assert Race(so_far, LOSS, strict=True).hopeless([0.43, 0.44]) is not None
    assert race.hopeless([0.43, 0.44]) is None
    assert race.hopeless([float("nan")] * 2) is not None


def test_there_is_no_race_before_anything_is_known_or_after_the_last_fold() -> None:
    assert Race([], LOSS).hopeless([9.9]) is None
    assert Race([made("constant", 0.69)], LOSS).hopeless([9.9]) is None
    assert Race([made("constant", 0.69), made("lightgbm", 0.4)], LOSS).hopeless([9.9] * 4) is None


# ---------------------------------------------------------------------------------------------------------- variations


@given(number=st.integers(0, 200), seed=st.integers(0, 50))
def test_variations_stay_inside_the_space_of_their_family_and_can_be_repeated(number: int, seed: int) -> None:
    so_far = [made("constant", 0.69), made("lightgbm", 0.4, learning_rate=0.05, num_leaves=31), made("linear", 0.5)]
    drawn, again = (variation(so_far, outline(), SPEC, LOSS, number=number, seed=seed) for _ in range(2))
    assert drawn is not None
    assert again is not None
    assert (drawn.id, drawn.parameters) == (again.id, again.parameters)
    assert drawn.family.name == "lightgbm"
    for name, among in drawn.family.space(outline()).items():
        value = drawn.parameters[name]
        if isinstance(among, tuple):
            assert value in among
        else:
            assert among.low * 0.999 <= value <= among.high * 1.001
            assert not among.whole or isinstance(value, int)


def test_without_a_family_that_has_anything_to_choose_there_is_no_variation() -> None:
    assert variation([], outline(), SPEC, LOSS, number=0, seed=0) is None
    assert variation([made("linear", 0.4), made("constant", 0.6)], outline(), SPEC, LOSS, number=0, seed=0) is None


def test_the_best_family_is_varied_most() -> None:
    so_far = [made("catboost", 0.39), made("lightgbm", 0.4)]
    drawn = [variation(so_far, outline(), SPEC, LOSS, number=number, seed=0) for number in range(9)]
    names = [one.family.name for one in drawn if one is not None]
    assert names.count("catboost") > names.count("lightgbm") > 0
