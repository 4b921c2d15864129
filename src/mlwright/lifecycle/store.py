"""What the loop remembers, in the project's database: comparisons with the rows that they have counted, and decisions.

A comparison and the rows that it has counted are written in one transaction, so a row counts once whoever is killed when.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from mlwright.data.dataset import IntArray
from mlwright.lifecycle.comparison import Comparison, Kind
from mlwright.lifecycle.decision import Decision
from mlwright.lifecycle.labelled import micros, moment_of
from mlwright.lifecycle.objective import Objective
from mlwright.monitoring.store import MonitorStore

NOTHING: IntArray = np.zeros(0, dtype=np.int64)
#: The mark of a day whose labels are not waited for any more, and of a recommendation that holds no longer.
OVER: Final = "over"
_metadata = MetaData()

#: Comparisons; `closed` says when one ended, `outcome` how.
_comparisons = Table(
    "mlwright_comparisons",
    _metadata,
    Column("model", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("outcome", Text),
    Column("state", Text, nullable=False),
)

#: The days of the log that an open comparison has looked at: with which mark (`LabelledLog.days`), and which of their rows it
#: has counted, as 64 bits of a digest of each id.
_days = Table(
    "mlwright_compared_days",
    _metadata,
    Column("model", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("counted", LargeBinary, nullable=False),
)

#: What was decided, and what became of it.
_decisions = Table(
    "mlwright_decisions",
    _metadata,
    Column("model", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("state", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision with what became of it: `open`, `begun` (with how often, from the second time on), `over`, `done: …`, or `failed: …`."""

    decision: Decision
    outcome: str

    @property
    def begun(self) -> int:
        """How often it was begun without coming to an end."""
        word, _, times = self.outcome.partition(" ")
        return int(times or 1) if word == "begun" else 0


