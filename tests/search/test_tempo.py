"""The pace of a family: what its rounds take, and the learning rate that this affords."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.core import Deadline
from mlwright.data import fold_rows, plan_split
from mlwright.models import FAMILIES
from mlwright.models.families.rounds import Rounds
from mlwright.search import EncodedFolds, Trial
from mlwright.search.folds import TrialPlan, fold_job
from mlwright.search.tempo import PROBED_ROUNDS, Stopwatch, Tempo, expected_path, known_tempo, probe

seconds = st.floats(1e-6, 10)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def timed(family: str = "lightgbm", **known: object) -> Trial:
    parameters = {"name": "x", "learning_rate": 0.05, "num_leaves": 31, **known.pop("parameters", {})}  # type: ignore[dict-item]
    usual = {"status": "finished", "settled": {"rounds": 200}, "predictions": np.zeros(3), "round_seconds": 0.01}
    return Trial(id="x", family=family, parameters=parameters, **{**usual, **known})  # type: ignore[arg-type]


def test_a_stopwatch_tells_what_came_before_the_first_round_from_the_rounds() -> None:
    hands = Hands()
    watch = Stopwatch(hands)
    deadline = watch.timed(Deadline.after(100, clock=hands))
    assert watch.tempo() is None
    hands.now = 3.0
    for _ in range(5):
        hands.now += 0.5
        assert not deadline.expired()
    assert watch.tempo() == Tempo(start=3.0, per_round=0.5)


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_boosters_ask_the_clock_once_a_round_so_a_probe_can_time_them(name: str) -> None:
    family = FAMILIES[name]
    if not family.installed:
        pytest.skip(f"{name} is not installed")
    dataset = dataset_of(mixed_frame(800), "bought")
    spec = spec_for("bought")
    data = EncodedFolds(dataset, fold_rows(dataset, plan_split(dataset, spec), 3, seed=0), seed=0)
    plan = TrialPlan(id="x", family=family, parameters={"name": "x", "learning_rate": 0.1})
    job = fold_job(plan, data, 0, seed=0, deadline=Deadline.after(60), monotonic={})
    asked = Hands()
    counted = Deadline.after(1e9, clock=Counting(asked))
    family.fit(replace(job, settled={"rounds": float(PROBED_ROUNDS)}, deadline=counted))
    assert PROBED_ROUNDS - 1 <= asked.now - 1 <= PROBED_ROUNDS
    tempo = probe(family, job, Deadline.after(60))
    assert tempo is not None
    assert tempo.per_round > 0
    assert tempo.start >= 0


class Counting:
    """A clock on which no time passes; counts how often it is asked."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands

    def __call__(self) -> float:
        self.hands.now += 1
        return 0.0


@given(start=seconds, per_round=seconds, path=st.floats(0.1, 100), wanted=st.floats(0.01, 0.1), given_s=seconds)
def test_a_rate_is_as_wanted_or_higher_and_fits_if_any_good_one_does(
    start: float, per_round: float, path: float, wanted: float, given_s: float
) -> None:
    tempo = Tempo(start=start, per_round=per_round)
    rate = tempo.rate(path, given_s, wanted)
    assert round(wanted, 4) <= rate <= 0.15
    if rate < 0.1499:
        assert tempo.seconds(path, rate) <= given_s * 1.01 or rate == round(wanted, 4)
    if rate > round(wanted, 4):
        assert tempo.seconds(path, wanted) > given_s * 0.99


def test_larger_trees_are_expected_to_take_longer_and_other_families_are_not_known() -> None:
    made = [timed()]
    same, larger = (known_tempo("lightgbm", {"name": "y", "num_leaves": n}, made) for n in (31, 124))
    assert same is not None
    assert larger is not None
    assert larger.per_round == pytest.approx(2 * same.per_round)
    assert known_tempo("catboost", {"name": "y", "depth": 6}, made) is None
    assert known_tempo("lightgbm", {"name": "y"}, [timed(round_seconds=0.0)]) is None


def test_how_far_a_candidate_must_go_is_learned_from_those_like_it() -> None:
    plain = {"name": "y", "num_leaves": 31}
    assert expected_path("lightgbm", plain, [timed()], "binary") == pytest.approx(10.0)
    assert expected_path("lightgbm", plain, [timed(status="cut")], "binary") == pytest.approx(20.0)
    assert expected_path("lightgbm", {**plain, "num_leaves": 8}, [timed()], "binary") > 15
    among_many, of_two = (
        expected_path("catboost", {"name": "y"}, [timed()], task) for task in ("multiclass", "binary")
    )
    assert among_many > of_two > 10


def test_no_round_is_begun_that_would_not_be_done_in_time() -> None:
    hands = Hands()
    rounds = Rounds(Deadline.after(10, clock=hands))
    ended = []
    for _ in range(4):
        hands.now += 3.0
        ended.append(rounds.over())
    assert ended[:3] == [False, False, True]  # at 9 s a fourth round of 3 s would end at 12 s
