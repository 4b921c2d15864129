from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.monitoring.irregular.shops import START, batch, later, shop

from mlwright.core import MlwrightError
from mlwright.data import Column, Schema
from mlwright.monitoring.irregular import (
    Batch,
    Policy,
    Quarantine,
    RepairUnknown,
    Treated,
    recognise,
    repair_of_state,
    treat,
)
from mlwright.monitoring.irregular.repairs import REPAIRS, MapLevels, Scale
from mlwright.predictions import PredictionLog, erase, read_window, seal_segments
from mlwright.predictions.store import Store
from mlwright.spec import PredictionLogging, Spec

NOW = START + timedelta(days=16)
OUTPUT = Schema((Column(name="prediction", type="category"),))
BAD = np.arange(600) % 3 == 0


def spoilt(rows: int = 600) -> pl.DataFrame:
    """Every third row is in thousandths; every sixth has an unknown city as well."""
    bad = pl.lit(pl.Series(BAD[:rows]))
    both = pl.lit(pl.Series(np.arange(rows) % 6 == 0))
    return later(rows).with_columns(
        pl.when(bad).then(pl.col("age") * 1000).otherwise(pl.col("age")).alias("age"),
        pl.when(both).then(pl.lit("Quimble")).otherwise(pl.col("city")).alias("city"),
    )


def treated(policy: Policy | None = None, frame: pl.DataFrame | None = None) -> Treated:
    made = batch(spoilt() if frame is None else frame)
    return treat(made, recognise(made, shop()), policy)


def reasons(made: Treated) -> set[tuple[str, ...]]:
    return {tuple(sorted(reason.kind for reason in held.reasons)) for held in made.held}


def logged(folder: Path, frame: pl.DataFrame) -> pa.Table:
    """The rows as a prediction log has them."""
    schema = shop().schema
    log = PredictionLog.open(
        folder, PredictionLogging(), worker="0", input_schema=schema, output_schema=OUTPUT, sealing=False
    )
    for number, row in enumerate(frame.rows(named=True)):
        given = json.dumps(row, default=str).encode()
        log.append(str(number), int(NOW.timestamp() * 1e9) + number, "1", given, b'{"prediction": "no"}')
    log.close()
    seal_segments(folder / "segments", folder)
    return read_window(folder).read_all().sort_by("time")


def test_nothing_is_repaired_unless_it_was_accepted() -> None:
    made = treated()
    assert ("new_levels", "unit_change") in reasons(made)
    assert reasons(made) <= {("unit_change",), ("new_levels",), ("new_levels", "unit_change")}
    assert made.repaired == ()
    assert len(made.batch) + sum(len(held.batch) for held in made.held) == 600
    assert made.batch.rows.equals(batch(spoilt()).take(made.rows).rows)


def test_what_was_accepted_is_repaired_and_what_was_ignored_goes_through() -> None:
    made = treated({"unit_change": "accept", "new_levels": {"city": "ignore"}})
    assert made.held == ()
    assert np.allclose(made.batch.numbers("age"), later(600)["age"].to_numpy(), equal_nan=True)
    (repaired,) = made.repaired
    assert repaired.before.num_rows == repaired.reason.count


def test_a_row_goes_on_only_if_each_of_its_faults_is_decided() -> None:
    made = treated({"unit_change": "accept"})
    assert ("new_levels", "unit_change") in reasons(made)
    assert ("unit_change",) not in reasons(made)
    assert "Quimble" not in made.batch.texts("city")
    assert np.nanmax(made.batch.numbers("age")) < 200


def test_repetitions_leave_the_batch_once_that_is_accepted() -> None:
    frame = later(300)
    made = treated({"rows_repeated": "accept"}, pl.concat([frame, frame[:150]]))
    assert made.batch.rows.equals(batch(frame).rows)
    assert made.rows.tolist() == [True] * 300 + [False] * 150
    assert made.repaired[0].before.num_rows == 150


