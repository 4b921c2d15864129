import json
from importlib.resources import files
from typing import Any

import pytest

from mlwright.feasibility import load_learnt
from mlwright.feasibility.learnt import ErrorsUnreadable, Learnt


def _state() -> dict[str, Any]:
    state: dict[str, Any] = json.loads(
        files("mlwright.feasibility").joinpath("errors.json").read_text(encoding="utf-8")
    )
    return state


def test_the_table_that_is_shipped_says_where_it_comes_from_and_is_symmetric_enough_to_use() -> None:
    known = load_learnt()
    assert len(known.provenance) > 50
    for metric in ("roc_auc", "rmse", "log_loss"):
        quantiles = known.quantiles_of(metric)
        assert quantiles[0] < -1 < 1 < quantiles[-1]
        assert len(quantiles) == len(known.levels)
    assert set(known.budgets) == {"classes", "values"}


@pytest.mark.parametrize("damage", [{"format_version": 99}, {"levels": [0.5, 0.1]}, {"quantiles": {"all": [1.0, 0.0]}}])
def test_a_damaged_table_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ErrorsUnreadable, match="cannot be used"):
        Learnt.of_state({**_state(), **damage})
