import time

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import betabinom

from mlwright.core import Interval
from mlwright.monitoring.anomalies import AnomalousRows, AnomalyReference, TooFewRows
from mlwright.monitoring.rarity import LevelRarity, NumberRarity, pairs_of


def table(n: int, seed: int) -> pa.Table:
    """Ordinary rows: of two columns of levels one pair never occurs."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["DE", "FR", "US"], n)
    money = np.where(country == "US", "USD", "EUR")
    return pa.table(
        {
            "amount": rng.lognormal(3, 1, n),
            "age": rng.integers(18, 90, n).astype(float),
            "country": pa.array(country),
            "money": pa.array(money),
            "gap": pa.array(np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)), from_pandas=True),
            "name": pa.array([f"n{k}" for k in rng.integers(0, 10 * n, n)]),
        }
    )


@pytest.fixture(scope="module")
def reference() -> AnomalyReference:
    return AnomalyReference.of_rows(table(4000, 0), rng=np.random.default_rng(0))


def with_row(rows: pa.Table, column: str, value: object, at: int = 7) -> pa.Table:
    values = rows[column].to_pylist()
    values[at] = value
    return rows.set_column(rows.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("amount", 1e6, "is higher than all of the reference"),
        ("amount", -5e4, "is lower than all of the reference"),
        ("age", None, "is missing"),
        ("age", float("inf"), "is higher than all of the reference"),
        ("country", "ZZ", "has a level that the reference does not have"),
    ],
)
def test_an_odd_row_is_found_with_its_reason(
    reference: AnomalyReference, column: str, value: object, reason: str
) -> None:
    found = reference.find(with_row(table(500, 1), column, value))
    assert [odd.row for odd in found.worst][:1] == [7]
    assert (column, reason) in found.worst[0].reasons
    assert found.worst[0].chance <= 0.005


def test_a_combination_that_never_occurs_is_found(reference: AnomalyReference) -> None:
    rows = with_row(with_row(table(500, 1), "country", "US"), "money", "EUR")
    found = reference.find(rows)
    assert found.worst[0].row == 7
    assert ("country with money", "is a combination that the reference lacks") in found.worst[0].reasons


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_ordinary_rows_are_called_odd_at_the_stated_rate(reference: AnomalyReference, rate: float) -> None:
    threshold, stated = reference.threshold(rate)
    assert stated <= rate
    odd = int((reference.scores(table(20_000, 2)) > threshold).sum())
    beyond = round(stated * 4001)  # of the reference; the threshold is as unsure as that number
    assert (
        betabinom.ppf(1e-4, 20_000, beyond, 4001 - beyond)
        <= odd
        <= betabinom.ppf(1 - 1e-4, 20_000, beyond, 4001 - beyond)
    )


def test_ordinary_batches_are_not_reported(reference: AnomalyReference) -> None:
    assert all(reference.find(table(2000, seed)).as_finding() is None for seed in range(3, 13))


def test_many_odd_rows_are_reported_with_their_column(reference: AnomalyReference) -> None:
    rows = table(2000, 20)
    amount = rows["amount"].to_numpy().copy()
    amount[:100] *= 1000
    finding = reference.find(rows.set_column(0, "amount", pa.array(amount))).as_finding()
    assert finding is not None
    assert finding.columns[0] == "amount"
    assert finding.level == "warn"


def test_a_rate_that_the_reference_cannot_give_is_said_to_be_higher(reference: AnomalyReference) -> None:
    assert reference.threshold(1e-9)[1] == pytest.approx(1 / 4001)


def test_the_order_of_rows_changes_nothing(reference: AnomalyReference) -> None:
    rows, order = table(300, 30), np.random.default_rng(0).permutation(300)
    assert np.array_equal(reference.scores(rows.take(pa.array(order))), reference.scores(rows)[order])


def test_a_state_can_be_read_back(reference: AnomalyReference) -> None:
    again = AnomalyReference.of_state(reference.state())
    rows = table(300, 31)
    assert np.array_equal(again.scores(rows), reference.scores(rows))
    assert again.threshold(0.01) == reference.threshold(0.01)


def test_a_batch_may_lack_a_column_or_all_rows(reference: AnomalyReference) -> None:
    rows = table(50, 32)
    assert len(reference.scores(rows.drop_columns(["amount"]))) == 50
    assert reference.find(rows.slice(0, 0)).as_finding() is None


def test_few_reference_rows_are_refused() -> None:
    with pytest.raises(TooFewRows):
        AnomalyReference.of_rows(table(40, 0), rng=np.random.default_rng(0))


def test_scoring_is_quick(reference: AnomalyReference) -> None:
    rows = table(100_000, 33)
    begun = time.process_time()
    reference.scores(rows)
    assert 100_000 / (time.process_time() - begun) > 200_000


def test_a_count_is_judged_with_the_error_of_the_threshold() -> None:
    def found(odd: int, reference: int) -> bool:
        nothing = Interval(low=0.0, high=1.0, confidence=0.9)
        return AnomalousRows(
            rows=10_000, odd=odd, reference=reference, rate=0.001, share=nothing, worst=(), columns=()
        ).too_many

    assert found(40, 1_000_000 - 1)
    assert not found(40, 999)  # one reference row is beyond the threshold: the true rate may be several times as high


def test_a_constant_column_and_an_empty_one_are_no_trouble() -> None:
    constant = NumberRarity.of("x", np.full(200, 5.0))
    surprise = constant.of_values(pa.chunked_array([pa.array([5.0, 6.0, None])]))
    assert surprise[0] == 0
    assert surprise[1] > 3
    empty = NumberRarity.of("x", np.full(200, np.nan))
    assert empty.of_values(pa.chunked_array([pa.array([None, 1.0])])).tolist()[0] == 0


def test_a_new_level_is_no_surprise_among_names() -> None:
    names = pa.chunked_array([pa.array([f"n{k}" for k in range(300)])])
    assert LevelRarity.of("name", names).of_values(pa.chunked_array([pa.array(["someone"])]))[0] < 0.1


def test_pairs_that_are_merely_rare_are_not_missed() -> None:
    rng = np.random.default_rng(0)
    rows = pa.table(
        {"a": pa.array(rng.choice(["x", "y"], 60, p=[0.97, 0.03])), "b": pa.array(rng.choice(["u", "v"], 60))}
    )
    assert pairs_of(rows, ["a", "b"]) == []
