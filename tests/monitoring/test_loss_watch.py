from datetime import UTC, datetime

import numpy as np
import pytest

from mlwright.monitoring.findings import Finding
from mlwright.monitoring.labelled_loss import labelled_loss
from mlwright.monitoring.loss_watch import LossWatch

DAY = 200


def watch(tolerance: float = 0.02, *, weighted: bool = False) -> LossWatch:
    reference = np.random.default_rng(0).random(20_000) < 0.2
    return LossWatch.start(reference.astype(float), metric="share of errors", tolerance=tolerance, weighted=weighted)


def days(of: LossWatch, share: float, *, seed: int, most: int) -> tuple[LossWatch, int]:
    rng = np.random.default_rng(seed)
    for day in range(most):
        of = of.update((rng.random(DAY) < share).astype(float))
        if of.risen:
            return of, day + 1
    return of, 0


def test_a_rise_within_the_tolerance_is_never_reported() -> None:
    assert not any(days(watch(), 0.215, seed=seed, most=100)[1] for seed in range(10))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_rise_beyond_it_is_found_in_days(weighted: bool) -> None:
    found = [days(watch(weighted=weighted), 0.35, seed=seed, most=60)[1] for seed in range(10)]
    assert all(found)
    assert np.median(found) <= (4 if not weighted else 15)


def test_a_short_reference_without_any_error_is_luck_and_no_promise() -> None:
    # 30 rows of a model that is wrong in 1 of 50: more than half of such references have no error at all.
    for seed in range(10):
        start = LossWatch.start(np.zeros(30), metric="share of errors", tolerance=0.0, weighted=False)
        assert not days(start, 0.02, seed=seed, most=40)[1]
    assert days(start, 0.6, seed=0, most=5)[1]


def test_a_rise_is_dated_to_the_days_it_may_have_begun() -> None:
    quiet, _ = days(watch(), 0.2, seed=11, most=10)
    found = quiet
    rng = np.random.default_rng(12)
    while not found.risen:
        found = found.update((rng.random(DAY) < 0.35).astype(float))
    change = found.detector.change_point()
    assert change is not None
    assert change.earliest <= 11 <= change.latest


def test_labels_that_come_later_only_delay_the_answer() -> None:
    rng = np.random.default_rng(3)
    losses = (rng.random(30 * DAY) < 0.35).astype(float)
    whole, parts = watch(), watch()
    for start in range(0, len(losses), DAY):
        whole = whole.update(losses[start : start + DAY])
        parts = parts.update(losses[start // 2 : start // 2 + DAY // 2])
    assert whole.risen
    assert parts.risen


def test_weights_of_labelled_rows_undo_what_is_labelled() -> None:
    # Half of the rows lose much and are labelled five times as often; the mean of all rows has not risen.
    rng = np.random.default_rng(4)
    reference = np.where(rng.random(20_000) < 0.5, 0.5, 0.1)
    rows = np.repeat([1000.0, 1000.0], 128)
    plain = LossWatch.start(reference, metric="loss", tolerance=0.02, weighted=False)
    fair = LossWatch.start(reference, metric="loss", tolerance=0.02)
    for _ in range(30):
        high = rng.random(300) < 5 / 6
        bins = np.where(high, rng.integers(128, 256, 300), rng.integers(0, 128, 300))
        loss = np.where(high, 0.5, 0.1)
        recent = labelled_loss(loss, bins, rows)
        plain, fair = plain.update(loss), fair.update(loss, recent.weight)
    assert plain.risen
    assert not fair.risen
    assert recent.value == pytest.approx(0.3, abs=0.01)


def test_the_finding_says_what_is_lost_since_when() -> None:
    rng = np.random.default_rng(5)
    found, _ = days(watch(), 0.4, seed=5, most=60)
    recent = labelled_loss((rng.random(400) < 0.4).astype(float), rng.integers(0, 256, 400), np.full(256, 10.0))
    since = datetime(2026, 11, 3, tzinfo=UTC)
    finding = found.as_finding(recent, since=since)
    assert isinstance(finding, Finding)
    assert finding.level == "page"
    assert finding.since == since
    assert finding.cost is not None
    assert 0.2 in finding.cost
    assert Finding.of_state(finding.state()) == finding
    assert watch().as_finding(recent) is None


def test_losses_out_of_range_are_cut_off_and_counted() -> None:
    found = watch().update(np.array([0.5, 7.0, -1.0]))
    assert found.clipped == 2


def test_a_state_can_be_read_back() -> None:
    before, _ = days(watch(weighted=True), 0.3, seed=6, most=5)
    after = LossWatch.of_state(before.state())
    losses = np.ones(20)
    assert after.update(losses).detector.log_e == before.update(losses).detector.log_e
    assert after.state() == before.state()
