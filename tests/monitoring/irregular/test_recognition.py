from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.irregular.shops import START, batch, drawn, found, later, one, shop

from mlwright.data import infer_schema, summarise
from mlwright.monitoring.irregular import (
    KINDS,
    Batch,
    Feed,
    Habits,
    Irregularity,
    RecentBatches,
    Reference,
    learn_habits,
    recognise,
    treat,
)
from mlwright.monitoring.irregular.repairs import Rename, Scale, Swap
from mlwright.spec.sections import Irregular

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def where(rows: np.ndarray, changed: pl.Expr, name: str) -> Spoil:
    mask = pl.lit(pl.Series(rows))
    return lambda frame: frame.with_columns(pl.when(mask).then(changed).otherwise(pl.col(name)).alias(name))


EVERY_THIRD = np.arange(1000) % 3 == 0

WHOLE: dict[str, tuple[Spoil, str, tuple[str, ...]]] = {
    "dropped": (lambda f: f.drop("age"), "column_gone", ("age",)),
    "emptied": (lambda f: f.with_columns(city=pl.lit(None, pl.String)), "column_gone", ("city",)),
    "another name": (lambda f: f.rename({"spent": "amountSpent"}), "column_renamed", ("spent",)),
    "an unlike name": (lambda f: f.rename({"plan": "f7"}), "column_renamed", ("plan",)),
    "decimal commas": (
        lambda f: f.with_columns(pl.col("spent").cast(pl.String).str.replace(".", ",", literal=True)),
        "type_changed",
        ("spent",),
    ),
    "codes": (lambda f: f.with_columns(pl.col("plan").str.len_chars().cast(pl.String)), "type_changed", ("plan",)),
    "thousands": (lambda f: f.with_columns(pl.col("spent") * 1000), "unit_change", ("spent",)),
    "a thousandth": (lambda f: f.with_columns(pl.col("spent") / 1000), "unit_change", ("spent",)),
    "fahrenheit": (lambda f: f.with_columns(pl.col("celsius") * 1.8 + 32), "unit_change", ("celsius",)),
    "a turned sign": (lambda f: f.with_columns(-pl.col("age")), "unit_change", ("age",)),
    "mostly zeros": (lambda f: f.with_columns(pl.col("gain") * 1000), "unit_change", ("gain",)),
    "another currency": (lambda f: f.with_columns(pl.col("age") * 7.46), "unit_change", ("age",)),
    "two numbers swapped": (lambda f: f.rename({"age": "gain", "gain": "age"}), "columns_swapped", ("age", "gain")),
    "text and number": (lambda f: f.rename({"age": "city", "city": "age"}), "columns_swapped", ("age", "city")),
    "two texts swapped": (lambda f: f.rename({"plan": "city", "city": "plan"}), "columns_swapped", ("city", "plan")),
    "stuck number": (lambda f: f.with_columns(celsius=pl.lit(12.0)), "constant_column", ("celsius",)),
    "stuck text": (lambda f: f.with_columns(plan=pl.lit("Basic")), "constant_column", ("plan",)),
    "upper case": (lambda f: f.with_columns(pl.col("city").str.to_uppercase()), "levels_respelled", ("city",)),
    "cut": (lambda f: f.with_columns(pl.col("plan").str.slice(0, 4)), "text_cut", ("plan",)),
    "wrong encoding": (
        lambda f: f.with_columns(pl.col("city").str.replace("ü", "Ã¼", literal=True)),
        "encoding_damage",
        ("city",),
    ),
    "next decade": (lambda f: f.with_columns(pl.col("at").dt.offset_by("10y")), "impossible_dates", ("at",)),
    "twice": (lambda f: pl.concat([f, f]), "rows_repeated", ()),
}
SOME: dict[str, tuple[Spoil, str, tuple[str, ...]]] = {
    "missing": (where(EVERY_THIRD, pl.lit(None), "age"), "missing_burst", ("age",)),
    "a marker": (where(EVERY_THIRD, pl.lit(-999.0), "celsius"), "missing_marker", ("celsius",)),
    "thousands": (where(EVERY_THIRD, pl.col("age") * 1000, "age"), "unit_change", ("age",)),
    "a turned sign": (where(EVERY_THIRD, -pl.col("spent"), "spent"), "unit_change", ("spent",)),
    "1970": (where(EVERY_THIRD, pl.lit(datetime(1970, 1, 1)), "at"), "impossible_dates", ("at",)),  # noqa: DTZ001
    "new levels": (where(EVERY_THIRD, pl.lit("Quimble"), "city"), "new_levels", ("city",)),
    "lower case": (where(EVERY_THIRD, pl.col("plan").str.to_lowercase(), "plan"), "levels_respelled", ("plan",)),
}


