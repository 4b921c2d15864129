import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.feasibility import compare_with_corpus, load_learnt


def test_a_table_inside_the_usual_range_is_left_alone() -> None:
    known = load_learnt()
    usual = {name: (low + high) / 2 for name, (low, high) in known.corpus.items()}
    found = compare_with_corpus(usual)
    assert (found.distance, found.factor, found.unusual) == (0.0, 1.0, ())


def test_what_is_unusual_is_said() -> None:
    low, high = load_learnt().corpus["log10_columns"]
    found = compare_with_corpus({"log10_columns": high + (high - low)})
    assert found.distance == pytest.approx(1)
    assert found.factor > 1
    assert found.unusual == ("has more columns",)


@given(a=st.floats(-20, 20), b=st.floats(-20, 20))
def test_further_away_is_never_narrower(a: float, b: float) -> None:
    known = load_learnt()
    low, high = known.corpus["log10_rows"]
    middle = (low + high) / 2
    near, far = sorted((a, b), key=abs)
    near_factor, far_factor = (compare_with_corpus({"log10_rows": middle + one}).factor for one in (near, far))
    assert 1 <= near_factor <= far_factor <= known.most