class LifecycleStore:
    """The comparisons and decisions of one model.

    Parameters
    ----------
    store
        The project's database.
    model
        The name of the model.
    """

    def __init__(self, store: MonitorStore, model: str) -> None:
        self._store, self._model = store, model
        store.transaction(lambda connection: _metadata.create_all(connection))

    # ---------------------------------------------------------------------------------------------------- comparisons

    def open_comparison(self, kind: Kind) -> Comparison | None:
        """The comparison of this kind that goes on, if there is one."""
        return self._store.reading(lambda connection: self._open(connection, kind))

    def begin(self, comparison: Comparison, *, now: datetime) -> Comparison:
        """Go on with this comparison, or begin it; one of other versions ends with `replaced`."""

        def work(connection: Connection) -> Comparison:
            found = self._open(connection, comparison.kind)
            if found is not None and (found.new, found.old) == (comparison.new, comparison.old):
                return found
            if found is not None:
                self._close(connection, found, "replaced", now)
            known = connection.execute(select(_comparisons.c.key).where(*self._named(comparison))).first()
            row = {
                "kind": comparison.kind,
                "opened": micros(now),
                "closed": None,
                "outcome": None,
                "state": json.dumps(comparison.state()),
            }
            if known is not None:  # it was ended before, and is begun anew
                connection.execute(update(_comparisons).where(*self._named(comparison)).values(**row))
            else:
                connection.execute(insert(_comparisons).values(model=self._model, key=comparison.key, **row))
            return comparison

        return self._store.transaction(work)

    def seen(self, comparison: Comparison) -> dict[date, str]:
        """The days that a comparison has looked at, each with the mark that it had then."""

        def work(connection: Connection) -> dict[date, str]:
            rows = connection.execute(select(_days.c.day, _days.c.mark).where(*self._rows_of(comparison)))
            return {date.fromisoformat(row.day): row.mark for row in rows}

        return self._store.reading(work)

    def count(
        self,
        comparison: Comparison,
        day: date,
        ids: NDArray[np.object_],
        change: Callable[[Comparison, IntArray], Comparison],
        *,
        mark: str = "",
    ) -> Comparison:
        """Count rows of a day that were not counted yet, and keep them and the changed comparison together.

        What a challenger gains is evidence on retraining too, where that is asked (`Kind`).

        Parameters
        ----------
        ids
            Of labelled rows that were answered on the day, shape (n_rows,); those that were counted before are left out.
        change
            Is given the comparison as the database has it, and the numbers of the new rows among `ids`.
        mark
            Of the day: until it is another one, the day has nothing new.
        """
        digests = row_digests(ids)

        def work(connection: Connection) -> Comparison:
            found = self._open(connection, comparison.kind)
            if found is None or found.key != comparison.key:
                return comparison  # somebody has ended it meanwhile
            new = np.flatnonzero(~np.isin(digests, self._known(connection, comparison, day)))
            if not len(new):
                self._look(connection, comparison, day, NOTHING, mark)
                return found
            changed = change(found, new)
            self._look(connection, comparison, day, digests[new], mark)
            self._write(connection, changed)
            standing = self._open(connection, "retraining") if comparison.kind == "proof" else None
            if standing is not None and standing.objective is not None:
                self._write(connection, change(standing, new))
            return changed

        return self._store.transaction(work)

    def uncounted(self, comparison: Comparison, day: date, ids: NDArray[np.object_]) -> IntArray:
        """The numbers of the rows among `ids`, answered on a day, that a comparison has not counted."""
        known = self._store.reading(lambda connection: self._known(connection, comparison, day))
        return np.flatnonzero(~np.isin(row_digests(ids), known))

    def declare(
        self, comparison: Comparison, objective: Objective, aside: Mapping[date, NDArray[np.object_]]
    ) -> Comparison:
        """Begin to compare by this objective, unless another one is declared already.

        Parameters
        ----------
        aside
            By day, the ids of rows that its bound was declared from: they do not count.
        """

        def work(connection: Connection) -> Comparison:
            found = self._open(connection, comparison.kind)
            if found is None or found.key != comparison.key:
                return comparison
            if found.objective is not None:
                return found
            declared = found.declared(objective)
            for day, ids in aside.items():
                self._look(connection, comparison, day, row_digests(ids), "")
            self._write(connection, declared)
            standing = self._open(connection, "retraining")
            if standing is not None and standing.objective is None:
                self._write(connection, standing.declared(objective))
            return declared

        return self._store.transaction(work)

    def forget_rows(self, comparison: Comparison, *, before: date) -> None:
        """Of days that are not looked at any more remember only that they are over."""
        old = (*self._rows_of(comparison), _days.c.day < before.isoformat(), _days.c.rows > 0)
        over = {"rows": 0, "counted": b"", "mark": OVER}
        if self._store.reading(lambda connection: connection.execute(select(_days.c.day).where(*old)).first()):
            self._store.transaction(lambda connection: connection.execute(update(_days).where(*old).values(**over)))

    def _known(self, connection: Connection, comparison: Comparison, day: date) -> IntArray:
        """The digests of the rows of a day and its neighbours: two versions may answer an id before and after midnight."""
        near = [(day + timedelta(days=step)).isoformat() for step in (-1, 0, 1)]
        found = connection.execute(select(_days.c.counted).where(*self._rows_of(comparison), _days.c.day.in_(near)))
        return np.concatenate([NOTHING, *(np.frombuffer(packed, dtype="<i8") for packed in found.scalars())])

    def _look(self, connection: Connection, comparison: Comparison, day: date, counted: IntArray, mark: str) -> None:
        """Note that a day was looked at, and which rows of it were counted by that."""
        this = (*self._rows_of(comparison), _days.c.day == day.isoformat())
        before = connection.execute(select(_days.c.counted).where(*this)).scalar()
        whole = np.union1d(np.frombuffer(before or b"", dtype="<i8"), counted).astype("<i8")
        values = {"mark": mark, "rows": len(whole), "counted": whole.tobytes()}
        if before is None:
            own = {"model": self._model, "key": comparison.key, "day": day.isoformat()}
            connection.execute(insert(_days), [{**own, **values}])
        else:
            connection.execute(update(_days).where(*this).values(**values))

    def _write(self, connection: Connection, comparison: Comparison) -> None:
        state = json.dumps(comparison.state())
        connection.execute(update(_comparisons).where(*self._named(comparison)).values(state=state))

    def close(self, comparison: Comparison, outcome: str, *, now: datetime) -> None:
        """End a comparison; nothing happens if it has ended already."""
        self._store.transaction(lambda connection: self._close(connection, comparison, outcome, now))

    def _close(self, connection: Connection, comparison: Comparison, outcome: str, now: datetime) -> None:
        open_one = (*self._named(comparison), _comparisons.c.closed.is_(None))
        connection.execute(update(_comparisons).where(*open_one).values(closed=micros(now), outcome=outcome))
        connection.execute(delete(_days).where(*self._rows_of(comparison)))

    def _open(self, connection: Connection, kind: Kind) -> Comparison | None:
        state = connection.execute(
            select(_comparisons.c.state).where(
                _comparisons.c.model == self._model, _comparisons.c.kind == kind, _comparisons.c.closed.is_(None)
            )
        ).scalar()
        return None if state is None else Comparison.of_state(json.loads(state))

    def _named(self, comparison: Comparison) -> tuple[ColumnElement[bool], ...]:
        return _comparisons.c.model == self._model, _comparisons.c.key == comparison.key

    def _rows_of(self, comparison: Comparison) -> tuple[ColumnElement[bool], ...]:
        return _days.c.model == self._model, _days.c.key == comparison.key

    def ended(self) -> list[tuple[Comparison, str, datetime]]:
        """The comparisons of two versions that have ended, with their outcome and when that was, the oldest first."""

        def work(connection: Connection) -> list[tuple[Comparison, str, datetime]]:
            rows = connection.execute(
                select(_comparisons.c.state, _comparisons.c.outcome, _comparisons.c.closed)
                .where(
                    _comparisons.c.model == self._model,
                    _comparisons.c.closed.is_not(None),
                    _comparisons.c.kind != "retraining",
                )
                .order_by(_comparisons.c.closed)
            )
            return [(Comparison.of_state(json.loads(r.state)), r.outcome, moment_of(r.closed)) for r in rows]

        return self._store.reading(work)

    # ------------------------------------------------------------------------------------------------------ decisions

    def record(self, decision: Decision) -> bool:
        """Keep a decision; False if the same one is open (again), or was carried out since `decision.not_again_before`."""

        def work(connection: Connection) -> bool:
            same = (_decisions.c.model == self._model, _decisions.c.key == decision.key)
            last = connection.execute(
                select(_decisions.c.id, _decisions.c.made, _decisions.c.outcome)
                .where(*same)
                .order_by(_decisions.c.made.desc())
            ).first()
            if last is not None and last.outcome == OVER and last.made > micros(decision.not_again_before):
                again = (_decisions.c.model == self._model, _decisions.c.id == last.id)
                connection.execute(update(_decisions).where(*again).values(outcome="open"))
                return False
            if last is not None and (
                last.id == decision.id or last.outcome == "open" or last.made > micros(decision.not_again_before)
            ):
                return bool(last.id == decision.id)
            connection.execute(
                insert(_decisions).values(
                    model=self._model,
                    id=decision.id,
                    key=decision.key,
                    made=micros(decision.made),
                    outcome="open",
                    state=json.dumps(decision.state()),
                )
            )
            return True

        return self._store.transaction(work)

    def withdraw(self, *, but: Decision) -> None:
        """End recommendations that nobody has followed and that hold no longer: all but this one."""
        for one in self.decisions():
            if one.outcome == "open" and one.decision.mode == "recommend" and one.decision.key != but.key:
                self.settle(one.decision, OVER)

    def start(self, decision: Decision) -> int:
        """Note that a decision is being carried out; how often that was begun by now."""

        def work(connection: Connection) -> int:
            this = (_decisions.c.model == self._model, _decisions.c.id == decision.id)
            outcome = connection.execute(select(_decisions.c.outcome).where(*this)).scalar() or "open"
            times = Decided(decision=decision, outcome=outcome).begun + 1
            now = "begun" if times == 1 else f"begun {times}"
            connection.execute(update(_decisions).where(*this).values(outcome=now))
            return times

        return self._store.transaction(work)

    def settle(self, decision: Decision, outcome: str) -> None:
        """Note what became of a decision."""

        def work(connection: Connection) -> None:
            this = (_decisions.c.model == self._model, _decisions.c.id == decision.id)
            connection.execute(update(_decisions).where(*this).values(outcome=outcome))

        self._store.transaction(work)

    def decisions(self) -> list[Decided]:
        """All decisions, the oldest first."""

        def work(connection: Connection) -> list[Decided]:
            rows = connection.execute(
                select(_decisions.c.state, _decisions.c.outcome)
                .where(_decisions.c.model == self._model)
                .order_by(_decisions.c.made, _decisions.c.id)
            )
            return [Decided(decision=Decision.of_state(json.loads(row.state)), outcome=row.outcome) for row in rows]

        return self._store.reading(work)


def row_digests(ids: NDArray[np.object_]) -> IntArray:
    """64 bits of a digest of each id: of a million rows, two share one with a chance of three in a hundred million."""
    digests = [hashlib.blake2b(str(one).encode(), digest_size=8).digest() for one in ids]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