@pytest.mark.parametrize("fault", WHOLE)
def test_a_fault_of_all_rows_is_called_by_its_name(fault: str) -> None:
    spoil, kind, columns = WHOLE[fault]
    assert found(spoil(later())) == [(kind, columns)]


@pytest.mark.parametrize("fault", SOME)
def test_a_fault_of_some_rows_is_called_by_its_name_and_its_rows_are_told(fault: str) -> None:
    spoil, kind, columns = SOME[fault]
    clean = later()
    only = one(spoil(clean))
    assert (only.kind, only.columns) == (kind, columns)
    assert only.rows is not None
    right = EVERY_THIRD | clean[columns[0]].is_null().to_numpy() if kind == "missing_burst" else EVERY_THIRD
    right = right & (clean[columns[0]].is_not_null().to_numpy() | (kind == "missing_burst"))
    assert (only.rows == right).mean() > 0.98
    assert only.count == only.rows.sum()


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("rows", [3, 200, 1500])
def test_of_clean_batches_nothing_is_said(seed: int, rows: int) -> None:
    assert found(later(rows, seed + 50)) == []


def test_of_three_rows_nothing_is_said_whatever_they_are() -> None:
    assert found(later(3).with_columns(pl.col("spent") * 1000, plan=pl.lit("Quimble"))) == []


def test_drift_is_not_a_unit() -> None:
    warmer = later().with_columns(pl.col("celsius") + 6, pl.col("spent") * 1.3, (pl.col("age") * 1.15).round(0))
    assert found(warmer) == []


def test_a_season_is_no_fault_where_habits_know_it() -> None:
    rng = np.random.default_rng(4)
    day = np.arange(20_000) / 50
    year = pl.DataFrame(
        {
            "season": np.array(["winter", "spring", "summer", "autumn"])[(day / 91).astype(int) % 4],
            "celsius": (10 - 15 * np.cos(day / 365 * 2 * np.pi) + rng.normal(0, 2, 20_000)).round(1),
        }
    )
    raw = year.to_arrow()
    schema = infer_schema(summarise(raw.to_batches()))
    typed = Batch.of_rows(raw, schema).typed
    summary = summarise(typed.combine_chunks().to_batches())
    known = Reference(schema, summary, learn_habits(typed, schema))
    unknown = Reference(schema, summary)
    for start in range(0, 19_000, 1000):
        week = Batch.of_rows(year[start : start + 350], schema)
        assert recognise(week, known) == ()
        assert recognise(week, unknown) == ()
    stuck = Batch.of_rows(year[5000:5350].with_columns(celsius=pl.lit(9.0)), schema)
    assert [fault.kind for fault in recognise(stuck, known)] == ["constant_column"]


def test_the_rule_of_a_fault_gives_the_true_values_back() -> None:
    clean = later()
    spoilt = clean.with_columns(pl.col("celsius") * 1.8 + 32)
    only = one(spoilt)
    assert isinstance(only.repair, Scale)
    assert only.rows is not None
    repaired = only.repair.apply(batch(spoilt), only.rows)
    assert np.allclose(repaired.numbers("celsius"), clean["celsius"].to_numpy())
    assert repaired.rows.column("celsius").to_pylist() == pytest.approx(clean["celsius"].to_list())


