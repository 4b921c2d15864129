from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.made import Made, made
from tests.models.problems import TASKS
from tests.support import shared_table

import mlwright
from mlwright.data import ColumnNotFound, Schema
from mlwright.features import FieldMissing, FieldUnfamiliar, FieldWrong, RecordInvalid
from mlwright.models import (
    Answer,
    Calibration,
    DecisionRule,
    Model,
    OutcomeWorth,
    Predictions,
    Scorer,
    Spread,
    add_document,
)
from mlwright.models.answering import calibrated_one, calibrated_several, interval_of
from mlwright.spec import Spec, Task

every_task = pytest.mark.parametrize("task", TASKS)
FAMILIES = ("linear", "lightgbm", "catboost", "xgboost", "constant")


def agrees(answer: Answer | dict[str, Any], row: dict[str, Any]) -> None:
    """An answer, or one that was JSON, and a row of what `Model.predict` answers."""
    given: dict[str, Any] = msgspec.to_builtins(answer)
    expected = row["prediction"]
    if isinstance(expected, float):
        assert given["prediction"] == pytest.approx(expected, rel=1e-9)
        assert given["interval_low"] == pytest.approx(row["interval_low"], rel=1e-9)
        assert given["interval_high"] == pytest.approx(row["interval_high"], rel=1e-9)
        return
    assert given["prediction"] == expected
    assert given["probabilities"] == pytest.approx(
        {name.removeprefix("probability_"): share for name, share in row.items() if name != "prediction"}, abs=1e-12
    )


