"""Columns that are left out and can be told from the others all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.checks.tables import checked
from tests.support import mixed_frame, shared_table

from mlwright.checks import CheckResult


def found(frame: pl.DataFrame, target: str, **data: Any) -> dict[str | None, CheckResult]:
    return {result.column: result for result in checked(frame, target, "proxies", data=data)}


def adult(rows: int) -> tuple[pl.DataFrame, str]:
    path, entry = shared_table("adult_income")
    frame = pl.read_parquet(path)
    noise = np.random.default_rng(0).choice(["a", "b"], frame.height)
    return frame.with_columns(noise=pl.Series(noise)).sample(rows, seed=0), entry["target"]


def test_the_sex_of_a_person_is_told_by_other_columns_and_a_column_of_noise_is_not() -> None:
    frame, target = adult(4000)
    told = found(frame, target, must_not_use=["noise"], sensitive=["sex"]) | found(frame, target, must_not_use=["sex"])
    sex, noise = told["sex"], told["noise"]
    assert sex.status == "warn"
    assert 0.88 < float(str(sex.evidence["auc"])) < 0.97
    assert "alone.relationship" in sex.evidence
    assert "most of all relationship (0.8" in sex.what
    assert "data.must_not_use" in sex.advice
    assert "sensitive" in sex.advice
    assert noise.status == "pass"
    assert float(str(noise.evidence["low"])) < 0.5 < float(str(noise.evidence["high"])) + 0.05


def planted(rows: int = 700) -> pl.DataFrame:
    """`copy` is `age` with some noise, `town` is `city` in other words; `pure` has to do with nothing."""
    rng = np.random.default_rng(1)
    frame = mixed_frame(rows)
    return frame.with_columns(
        copy=pl.col("age") + pl.Series(rng.normal(0, 4, rows)),
        town=pl.col("city").replace({"Paris": "P", "Rome": "R", "Oslo": "O", "Bern": "B"}),
        pure=pl.Series(rng.normal(size=rows)),
    )


def test_a_number_and_a_category_of_several_levels_are_told_too() -> None:
    told = found(planted(), "bought", id="customer_id", must_not_use=["copy", "town", "pure"])
    assert {name: one.status for name, one in told.items()} == {"copy": "warn", "town": "warn", "pure": "pass"}
    assert "age (" in told["copy"].what
    assert "city (" in told["town"].what
    assert float(str(told["copy"].evidence["r2"])) > 0.8
    assert float(str(told["town"].evidence["auc"])) > 0.95


def test_the_target_is_not_asked_and_features_are_not_looked_for() -> None:
    """A copy of the target is told by the target only; a sensitive column that is a feature hides nothing."""
    frame = planted().with_columns(answer=pl.col("bought"))
    told = found(frame, "bought", id="customer_id", must_not_use=["answer"], sensitive=["city"])
    assert set(told) == {"answer"}
    assert float(str(told["answer"].evidence["auc"])) < 0.9


def test_without_such_columns_nothing_is_said() -> None:
    assert found(planted(300), "bought", id="customer_id") == {}


@pytest.mark.parametrize(
    "values",
    [["same"] * 300, [f"name {i}" for i in range(300)], ["x", *[None] * 299]],
    ids=["constant", "names", "nearly empty"],
)
def test_what_cannot_be_told_says_so(values: list[Any]) -> None:
    frame = mixed_frame(300).with_columns(odd=pl.Series(values))
    (one,) = found(frame, "bought", id="customer_id", must_not_use=["odd"]).values()
    assert one.status == "pass"
    assert one.what.startswith("odd is left out")


def test_the_same_seed_finds_the_same() -> None:
    one, other = (found(planted(300), "bought", id="customer_id", must_not_use=["copy"]) for _ in range(2))
    assert one == other
