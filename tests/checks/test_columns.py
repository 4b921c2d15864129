from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.checks.tables import CLEAN, checked, noticed
from tests.support import mixed_frame, shared_table

from mlwright.checks import CheckReport

ROWS = 600


def beside(**columns: Any) -> pl.DataFrame:
    """The mixed table without its id, with further columns."""
    return mixed_frame(ROWS).drop("customer_id").with_columns(**{name: pl.Series(v) for name, v in columns.items()})


def of(report: CheckReport, check: str, column: str) -> Any:
    return next(result for result in report.of(check) if result.column == column)


@pytest.mark.parametrize("table", CLEAN)
def test_clean_tables_are_left_in_peace(table: str) -> None:
    make, target = CLEAN[table]
    data = {"id": "customer_id"} if table == "mixed" else {}
    report = checked(make(), target, "missing", "unreadable", "left_out", "rare_levels", "personal_data", data=data)
    assert [result for result in report if result.status != "pass"] == []


# -------------------------------------------------------------------------------------------------- missing, unreadable


def test_a_column_that_is_mostly_missing_is_named_and_the_rest_is_counted() -> None:
    rng = np.random.default_rng(0)
    mostly = [None if rng.random() < 0.7 else float(i) for i in range(ROWS)]
    report = checked(beside(mostly=mostly, half=[None, 1.5] * (ROWS // 2)), "bought", "missing")
    assert noticed(report, "missing") == ["mostly"]
    assert of(report, "missing", "mostly").evidence["share"] == pytest.approx(0.7, abs=0.05)
    (total,) = [result for result in report.of("missing") if result.column is None]
    assert total.evidence["columns"] == 4  # with age and city
    assert "(mostly)" in total.what


def test_values_that_cannot_be_read_are_counted() -> None:
    values = [f"{i}.5" if i % 20 else "call the office" for i in range(ROWS)]
    report = checked(beside(amount=values), "bought", "unreadable")
    assert noticed(report, "unreadable") == ["amount"]
    assert of(report, "unreadable", "amount").evidence == {"values": 30}
    assert "data.columns.amount" in of(report, "unreadable", "amount").advice


def test_infinite_numbers_count_as_unreadable() -> None:
    x = np.random.default_rng(0).normal(size=ROWS)
    x[[3, 5]] = [np.inf, -np.inf]
    assert of(checked(beside(x=x), "bought", "unreadable"), "unreadable", "x").evidence == {"values": 2}


def test_a_number_made_of_nines_far_above_the_others_is_asked_about() -> None:
    x = np.random.default_rng(0).normal(100, 10, ROWS)
    x[::50] = 99999
    report = checked(beside(x=x), "bought", "unreadable")
    assert noticed(report, "unreadable") == ["x"]
    assert of(report, "unreadable", "x").evidence["value"] == 99999
    assert "data.columns.x.missing: [99999]" in of(report, "unreadable", "x").advice


# ------------------------------------------------------------------------------------------------ constants, identifiers


def test_constants_and_identifiers_are_left_out_and_said() -> None:
    report = checked(beside(country=["CH"] * ROWS, number=[f"N-{i:05d}" for i in range(ROWS)]), "bought", "left_out")
    (constants,), (identifiers,) = report.of("constants"), report.of("identifiers")
    assert (constants.status, constants.what) == ("pass", "1 left out: country")
    assert (identifiers.status, identifiers.what) == ("pass", "1 left out: number")


def test_a_category_that_nearly_names_the_row_is_warned_of() -> None:
    streets = [f"street {i}" for i in np.random.default_rng(0).integers(0, 900, ROWS)]
    report = checked(beside(street=streets), "bought", "left_out")
    assert noticed(report, "identifiers") == ["street"]
    assert of(report, "identifiers", "street").evidence["levels_per_row"] == pytest.approx(0.76, abs=0.06)


# --------------------------------------------------------------------------------------------------------------- outliers


@pytest.mark.parametrize("shape", ["normal", "lognormal", "left tail", "uniform", "with zeros", "integers"])
def test_the_shape_of_a_column_is_no_outlier(shape: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = {
            "normal": rng.normal(size=ROWS),
            "lognormal": rng.lognormal(0, 1.5, ROWS),
            "left tail": -rng.lognormal(0, 1.5, ROWS),
            "uniform": rng.random(ROWS),
            "with zeros": np.where(rng.random(ROWS) < 0.2, 0.0, rng.lognormal(3, 1, ROWS)),
            "integers": rng.poisson(40, ROWS),
        }[shape]
        assert noticed(checked(beside(x=x), "bought", "outliers"), "outliers") == []


@pytest.mark.parametrize(("shape", "slip"), [("normal", 1e4), ("normal", -1e4), ("lognormal", 1e9), ("huge", 1e300)])
def test_a_slipped_digit_is_found(shape: str, slip: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.lognormal(0, 1, ROWS) if shape == "lognormal" else rng.normal(50, 10, ROWS)
    x[:2] = slip
    report = checked(beside(x=x), "bought", "outliers", split={"test_share": 0.05})
    assert noticed(report, "outliers") == ["x"]
    assert of(report, "outliers", "x").evidence["furthest"] == slip
    assert of(report, "outliers", "x").evidence["values"] in {1, 2}


# ------------------------------------------------------------------------------------------------------------ rare levels


def test_levels_that_only_test_rows_have_are_noticed() -> None:
    frame = beside(at=list(range(ROWS)), shop=[f"shop {i // 60}" for i in range(ROWS)])
    report = checked(frame, "bought", "rare_levels", data={"time": "at"})
    assert noticed(report, "rare_levels") == ["shop"]
    assert of(report, "rare_levels", "shop").evidence["unseen_share"] == 1.0
    (total,) = [result for result in report.of("rare_levels") if result.column is None]
    assert total.evidence["largest_unseen_share"] == 1.0


def test_rare_levels_are_counted_and_missing_is_no_level() -> None:
    levels = ["common"] * (ROWS - 12) + ["rare"] * 6 + [None] * 6
    (total,) = checked(beside(level=levels), "bought", "rare_levels").of("rare_levels")
    assert total.status == "pass"
    assert total.evidence == {"columns": 1, "largest_unseen_share": 0.0}


# ----------------------------------------------------------------------------------------------------------- personal data


def repeated(pattern: str, levels: int = 200) -> list[str]:
    """Texts of a pattern, each in several rows, so that the column is no identifier."""
    return [pattern.format(1000 + i % levels) for i in range(ROWS)]


PERSONAL = {
    "contact": repeated("someone{}@example.org"),
    "reach_at": repeated("+41 44 123 {}"),
    "call": repeated("(555) 123-{}"),
    "account": repeated("CH93 0076 2011 6238 5295 {}"),
    "seen_from": [f"10.0.{i % 200}.7" for i in range(ROWS)],
    "social": [f"{100 + i % 200}-12-3456" for i in range(ROWS)],
    "card": repeated("4111-1111-1111-{}"),
    "full_name": [f"Ada Lovelace the {i % 200}th" for i in range(ROWS)],
    "lastName": [f"Müller {i % 200}" for i in range(ROWS)],
    "e_mail": [f"hidden {i % 200}" for i in range(ROWS)],
    "home_address": [f"Main street {i % 200}" for i in range(ROWS)],
}


@pytest.mark.parametrize("column", PERSONAL)
def test_personal_data_is_noticed_by_its_values_or_its_name(column: str) -> None:
    report = checked(beside(**{column: PERSONAL[column]}), "bought", "personal_data")
    assert noticed(report, "personal_data") == [column]
    assert f"data.{'must_not_use'}" in of(report, "personal_data", column).advice


@pytest.mark.parametrize(
    "columns",
    [
        {"product_name": [f"product {i % 20}" for i in range(ROWS)]},
        {"named": [f"level {i % 200}" for i in range(ROWS)]},
        {"phonetic": [f"level {i % 200}" for i in range(ROWS)]},
        {"version": repeated("1.0.{}")},
        {"note": [f"see a@b.ch {i}" if i % 9 == 0 else f"nothing {i}" for i in range(ROWS)]},
        {"ratio": np.random.default_rng(0).random(ROWS)},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_what_only_resembles_personal_data_is_left_in_peace(columns: dict[str, Any]) -> None:
    report = checked(beside(**columns), "bought", "personal_data")
    assert noticed(report, "personal_data") == []


def test_personal_data_that_is_no_feature_or_named_as_sensitive_is_no_warning() -> None:
    frame = beside(mail=[f"p{i}@example.org" for i in range(ROWS)], phone=repeated("+41 44 123 {}"))
    report = checked(frame, "bought", "personal_data", data={"must_not_use": ["phone"]})
    assert noticed(report, "personal_data") == []
    assert {result.column for result in report.of("personal_data")} == {"mail", "phone"}
    assert all("(not a feature)" in result.what for result in report)
    named = checked(frame, "bought", "personal_data", data={"sensitive": ["phone"]})
    assert {result.column for result in named.of("personal_data")} == {"mail"}


def test_the_names_of_real_passengers_are_noticed() -> None:
    path, entry = shared_table("titanic")
    frame = pl.read_parquet(path)
    (name,) = [column for column in frame.columns if "name" in column.lower()]
    assert name in noticed(checked(frame, entry["target"], "personal_data"), "personal_data")