def test_an_estimated_factor_is_told_and_not_made_a_rule() -> None:
    rng = np.random.default_rng(3)
    amounts = np.exp(rng.normal(3, 0.4, 14_000))  # of which hardly two are equal
    frame = pl.DataFrame({"amount": amounts, "other": rng.random(14_000)})
    raw = frame[:12_000].to_arrow()
    schema = infer_schema(summarise(raw.to_batches()))
    typed = Batch.of_rows(raw, schema).typed.combine_chunks()
    reference = Reference(schema, summarise(typed.to_batches()), learn_habits(typed, schema))
    for factor in (7.46, 83.0):
        spoilt = Batch.of_rows(frame[12_000:].with_columns(pl.col("amount") * factor), schema)
        (fault,) = recognise(spoilt, reference)
        assert (fault.kind, fault.repair) == ("unit_change", None)
        assert fault.evidence["factor"] == pytest.approx(factor, rel=0.1)


def test_a_factor_that_brings_every_value_back_to_the_last_digit_is_a_rule() -> None:
    clean = later()
    only = one(clean.with_columns((pl.col("age") * 7.46).round(2)))
    assert isinstance(only.repair, Scale)
    assert only.repair.factor == pytest.approx(1 / 7.46, rel=1e-3)


def test_a_swap_and_a_new_name_have_their_rules() -> None:
    swapped = one(later().rename({"age": "gain", "gain": "age"}))
    assert swapped.repair == Swap(first="age", second="gain")
    renamed = one(later().rename({"spent": "amountSpent"}))
    assert renamed.repair == Rename(column="spent", source="amountSpent")


def test_two_faults_are_two_names() -> None:
    spoilt = later().with_columns(pl.col("spent") * 1000, pl.col("city").str.to_lowercase())
    assert found(spoilt) == [("unit_change", ("spent",)), ("levels_respelled", ("city",))]


def test_day_and_month_exchanged_are_told_among_dates_of_some_days() -> None:
    frame = pl.concat([drawn(400, 5, day=9), drawn(400, 6, day=13)])  # 10 March and 14 March
    at = frame["at"].dt.truncate("1s")
    turned = at.dt.strftime("%Y-%d-%m %H:%M:%S").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    exchanged = frame.with_columns(pl.when(at.dt.day() <= 12).then(turned).otherwise(at).alias("at"))
    only = one(exchanged)
    assert (only.kind, only.evidence["problem"]) == ("impossible_dates", "exchanged")
    assert only.repair is not None
    assert only.rows is not None
    repaired = only.repair.apply(batch(exchanged), only.rows)
    assert repaired.typed.column("at").to_pylist() == at.to_list()


def test_a_batch_that_comes_again_is_told_from_the_others() -> None:
    recent = RecentBatches()
    for seed in range(5):
        recent.remember(batch(later(300, seed + 10)))
    recent = RecentBatches.of_state(recent.state())
    again = one(later(300, 12), recent=recent)
    assert (again.kind, again.evidence["batches_ago"], again.count) == ("batch_repeated", 3, 300)
    assert found(later(300, 99), recent=recent) == []


def test_rows_that_are_alike_by_nature_are_not_repeated() -> None:
    rng = np.random.default_rng(2)
    frame = pl.DataFrame({"a": rng.choice(["x", "y"], 2000), "b": rng.choice(["u", "v", "w"], 2000)})
    schema = infer_schema(summarise(frame.to_arrow().to_batches()))
    known = Batch.of_rows(frame, schema)
    reference = Reference(
        schema, summarise(known.typed.combine_chunks().to_batches()), learn_habits(known.typed, schema)
    )
    recent = RecentBatches()
    for start in range(0, 1500, 300):
        piece = Batch.of_rows(frame[start : start + 300], schema)
        assert recognise(piece, reference, recent=recent) == ()
        recent.remember(piece)


def test_a_late_batch_is_late_only_for_its_feed() -> None:
    feed = Feed()
    for day in range(6):
        times = drawn(500, day, day=day)["at"].dt.epoch("us").to_numpy() / 1e6
        feed.learn_delay(START + timedelta(days=day, hours=13), times)
    frame = later(500)
    on_time, late = START + timedelta(days=14, hours=13), START + timedelta(days=19)
    assert recognise(batch(frame, arrived=on_time), shop(), feed=feed) == ()
    (only,) = recognise(batch(frame, arrived=late), shop(), feed=Feed.of_state(feed.state()))
    assert (only.kind, only.held) == ("late_batch", False)