def test_held_rows_wait_and_go_on_once_when_their_rules_are_accepted(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    made = treated()
    for _ in range(2):  # a window that is folded again after a kill is kept back again
        quarantine.keep(made, source="2026-03-15", version="1", now=NOW)
    held = quarantine.held()
    assert sum(entry.rows for entry in held) == 600 - len(made.batch)
    first = quarantine.replay(shop().schema, {"unit_change": "accept"})
    assert len(first.waiting) >= 1
    second = quarantine.replay(shop().schema, {"unit_change": "accept", "new_levels": "accept"})
    assert second.waiting == ()
    assert first.rows + second.rows == 600 - len(made.batch)
    assert quarantine.held() == []
    again = quarantine.replay(shop().schema, {"unit_change": "accept", "new_levels": "accept"})
    assert (again.rows, again.entries) == (0, ())
    parts = [quarantine.rows_of(entry) for entry in quarantine.replayed()]
    rows = pa.concat_tables(parts, promote_options="permissive").sort_by("at")
    truth = later(600).filter(pl.Series(~made.rows))
    assert rows.column("age").to_pylist() == pytest.approx(truth["age"].to_list(), nan_ok=True)
    quarantine.keep(made, source="2026-03-15", version="1", now=NOW)
    assert quarantine.held() == []  # what went on is not held again


@pytest.mark.parametrize("dies_at", range(8))
def test_a_replay_that_is_killed_anywhere_and_begun_again_doubles_nothing(
    tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(tmp_path)
    made = treated()
    quarantine.keep(made, source="2026-03-15", version="1", now=NOW)
    policy: Policy = {"unit_change": "accept", "new_levels": "accept"}
    steps = 0

    class Killed(BaseException):
        pass

    def dying(method: Any) -> Any:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == dies_at + 1:
                raise Killed
            return method(*args, **options)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", dying(Store.write))
        patched.setattr(Store, "delete", dying(Store.delete))
        try:
            quarantine.replay(shop().schema, policy)
        except Killed:
            pass
        else:
            assert steps <= dies_at
    waiting, gone = {e.id for e in quarantine.held()}, {e.id for e in quarantine.replayed()}
    assert not waiting & gone
    quarantine.replay(shop().schema, policy)
    assert quarantine.held() == []
    assert sum(quarantine.rows_of(e).num_rows for e in quarantine.replayed()) == 600 - len(made.batch)
    assert Store.open(tmp_path).files("quarantine/held") == []


def test_rows_of_the_log_are_answered_again_with_the_true_values(tmp_path: Path) -> None:
    frame = spoilt()
    window = logged(tmp_path, frame)
    made = Batch.of_window(window, shop().schema)
    found = recognise(made, shop())
    assert {one.kind for one in found} == {"unit_change", "new_levels"}
    quarantine = Quarantine(tmp_path)
    kept = treat(made, found, {"new_levels": "ignore"})
    quarantine.keep(kept, source="w", version="1", now=NOW)
    seen: list[float] = []

    def answer(repaired: Batch) -> pa.Table:
        seen.extend(repaired.numbers("age"))
        return pa.table({"output.prediction": ["yes"] * len(repaired)})

    quarantine.replay(shop().schema, {"unit_change": "accept"}, answer=answer)
    (entry,) = quarantine.replayed()
    rows = quarantine.rows_of(entry)
    assert rows.column("output.prediction").to_pylist() == ["yes"] * rows.num_rows
    assert rows.column("version").unique().to_pylist() == ["1"]
    by_id = dict(zip(rows.column("id").to_pylist(), rows.column("input.age").to_pylist(), strict=True))
    assert by_id == {str(i): later(600)["age"][i] for i in map(int, by_id)}
    assert np.nanmax(seen) < 200
    assert sum(1 for _ in read_window(tmp_path)) > 0  # the log itself is as it was


def test_what_was_asked_to_be_forgotten_is_not_in_the_quarantine(tmp_path: Path) -> None:
    made = Batch.of_window(logged(tmp_path, spoilt()), shop().schema)
    quarantine = Quarantine(tmp_path)
    quarantine.keep(treat(made, recognise(made, shop())), source="w", version="1", now=NOW)
    before = sum(quarantine.rows_of(entry).num_rows for entry in quarantine.held())
    erase(tmp_path, ids=["0", "3"], now=datetime.now(tz=UTC) + timedelta(days=9000))
    left = [row for entry in quarantine.held() for row in quarantine.rows_of(entry).column("id").to_pylist()]
    assert len(left) == before - 2
    assert not {"0", "3"} & set(left)
    assert quarantine.forget() == 2
    assert quarantine.forget() == 0


def test_a_person_may_give_the_rule_for_a_replay(tmp_path: Path) -> None:
    made = treated(frame=later(400).with_columns(pl.col("age") * 1000))
    quarantine = Quarantine(tmp_path)
    quarantine.keep(made, source="w", version="1", now=NOW)
    assert quarantine.replay(shop().schema, {}).rows == 0
    rule = repair_of_state({"rule": "set_missing", "column": "age"})
    done = quarantine.replay(shop().schema, {}, rules=[rule])
    assert done.rows == 400 - len(made.batch)
    (entry,) = quarantine.replayed()
    assert entry.reasons[0].repair == rule
    assert quarantine.rows_of(entry).column("age").null_count == done.rows


def test_what_accepted_rules_changed_can_be_read_as_it_was(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.keep(treated({"unit_change": "accept", "new_levels": "ignore"}), source="w", version="1", now=NOW)
    (entry,) = quarantine.repaired()
    assert entry.reasons[0].repair is not None
    before = quarantine.rows_before(entry)
    assert pa.compute.min(before.column("age")).as_py() > 1000


def test_entries_expire_with_the_log(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.keep(treated(), source="w", version="1", now=NOW)
    assert quarantine.expire(NOW) == 0
    assert quarantine.expire(NOW + timedelta(seconds=1)) == len(treated().held)
    assert quarantine.held() == []


def test_the_same_rows_of_another_batch_are_kept_as_well(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    for source in ("a", "b"):
        quarantine.keep(treated(), source=source, version="1", now=NOW)
    assert sum(entry.rows for entry in quarantine.held()) == 2 * (600 - len(treated().batch))


def test_rules_are_data() -> None:
    for rule in (Scale(column="a", factor=0.5), MapLevels(column="a", levels=(("x", "X"), ("y", None)))):
        assert repair_of_state(json.loads(json.dumps(rule.state()))) == rule
    assert set(REPAIRS) >= {"scale", "swap", "rename", "map_levels", "drop_repeated", "set_missing"}
    for wrong in ({"rule": "run"}, {"rule": "scale", "column": "a"}, {}):
        with pytest.raises(RepairUnknown):
            repair_of_state(wrong)


def test_the_owner_decides_in_the_spec() -> None:
    repair = {"unit_change": {"age": "accept"}, "rows_repeated": "ignore"}
    spec = Spec.of({"data": {"source": "-", "target": "y"}, "operation": {"repair": repair}})
    assert spec.operation.repair == repair
    with pytest.raises(MlwrightError):
        Spec.of({"data": {"source": "-", "target": "y"}, "operation": {"repair": {"unit": "accept"}}})
