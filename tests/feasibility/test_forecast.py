from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.feasibility import Anchor, Forecast, QuickCurve, RelativeError, forecasts_of, load_learnt, raw_forecasts

_UNITS = {"roc_auc": 0.5, "log_loss": 0.6, "accuracy": 0.3, "rmse": 12.0}


@st.composite
def forecasts(draw: st.DrawFn) -> Forecast:
    metric = draw(st.sampled_from(sorted(_UNITS)))
    known = load_learnt()
    truth, test = draw(st.floats(0.01, 0.5)), draw(st.floats(0.001, 0.5))
    return Forecast(
        metric=metric,
        mu=draw(st.floats(-5.0, -0.05)),
        sigma=float(np.hypot(truth, test)),
        sigma_truth=truth,
        unit=_UNITS[metric],
        test_error=test,
        slope=-draw(st.floats(0.0, 0.5)),
        rows=1000,
        test_rows=250,
        levels=known.levels,
        quantiles=known.quantiles_of(metric),
    )


@given(one=forecasts(), a=st.floats(0.01, 0.99), b=st.floats(0.01, 0.99))
def test_an_easier_demand_is_never_less_probable(one: Forecast, a: float, b: float) -> None:
    low, high = sorted((one.score(np.log(a)), one.score(np.log(b))))
    assert one.probability(low, at_least=True) >= one.probability(high, at_least=True)
    assert one.probability(high, at_least=False) >= one.probability(low, at_least=False)


@given(one=forecasts(), bound=st.floats(0.01, 0.99))
def test_reaching_and_missing_a_bound_add_up_to_certainty(one: Forecast, bound: float) -> None:
    score = one.score(np.log(bound))
    total = one.probability(score, at_least=True) + one.probability(score, at_least=False)
    assert total == pytest.approx(1, abs=1e-9)


@given(one=forecasts())
def test_quantiles_rise_and_hold_what_they_promise(one: Forecast) -> None:
    levels = np.linspace(0.02, 0.98, 25)
    scores = [one.quantile(q) for q in levels]
    assert all(a <= b for a, b in pairwise(scores))
    for q in (0.1, 0.5, 0.9):
        assert one.probability(one.quantile(q), at_least=False) == pytest.approx(q, abs=0.02)
    assert one.expected in one.interval()


@given(one=forecasts(), probability=st.floats(0.1, 0.9))
def test_the_bound_at_a_probability_is_reached_with_it(one: Forecast, probability: float) -> None:
    for at_least in (True, False):
        bound = one.bound_at(probability, at_least=at_least)
        assert one.probability(bound, at_least=at_least) == pytest.approx(probability, abs=0.02)


@given(one=forecasts(), bound=st.floats(0.05, 0.95))
def test_proving_is_harder_than_reaching_and_the_surer_the_harder(one: Forecast, bound: float) -> None:
    score, at_least = one.score(np.log(bound)), one.higher_is_better
    reached = one.probability(score, at_least=at_least)
    weak, strong = (one.provable(score, at_least=at_least, confidence=c) for c in (0.6, 0.99))
    assert strong <= weak <= reached


@given(one=forecasts())
def test_the_true_score_is_less_uncertain_than_the_one_on_test_rows(one: Forecast) -> None:
    test, truth = one.interval(), one.truth.interval()
    assert truth.high - truth.low <= test.high - test.low + 1e-12


@given(one=forecasts())
def test_a_forecast_survives_the_way_to_json(one: Forecast) -> None:
    state = one.state()
    assert Forecast.of_state({**state, "levels": list(state["levels"]), "quantiles": list(state["quantiles"])}) == one


def test_draws_are_spread_as_the_forecast_says() -> None:
    one = replace(_forecast(0.4), metric="rmse", unit=10.0)
    drawn = one.draws(200)
    assert np.all(np.diff(drawn) >= 0)
    assert np.quantile(drawn, 0.5) == pytest.approx(one.expected, rel=0.01)


def test_more_test_rows_prove_more() -> None:
    one = _forecast(0.3)
    assert one.rows_to_prove(0.80, at_least=True, confidence=0.9) is not None
    near = one.rows_to_prove(0.84, at_least=True, confidence=0.9)
    far = one.rows_to_prove(0.80, at_least=True, confidence=0.9)
    assert near is not None
    assert far is not None
    assert near > far
    assert one.rows_to_prove(0.9, at_least=True, confidence=0.9) is None


def _forecast(error: float) -> Forecast:
    known = load_learnt()
    return Forecast(
        metric="roc_auc",
        mu=float(np.log(error)),
        sigma=0.1,
        sigma_truth=0.05,
        unit=0.5,
        test_error=0.0866,
        slope=-0.1,
        rows=1000,
        test_rows=250,
        levels=known.levels,
        quantiles=known.quantiles_of("roc_auc"),
    )


def _curve(errors: list[float], standard_error: float = 0.005) -> QuickCurve:
    rows = [1000.0, 2000.0, 4000.0, 8000.0]
    anchors = tuple(
        Anchor(rows=m, errors={"roc_auc": RelativeError(error=e, standard_error=standard_error, unit=0.5)})
        for m, e in zip(rows, errors, strict=True)
    )
    n = 10_000
    return QuickCurve(
        task="binary",
        n_classes=2,
        anchors=anchors,
        rows=np.arange(n),
        target=(np.arange(n) % 2).astype(np.float64),
        prediction=np.full(n, 0.5),
    )


def test_steep_curves_promise_more_than_flat_ones() -> None:
    steep = forecasts_of(_curve([0.6, 0.5, 0.42, 0.35]), 10_000, 2_000)["roc_auc"]
    flat = forecasts_of(_curve([0.36, 0.355, 0.352, 0.35]), 10_000, 2_000)["roc_auc"]
    assert steep.expected > flat.expected > 1 - 0.35 * 0.5
    assert steep.sigma_truth > flat.sigma_truth


def test_fewer_test_rows_and_unlike_tables_are_less_certain() -> None:
    curve = _curve([0.6, 0.5, 0.42, 0.35])
    usual = raw_forecasts(curve, 10_000, 2_000)["roc_auc"]
    few = raw_forecasts(curve, 10_000, 200)["roc_auc"]
    unlike = raw_forecasts(curve, 10_000, 2_000, widened=2.0)["roc_auc"]
    assert few.sigma > usual.sigma
    assert few.sigma_truth == usual.sigma_truth
    assert unlike.sigma_truth == pytest.approx(2 * usual.sigma_truth)
    assert unlike.test_error == usual.test_error
    assert few.mu == usual.mu == unlike.mu