def test_a_feed_that_stops_is_told_and_its_nights_are_not() -> None:
    feed, rng = Feed(), np.random.default_rng(3)
    for day in range(21):  # by day 30 rows an hour, at night none
        start = START + timedelta(days=day)
        hours = np.sort(rng.uniform(7, 22, 450))
        arrivals = np.datetime64(start.replace(tzinfo=None), "us") + (hours * 3.6e9).astype("timedelta64[us]")
        for hour in range(8):
            assert feed.stopped(start + timedelta(hours=hour)) is None
        feed.learn(arrivals, start, start + timedelta(days=1))
    night, morning = START + timedelta(days=21, hours=6), START + timedelta(days=21, hours=15)
    assert feed.stopped(night) is None
    stopped = feed.stopped(morning)
    assert stopped is not None
    assert (stopped.kind, stopped.level, stopped.rows) == ("stopped_feed", "page", None)
    assert Feed().stopped(morning) is None


def test_findings_carry_the_fault_without_a_value_of_a_row() -> None:
    finding = one(SOME["new levels"][0](later())).as_finding(since=START)
    assert (finding.kind, finding.level, finding.columns, finding.since) == ("new_levels", "warn", ("city",), START)
    assert finding.evidence["rows"] == 334
    assert "Quimble" not in finding.what + finding.advice + str(finding.evidence)
    assert one(later().drop("age")).as_finding().level == "page"


def test_states_come_back_as_they_were() -> None:
    habits = shop().habits
    assert habits is not None
    assert Habits.of_state(habits.state()) == habits
    only = one(later().with_columns(pl.col("spent") * 1000))
    assert Irregularity.of_state(only.state()).state() == only.state()


def test_the_spec_names_what_can_be_held() -> None:
    from typing import get_args

    assert set(get_args(Irregular)) == {name for name, kind in KINDS.items() if kind.held}


@given(factor=st.sampled_from([1000.0, 0.001, 100.0]), seed=st.integers(0, 20))
def test_repairing_a_unit_is_undone_by_its_inverse(factor: float, seed: int) -> None:
    frame = later(100, seed)
    rows = np.ones(100, dtype=bool)
    rule = Scale(column="spent", factor=factor, offset=3.0)
    there = rule.apply(batch(frame), rows)
    back = rule.inverse().apply(there, rows)
    assert np.allclose(back.numbers("spent"), frame["spent"].to_numpy())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_is_judged_and_each_row_is_accounted_for(seed: int) -> None:
    rng, rows = np.random.default_rng(seed), [0, 1, 20, 300][seed % 4]
    junk: list[Callable[[], pl.Series]] = [
        lambda: pl.Series([None] * rows, dtype=pl.Null),
        lambda: pl.Series([float("nan")] * rows, dtype=pl.Float64),
        lambda: pl.Series(rng.normal(size=rows) * 1e300),
        lambda: pl.Series(rng.integers(-(2**62), 2**62, rows)),
        lambda: pl.Series([[1, 2]] * rows, dtype=pl.List(pl.Int64)),
        lambda: pl.Series([b"x"] * rows, dtype=pl.Binary),
        lambda: pl.Series(["\ufffd" * (i % 7) for i in range(rows)], dtype=pl.String),
        lambda: pl.Series(["9999-12-31"] * rows, dtype=pl.String).str.to_date(),
    ]
    frame = later(rows, seed)
    for name in frame.columns:
        if rng.random() < 0.5:
            frame = frame.with_columns(junk[int(rng.integers(len(junk)))]().alias(name))
    whole = batch(frame)
    faults = recognise(whole, shop())
    made = treat(whole, faults)
    assert len(made.batch) + sum(len(held.batch) for held in made.held) == rows
    treat(whole, faults, dict.fromkeys(KINDS, "accept"))
