"""Champion and challenger on the same labelled rows: the evidence so far, which may be looked at after any of them.

A challenger is proven better by a game of bets that a worthless one wins with probability 1 / 20 at most, however long and
however often one looks. After a promotion the version before goes on answering in the background, and a detector that is as
quick after months as on the first day says when it would do better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from mlwright.core import Interval
from mlwright.lifecycle.labelled import LabelledRows, micros, moment_of
from mlwright.lifecycle.objective import Objective
from mlwright.models import Predictions
from mlwright.registry import Guard, Proof
from mlwright.statistics import MeanSequence, PairedTest, RiskDetector

#: Error of a promotion, and of a rollback: evidence of 1 / ERROR decides.
ERROR = 0.05
NEEDED = 1 / ERROR
#: Labelled rows that the objective's bound is declared from, where there are none from before the comparison.
SET_ASIDE = 200

Kind = Literal["proof", "watch", "retraining"]
"""`proof`: is the challenger better than the champion? `watch`: is the champion, just promoted, worse than the one before?
`retraining`: have challengers been better than the champions of their time? It goes on from one challenger to the next."""
Outcome = Literal["undecided", "better", "worse", "guarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions and what their answers to the same rows have shown so far.

    Attributes
    ----------
    kind
        What is asked: see `Kind`.
    new, old
        Numbers of the versions: a challenger and the champion; or the champion and the one before it; 0 for `retraining`.
    since
        Only rows that were answered later count: the new version may know the earlier ones.
    objective
        None until its bound was declared.
    test
        The evidence that `new` is better, and that it is worse.
    detector
        Of a watch: the evidence that `new` is worse, as quick after months of quiet as on the first day.
    rows
        That were compared.
    gains
        Of all compared rows, new less old: for the interval to show.
    shadow
        Whether both versions answered live, so that the log has the answers of both.
    """

    kind: Kind
    new: int
    old: int
    since: datetime
    minimum_gain: float = 0.0
    objective: Objective | None = None
    test: PairedTest | None = None
    detector: RiskDetector | None = None
    rows: int = 0
    gains: MeanSequence = field(default_factory=MeanSequence)
    shadow: bool = False

    @property
    def key(self) -> str:
        """Names it in the database."""
        return f"{self.kind}/{self.new}/{self.old}/{micros(self.since)}"

    def declared(self, objective: Objective) -> Comparison:
        """With its objective, whose bound is kept to the end."""
        if self.kind == "watch":
            bound = objective.bound
            test, detector = PairedTest.start(bound=bound, error=ERROR), RiskDetector.above(0.0, low=-bound, high=bound)
            return replace(self, objective=objective, test=test, detector=detector)
        test = PairedTest.start(
            bound=objective.bound, minimum_gain=self.minimum_gain, error=ERROR, guards=objective.guards
        )
        return replace(self, objective=objective, test=test)

    def after(self, rows: LabelledRows, new: Predictions, old: Predictions, *, shadow: bool = False) -> Comparison:
        """The comparison after more rows, each given once, with what both versions answer for them."""
        assert self.objective is not None
        if not len(rows):
            return self
        gain = self.objective.of_rows(rows.rows, new) - self.objective.of_rows(rows.rows, old)
        found = replace(self, rows=self.rows + len(rows), gains=self.gains.update(gain), shadow=self.shadow or shadow)
        assert self.test is not None
        if self.detector is not None:
            return replace(found, test=self.test.update(gain), detector=self.detector.update(-gain))
        after, before = self.objective.guarded(rows.rows, new), self.objective.guarded(rows.rows, old)
        guards = {name: after[name] - before[name] for name in after}
        return replace(found, test=self.test.update(gain, guards=guards))

    @property
    def e_value(self) -> float:
        """The evidence for what would be done: a promotion, or a rollback."""
        if self.test is None:
            return 1.0
        if self.detector is None:
            return self.test.e_value
        # Two ways to look, each with half of the error.
        return math.exp(min(max(self.test.worse.highest, self.detector.highest), 700.0)) / 2

    @property
    def outcome(self) -> Outcome:
        """What is proven by now about the new version."""
        if self.detector is not None:
            return "worse" if self.e_value >= NEEDED else "undecided"
        return "undecided" if self.test is None else self.test.verdict

    @property
    def gain(self) -> float:
        """Mean gain of a row, new less old."""
        return self.gains.mean

    def rows_to_go(self) -> float:
        """About how many more rows decide, if it goes on like this; infinite if it would not."""
        if self.outcome != "undecided":
            return 0.0
        return math.inf if self.test is None else self.test.rows_needed(self.gain)

    def proof(self, *, now: datetime, new: int | None = None, old: int | None = None) -> Proof:
        """As the registry keeps it. Of a watch, it says that the version before is better.

        Parameters
        ----------
        new, old
            Of `retraining`: the next challenger, and the champion; the evidence is that of the challengers before it.
        """
        objective, watch = self.objective, self.kind == "watch"
        better, worse, sign = (self.old, self.new, -1.0) if watch else (new or self.new, old or self.old, 1.0)
        return Proof(
            challenger=better,
            champion=worse,
            objective="" if objective is None else objective.title,
            e_value=self.e_value,
            needed=NEEDED,
            gain=sign * self.gain,
            min_gain=self.minimum_gain,
            unit="" if objective is None else objective.unit,
            rows=self.rows,
            guards=() if watch else self._guards(),
            made=now,
            source="earlier challengers" if self.kind == "retraining" else "shadow" if self.shadow else "log",
        )

    def _guards(self) -> tuple[Guard, ...]:
        found = []
        for name, guard in () if self.test is None else self.test.guards.items():
            # How much worse it may be: the bound below the mean gain, turned round.
            upper = guard.margin - guard.excess.lower(error=guard.error)
            known = math.isfinite(upper)
            worse = Interval(low=guard.margin - guard.excess.mean, high=upper, confidence=1 - guard.error)
            found.append(Guard(metric=name, limit=guard.margin, worse=worse if known else None))
        return tuple(found)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {
            "kind": self.kind,
            "new": self.new,
            "old": self.old,
            "since": micros(self.since),
            "minimum_gain": self.minimum_gain,
            "objective": None if self.objective is None else self.objective.state(),
            "test": None if self.test is None else self.test.state(),
            "detector": None if self.detector is None else self.detector.state(),
            "rows": self.rows,
            "gains": self.gains.state(),
            "shadow": self.shadow,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Comparison:
        """What `state` was taken of."""
        return cls(
            kind=state["kind"],
            new=state["new"],
            old=state["old"],
            since=moment_of(state["since"]),
            minimum_gain=state["minimum_gain"],
            objective=None if state["objective"] is None else Objective.of_state(state["objective"]),
            test=None if state["test"] is None else PairedTest.of_state(state["test"]),
            detector=None if state["detector"] is None else RiskDetector.of_state(state["detector"]),
            rows=state["rows"],
            gains=MeanSequence.of_state(state["gains"]),
            shadow=state["shadow"],
        )
