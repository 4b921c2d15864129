from datetime import timedelta

import numpy as np
import pytest

from mlwright.monitoring.skill import SkillForecast, forecast_skill


def forecast(slope: float, *, seed: int = 0, windows: int = 40, day_noise: float = 0.01) -> SkillForecast:
    rng = np.random.default_rng(seed)
    age, rows = np.arange(windows, dtype=float), 400
    loss = 0.2 + slope * age + rng.normal(0, day_noise, windows) + rng.normal(0, 0.4 / np.sqrt(rows), windows)
    found = forecast_skill(age, loss, np.full(windows, 0.16 / rows), limit=0.3, rng=rng)
    assert found is not None
    return found


def test_the_day_on_which_the_limit_is_reached_is_foretold() -> None:
    found = forecast(0.0015)
    assert found.fades
    assert found.soonest is not None
    assert found.likely is not None
    assert found.latest is not None
    true = timedelta(days=0.1 / 0.0015 - 39)
    assert found.soonest <= true <= found.latest
    assert found.soonest < found.likely < found.latest
    finding = found.as_finding()
    assert finding is not None
    assert "days" in finding.what


def test_a_model_that_does_not_fade_is_not_said_to() -> None:
    fades = [forecast(0.0, seed=seed).fades for seed in range(100)]
    assert sum(fades) <= 12  # 5 of 100 are expected
    assert forecast(-0.001).as_finding() is None


def test_intervals_of_the_slope_hold_it_about_as_often_as_they_say() -> None:
    held = [0.001 in forecast(0.001, seed=seed, windows=12).per_day for seed in range(150)]
    assert 0.84 <= np.mean(held) <= 0.97


def test_a_limit_that_is_passed_is_reached_now() -> None:
    found = forecast(0.006)
    assert found.likely == timedelta(0)
    finding = found.as_finding()
    assert finding is not None
    assert finding.level == "warn"
    assert "now" in finding.what


@pytest.mark.parametrize("windows", [0, 4])
def test_a_few_windows_say_nothing(windows: int) -> None:
    age = np.arange(windows, dtype=float)
    assert forecast_skill(age, age, np.ones(windows), limit=1.0, rng=np.random.default_rng(0)) is None
