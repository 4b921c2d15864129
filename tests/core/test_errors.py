from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.core import DiskFull, MlwrightError, closest, quoted


def test_an_error_says_what_went_wrong_where_and_what_to_do() -> None:
    error = MlwrightError("column 'churnd' is not in the dataset", where="churn.yaml, data.target", fix="use 'churn'")
    assert str(error) == (
        "column 'churnd' is not in the dataset\n  where  churn.yaml, data.target\n  fix    use 'churn'"
    )
    assert error.exit_code == 2


def test_a_full_disk_names_the_file_and_how_to_go_on() -> None:
    error = DiskFull("runs/1/model.json")
    assert error.where == "runs/1/model.json"
    assert "nothing half-written" in error.what
    assert "free some space" in error.fix


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "'a'"),
        (["a", "b", "c", "d", "e"], "'a', 'b', 'c', 'd', 'e'"),
        (["a", "b", "c", "d", "e", "f"], "'a', 'b', 'c', 'd', 'e' and 1 more"),
        ([1, 2.5, True], "'1', '2.5', 'True'"),
    ],
)
def test_names_are_quoted_and_a_long_list_is_cut(names: list[object], text: str) -> None:
    assert quoted(names) == text


def test_names_may_come_from_an_iterator() -> None:
    assert quoted(iter("abc"), most=2) == "'a', 'b' and 1 more"


@pytest.mark.parametrize(
    ("name", "available", "advice"),
    [
        ("churnd", ["churn", "age"], "did you mean 'churn'?"),
        ("churn", ["churn_1", "churn_2", "age"], "did you mean 'churn_2' or 'churn_1'?"),
        ("CHURN", ["age", "churn"], "did you mean 'churn'?"),
        ("zzz", ["age", "sex"], "choose from 'age', 'sex'"),
        ("zzz", [], "there is none to choose from"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_ones_or_the_list(
    name: str, available: list[str], advice: str
) -> None:
    assert closest(name, available) == advice


def test_a_list_of_many_names_to_choose_from_is_cut_at_twelve() -> None:
    assert closest("zzz", [f"column {i}" for i in range(100)]).endswith("and 88 more")


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_a_name_that_exists_is_always_its_own_nearest(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert closest(name, names).startswith(f"did you mean {name!r}")