def answer_in_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of Arrow as an answer."""
    shares = {name.removeprefix("probability_"): share for name, share in row.items() if name.startswith("probability")}
    return row | {"probabilities": shares}


def rows_of(predictions: Predictions) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = predictions.to_table().to_pylist()
    return rows


@every_task
@pytest.mark.parametrize("families", [("lightgbm",), ("linear", "lightgbm"), FAMILIES], ids=len)
def test_records_json_and_batches_get_the_answers_of_the_model_also_after_it_was_saved(
    task: Task, families: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip("xgboost")
    model, frame, _ = made(task, families)
    model.save(tmp_path / "model")
    expected = rows_of(model.predict(frame))
    records = frame.to_dicts()
    for scorer in (Scorer(model), Scorer.load(tmp_path / "model")):
        for record, row in zip(records[:40], expected, strict=False):
            agrees(scorer.answer(record), row)
            agrees(json.loads(scorer.answer_json(json.dumps(record).encode())), row)
        for few_or_many in (3, len(records)):
            answers = scorer.answers(records[:few_or_many])
            in_json = json.loads(scorer.answer_json(json.dumps(records[:few_or_many]).encode()))
            assert len(answers) == len(in_json) == few_or_many
            for one, other, row in zip(answers, in_json, expected, strict=False):
                agrees(one, row)
                agrees(other, row)
        for one, row in zip(scorer.score(frame.to_arrow()).to_pylist(), expected, strict=True):
            agrees(answer_in_row(one), row)


@pytest.mark.parametrize("name", ["adult_income", "nyc_taxis"])
def test_records_of_real_tables_get_the_answers_of_the_model(name: str, tmp_path: Path) -> None:
    """What a whole search assembles: several views, a learned schema, a calibration that was chosen."""
    path, entry = shared_table(name)
    frame = pl.read_parquet(path)[:3000]
    frame.write_parquet(tmp_path / "rows.parquet")
    spec = Spec.of(
        {"data": {"source": "rows.parquet", "target": entry["target"]}, "budget": {"seconds": 20, "trials": 3}}
    )
    model = mlwright.run(spec.at(tmp_path)).model
    scorer = Scorer(model)
    rows = frame.drop(entry["target"])[:200]
    for record, row in zip(rows.to_dicts(), rows_of(model.predict(rows)), strict=True):
        agrees(scorer.answer(record), row)


@every_task
def test_a_batch_is_answered_by_a_batch_and_a_table_by_a_table(task: Task) -> None:
    model, frame, _ = made(task)
    scorer, table = Scorer(model), frame.to_arrow()
    (batch,) = table.combine_chunks().to_batches()
    assert isinstance(scorer.score(batch), pa.RecordBatch)
    assert isinstance(scorer.score(table), pa.Table)
    assert scorer.score(batch).schema == scorer.score(table).schema == model.predict(frame).to_table().schema
    for nothing in (batch.slice(0, 0), table.slice(0, 0)):
        assert scorer.score(nothing).num_rows == 0
        assert scorer.score(nothing).schema == scorer.score(table).schema
    with pytest.raises(ColumnNotFound):
        scorer.score(table.drop_columns([model.features[0]]))


def test_a_value_that_cannot_be_read_is_missing_in_a_batch_and_an_error_in_a_record() -> None:
    model, frame, _ = made("binary")
    odd = frame.with_columns(age=pl.lit("not an age"))
    scorer = Scorer(model)
    assert scorer.score(odd.to_arrow()).to_pylist() == model.predict(odd).to_table().to_pylist()
    with pytest.raises(FieldWrong, match="'age'"):
        scorer.answer(odd.to_dicts()[0])


def test_an_answer_is_small_json_of_what_applies_to_its_task() -> None:
    model, frame, _ = made("binary")
    answer = json.loads(Scorer(model, version="v7").answer_json(json.dumps(frame.to_dicts()[0]).encode()))
    assert set(answer) == {"prediction", "probabilities", "version"}
    assert set(answer["probabilities"]) == {"no", "yes"}
    assert answer["version"] == "v7"
    value, rows, _ = made("regression")
    answer = json.loads(Scorer(value).answer_json(json.dumps(rows.to_dicts()[0]).encode()))
    assert set(answer) == {"prediction", "interval_low", "interval_high"}
    bare = Scorer(replace(value, spread=None)).answers(rows.to_dicts())
    assert {(one.interval_low, one.interval_high) for one in bare} == {(None, None)}


def test_the_version_is_of_what_answers_not_of_the_documents_about_it(tmp_path: Path) -> None:
    model, frame, _ = made("binary")
    model.save(tmp_path / "a")
    first = Scorer.load(tmp_path / "a")
    add_document(tmp_path / "a", "card.md", "# A card")
    assert first.version == Scorer.load(tmp_path / "a").version == first.answer(frame.to_dicts()[0]).version != ""
    replace(model, rule=DecisionRule(threshold=0.41)).save(tmp_path / "b")
    assert Scorer.load(tmp_path / "b").version != first.version


@every_task
def test_threads_share_a_scorer(task: Task) -> None:
    model, frame, _ = made(task, FAMILIES[:2])
    scorer, records = Scorer(model), frame.to_dicts()[:60]
    expected = [scorer.answer(record) for record in records]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [scorer.answer(record) for record in records], range(16)))
    assert all(one == expected for one in found)


# ------------------------------------------------------------------------------------------------ calibration, decision

_probability = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, 1e-7, 1e-6, 1 - 1e-6])
_slope = st.floats(0, 8)
MAPS = (
    st.just(Calibration())
    | _slope.map(lambda a: Calibration(method="temperature", values=(a,)))
    | st.tuples(_slope, st.floats(-9, 9)).map(lambda values: Calibration(method="platt", values=values))
    | st.tuples(_slope, _slope, st.floats(-9, 9)).map(lambda values: Calibration(method="beta", values=values))
)


@given(calibration=MAPS, p=_probability)
def test_one_probability_is_calibrated_as_many_are(calibration: Calibration, p: float) -> None:
    assert calibrated_one(calibration)(p) == pytest.approx(calibration.apply(np.array([p]))[0], rel=1e-11, abs=1e-13)


@given(temperature=st.none() | st.floats(0.05, 20), parts=st.lists(_probability, min_size=3, max_size=6))
def test_one_row_of_several_classes_is_calibrated_as_many_are(temperature: float | None, parts: list[float]) -> None:
    calibration = Calibration() if temperature is None else Calibration(method="temperature", values=(temperature,))
    expected = calibration.apply(np.array([parts]))[0].tolist()
    assert calibrated_several(calibration)(parts) == pytest.approx(expected, rel=1e-11, abs=1e-13)


@given(value=st.floats(-10, 10) | st.sampled_from([0.0, 1.0]))
def test_the_interval_around_one_value_is_that_of_many(value: float) -> None:
    spread = Spread(edges=(0.0, 1.0), below=(-1.0, -2.0, -3.0), above=(0.5, 1.5, 2.5), coverage=0.9)
    low, high = spread.interval(np.array([value]))
    assert interval_of(spread)(value) == {"interval_low": low[0], "interval_high": high[0]}


def test_a_decision_that_reads_columns_is_taken_by_them() -> None:
    model, frame, _ = made("binary")
    outcomes = OutcomeWorth.of_state(
        {
            "true_positive": {"worth": "visits * 2", "mean": 5.0},
            "false_positive": {"worth": "0 - age / 10", "mean": -5.0},
            "false_negative": {"worth": "0", "mean": 0.0},
            "true_negative": {"worth": "0", "mean": 0.0},
        }
    )
    by_row = replace(model, rule=DecisionRule(threshold=0.5, outcomes=outcomes))
    scorer, expected = Scorer(by_row), rows_of(by_row.predict(frame))
    assert expected != rows_of(replace(model, rule=DecisionRule(threshold=0.5)).predict(frame))
    for record, row in zip(frame.to_dicts()[:100], expected, strict=False):
        agrees(scorer.answer(record), row)
    for answer, row in zip(scorer.answers(frame.to_dicts()), expected, strict=True):
        agrees(answer, row)


# ------------------------------------------------------------------------------------------------- what comes in


def learned(of: Made) -> Model:
    """The model with what the training rows had in its schema, as the search leaves it."""
    from mlwright.search.assembly import learned_schema

    return replace(of.model, schema=learned_schema(of.model.schema, of.model.reference))


def test_what_training_rows_did_not_have_is_answered_as_by_the_model_and_counted() -> None:
    case = made("binary")
    scorer = Scorer(learned(case))
    odd = case.frame.to_dicts()[0] | {"city": "Atlantis", "visits": 10**6, "age": None}
    agrees(scorer.answer(odd), rows_of(case.model.predict(pl.DataFrame([odd])))[0])
    assert scorer.irregularities.by_column("unseen") == {"city": 1}
    assert scorer.irregularities.by_column("out_of_range") == {"visits": 1}
    assert scorer.irregularities.by_column("missing") == {"age": 1}
    scorer.score(pa.Table.from_pylist([odd, odd]))
    assert scorer.irregularities.by_column("unseen") == {"city": 3}
    strict = Scorer(learned(case), strict=True)
    for ask in (strict.answer, lambda record: strict.score(pa.Table.from_pylist([record]))):
        with pytest.raises(FieldUnfamiliar):
            ask(odd)


def test_a_record_that_lacks_a_field_or_is_of_another_type_is_refused_and_the_scorer_goes_on() -> None:
    case = made("binary")
    scorer, record = Scorer(learned(case)), case.frame.to_dicts()[0]
    before = scorer.answer(record)
    with pytest.raises(FieldMissing, match="'visits'"):
        scorer.answer({name: value for name, value in record.items() if name != "visits"})
    with pytest.raises(FieldWrong, match="'visits'"):
        scorer.answer_json(json.dumps(record | {"visits": ["many"]}).encode())
    with pytest.raises(RecordInvalid, match="record 1 of 2"):
        scorer.answers([record, {}])
    assert scorer.answer(record | {"something": object()}) == before


def test_scoring_leaves_the_record_alone() -> None:
    model, frame, _ = made("binary")
    record = frame.to_dicts()[0]
    kept = dict(record)
    Scorer(model).answer(record, reasons=2)
    assert record == kept


# ---------------------------------------------------------------------------------------------------------- reasons


@every_task
def test_reasons_say_how_far_the_answer_moves_from_the_one_with_a_typical_value(task: Task) -> None:
    model, frame, _ = made(task)
    scorer, records = Scorer(model), frame.to_dicts()
    for record in records[:5]:
        answer = scorer.answer(record, reasons=3)
        assert 1 <= len(answer.reasons) <= 3
        sizes = [abs(reason.effect) for reason in answer.reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert msgspec.structs.replace(answer, reasons=()) == scorer.answer(record)
        for reason in answer.reasons:
            column = model.schema[reason.column]
            if not column.is_number:
                continue
            median = float(model.reference[column.name].numbers.grid.quantiles(np.array([0.5]))[0])  # type: ignore[union-attr]
            typical = round(median) if column.type == "integer" else median
            assert reason.effect == pytest.approx(
                _explained(answer, answer) - _explained(scorer.answer(record | {column.name: typical}), answer),
                abs=1e-9,
            )


def _explained(answer: Answer, of: Answer) -> float:
    if answer.probabilities is None:
        assert isinstance(answer.prediction, float)
        return answer.prediction
    return answer.probabilities["yes" if "yes" in answer.probabilities else str(of.prediction)]


def test_a_record_that_is_typical_throughout_has_no_reasons() -> None:
    model, _, _ = made("regression")
    typical = {
        name: float(model.reference[name].numbers.grid.quantiles(np.array([0.5]))[0])  # type: ignore[union-attr]
        for name in model.features
    }
    assert Scorer(model).answer(typical, reasons=5).reasons == ()


def test_the_column_that_the_target_was_made_of_is_the_first_reason() -> None:
    """`made("binary")`: a purchase depends on age, visits and the city, and not on the words of the review."""
    model, frame, _ = made("binary")
    answers = Scorer(model).answers(frame.to_dicts()[:100], reasons=1)
    first = [answer.reasons[0].column for answer in answers if answer.reasons]
    assert sum(name in {"age", "visits", "city"} for name in first) > 0.7 * len(first)


def test_a_column_that_is_mostly_missing_is_typically_missing() -> None:
    model, frame, _ = made("binary")
    age = replace(model.reference["age"], nulls=model.reference["age"].rows)
    reference = replace(model.reference, columns={**model.reference.columns, "age": age})
    record = next(record for record in frame.to_dicts() if record["age"] is not None)
    scorer = Scorer(replace(model, reference=reference))
    effects = {reason.column: reason.effect for reason in scorer.answer(record, reasons=9).reasons}
    without = scorer.answer(record | {"age": None}).probabilities
    whole = scorer.answer(record).probabilities
    assert without is not None
    assert whole is not None
    assert effects.get("age", 0.0) == pytest.approx(whole["yes"] - without["yes"], abs=1e-12)


# ------------------------------------------------------------------------------------------------------- odd models


def test_classes_that_are_numbers_or_truth_values_come_back_as_they_are() -> None:
    model, frame, _ = made("binary")
    record = frame.to_dicts()[0]
    for classes, names in (((0, 1), {"0", "1"}), ((False, True), {"false", "true"}), ((0.0, 1.5), {"0", "1.5"})):
        answer = Scorer(replace(model, classes=classes)).answer(record)
        assert answer.prediction in classes
        assert type(answer.prediction) is type(classes[0])
        assert answer.probabilities is not None
        assert set(answer.probabilities) == names


def test_a_column_whose_name_looks_like_code_is_scored_like_any_other(tmp_path: Path) -> None:
    evil = 'x"); import os; os._exit(1)\n#'
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=300)
    frame = pl.DataFrame(
        {evil: numbers, "'\\": rng.choice(["a", "b"], 300), "y": np.where(numbers + rng.normal(size=300) > 0, "p", "q")}
    )
    spec = Spec.of({"data": {"source": "-", "target": "y"}, "budget": {"seconds": 10, "trials": 2}})
    model = mlwright.run(spec.at(tmp_path), frame=frame).model
    scorer = Scorer(model)
    for record, row in zip(frame.to_dicts()[:20], rows_of(model.predict(frame)), strict=False):
        agrees(scorer.answer(record), row)
        agrees(json.loads(scorer.answer_json(json.dumps(record).encode())), row)


def test_the_scorer_is_a_public_name() -> None:
    assert mlwright.Scorer is Scorer


def test_a_model_without_columns_answers_any_record() -> None:
    model, _, _ = made("binary", ("constant",))
    empty = {view: replace(encoder, steps=()) for view, encoder in model.encoders.items()}
    scorer = Scorer(replace(model, schema=Schema(()), encoders=empty))
    assert scorer.answer({}) == scorer.answer({"a": 1})
    (one,) = json.loads(scorer.answer_json(b"[{}]"))
    assert math.isclose(sum(one["probabilities"].values()), 1.0)
