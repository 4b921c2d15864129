from hypothesis import given
from hypothesis import strategies as st

from mlwright.feasibility import MoreRows
from mlwright.feasibility.more_rows import more_rows

_ORDER = ["< 2x", "2-5x", "5-20x", "more rows will not do"]


def _found(probabilities: tuple[float, float, float], now: float = 0.1) -> MoreRows | None:
    of = dict(zip((2.0, 5.0, 20.0), probabilities, strict=True))
    return more_rows(of.__getitem__, now, rows=1000, price=0.5, currency="euro")


def test_the_first_bucket_that_likely_does_is_named_with_its_price() -> None:
    found = _found((0.3, 0.6, 0.9))
    assert found is not None
    assert (found.bucket, found.fewest, found.most) == ("2-5x", 1000, 4000)
    assert (found.least_price, found.most_price, found.currency) == (500.0, 2000.0, "euro")


def test_where_nothing_helps_there_is_no_price() -> None:
    found = _found((0.1, 0.2, 0.3))
    assert found is not None
    assert (found.bucket, found.fewest, found.least_price) == ("more rows will not do", None, None)


def test_where_it_is_likely_already_only_near_certainty_is_worth_rows() -> None:
    assert _found((0.6, 0.7, 0.8), now=0.55) is None
    found = _found((0.6, 0.92, 0.95), now=0.55)
    assert found is not None
    assert found.bucket == "2-5x"


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted), st.floats(0, 0.3))
def test_a_harder_demand_never_takes_fewer_rows(probabilities: list[float], harder: float) -> None:
    a, b, c = probabilities
    easy, hard = _found((a, b, c)), _found((max(a - harder, 0.0), max(b - harder, 0.0), max(c - harder, 0.0)))
    assert easy is not None
    assert hard is not None
    assert _ORDER.index(hard.bucket) >= _ORDER.index(easy.bucket)
