"""The turns of the loop over a stream, with the parts of `mlwright.lifecycle`: what it decides, chunk by chunk.

Packages, the registry and the log are left out: a version is a booster with its calibration, and a light refit stands where
the product searches. All that decides is the product's: `decide`, `LossWatch`, `Comparison`, `calibrated_again`, `best_window`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
from benchmarks.monitoring.refit_policies import Refitter
from benchmarks.monitoring.streams import CHUNK, Floats, Stream

from mlwright.data import Column, Dataset, Schema
from mlwright.lifecycle import Comparison, Decision, LabelledRows, Recalibration, Situation, decide, objective_of_spec
from mlwright.lifecycle.decide import stale
from mlwright.lifecycle.recalibrate import SquaredError, calibrated_again, mean_gain, moved_again
from mlwright.lifecycle.retrain import LEAST_ROWS, RECENT, best_window, judged_rows
from mlwright.models import Calibration, Model, Offset, Predictions
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.labelled_loss import labelled_loss
from mlwright.monitoring.loss_watch import LossWatch
from mlwright.spec import Spec

#: A calibration is judged on so many of the latest rows, as the loop does.
_CALIBRATED = 1_000
_START = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(slots=True, kw_only=True, eq=False)
class Version:
    """A model with its calibration or offset; `learnt` is the first row that it has surely not seen."""

    number: int
    model: lightgbm.Booster
    map: Calibration | Offset | None
    learnt: int

    def moved(self, raw: Floats) -> Floats:
        return raw if self.map is None else self.map.apply(raw)


@dataclass(slots=True, kw_only=True)
class Loop:
    """The turns of the loop over a stream; `now` is the first row whose label is not known."""

    stream: Stream
    refitter: Refitter
    spec: Spec
    champion: Version
    now: int
    before: Version | None = None
    challenger: Version | None = None
    proof: Comparison | None = None
    watch: Comparison | None = None
    trust: Comparison | None = None
    loss: LossWatch | None = None
    loss_since: int = 0
    trained_at: int = 0
    trained_rows: int = 0
    versions: int = 1
    moves: str = ""
    decided: dict[str, datetime] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def turn(self, now: int) -> None:
        """The labels of the rows before `now` are known: compare, decide, act."""
        new, self.now = slice(self.now, now), now
        self._settle(new)
        self._watch_loss(new)
        situation, better = self._situation()
        decision = decide(situation, self.spec, now=self._time(now))
        if decision.action not in {"retrain", "recalibrate"}:
            return
        anyhow = decision.action == "retrain" and stale(situation, self.spec)
        if self.proof is not None and not anyhow:
            return
        last = self.decided.get(decision.key)
        if last is not None and last > decision.not_again_before:
            return
        self.decided[decision.key] = decision.made
        made = self._trained(decision) if decision.action == "retrain" else self._calibrated(better)
        if self.trust is not None and self.trust.outcome == "better":
            self._promote(made, "at once")
        else:
            self.challenger, self.proof = made, self._begun("proof", made, self.champion)

    def answers(self, version: Version, rows: slice) -> Predictions:
        prediction = version.moved(self.refitter.answer(version.model, rows))
        if not self.stream.classes:
            return Predictions(classes=(), prediction=prediction)
        return Predictions(classes=("no", "yes"), prediction=prediction, decision=(prediction > 0.5).astype(np.int64))

    # ------------------------------------------------------------------------------------------------------- comparing

    def _settle(self, rows: slice) -> None:
        labelled = self._labelled(rows)
        if self.proof is not None and self.challenger is not None:
            if self.trust is None:
                self.trust = self._begun("retraining", self.challenger, self.champion)
            answers = self.answers(self.challenger, rows), self.answers(self.champion, rows)
            self.proof, self.trust = self.proof.after(labelled, *answers), self.trust.after(labelled, *answers)
            if self.proof.outcome == "better":
                self._promote(self.challenger, "on proof")
                return
            if self.proof.outcome == "worse":
                self.challenger = self.proof = None
        if self.watch is not None and self.before is not None:
            answers = self.answers(self.champion, rows), self.answers(self.before, rows)
            self.watch = self.watch.after(labelled, *answers)
            if self.watch.outcome == "worse":
                self._count("rolled back")
                self.champion, self.before, self.watch, self.loss = self.before, None, None, None
                self.moves += "b"
                if self.moves.endswith("pbpb"):  # the second one in a row
                    self.trust = None
                if self.challenger is not None:
                    self.proof = self._begun("proof", self.challenger, self.champion)

    def _promote(self, version: Version, how: str) -> None:
        self._count(how)
        old, self.champion, self.challenger, self.proof, self.loss = self.champion, version, None, None, None
        if version.model is not old.model:
            self.moves += "p"
        if version.model is old.model and self.before is not None and self.before.model is not old.model:
            return  # only its calibration is another: what the members have shown still counts
        self.before = old
        self.watch = self._begun("watch", self.champion, old)

    def _begun(self, kind: Any, new: Version, old: Version) -> Comparison:
        """A comparison whose bound is declared from rows that are not compared."""
        known = slice(max(0, self.now - 2_000), self.now)
        objective = objective_of_spec(self.spec, self._labelled(known).rows, self.answers(old, known))
        begun = Comparison(kind=kind, new=new.number, old=old.number, since=self._time(self.now))
        return begun.declared(objective)

    # -------------------------------------------------------------------------------------------------------- deciding

    def _watch_loss(self, rows: slice) -> None:
        """Against the loss in the champion's first chunk: the refitter keeps no out-of-fold answers."""
        truth, answers = self.stream.y[rows], self.answers(self.champion, rows).prediction
        loss = np.square(answers - truth) if self.stream.classes else np.abs(answers - truth)
        if self.loss is None:
            high = 1.0 if self.stream.classes else float(loss.mean() + 6 * loss.std())
            self.loss = LossWatch.start(loss, metric="loss", tolerance=0.0, high=high, weighted=False)
            self.loss_since = rows.stop
        else:
            self.loss = self.loss.update(loss)

    def _findings(self) -> tuple[Finding, ...]:
        if self.loss is None or not self.loss.risen:
            return ()
        change = self.loss.detector.change_point()
        first = self.loss_since + (0 if change is None else max(change.began - 1, 0)) * CHUNK
        rows = slice(min(first, self.now - CHUNK), self.now)
        lost = np.square(self.answers(self.champion, rows).prediction - self.stream.y[rows])
        recent = labelled_loss(lost, np.zeros(len(lost), dtype=np.int64), np.array([float(len(lost))]))
        found = self.loss.as_finding(recent, since=self._time(rows.start))
        return () if found is None else (found,)

    def _situation(self) -> tuple[Situation, Calibration | Offset | None]:
        findings = self._findings()
        since = min((self._row(one.since) for one in findings if one.since is not None), default=None)
        calibration, better = self._recalibration(since)
        windows = (self.now - self.trained_at) // CHUNK
        situation = Situation(
            champion=self.champion.number,
            findings=findings,
            calibration=calibration,
            windows_since=windows,
            labelled_rows=self.now - self.trained_at,
            trained_rows=self.trained_rows,
            gaining=self.trust is None or not self.trust.rows or self.trust.gain > 0,
        )
        return situation, better

    def _recalibration(self, since: int | None) -> tuple[Recalibration | None, Calibration | Offset | None]:
        known, unseen = self.champion.map, self.champion.learnt
        first = self.now - _CALIBRATED if since is None or self.now - since < _CALIBRATED else since
        rows = slice(max(first, unseen), self.now)
        if rows.stop - rows.start < 200:
            return None, known
        raw, y = self.refitter.answer(self.champion.model, rows), self.stream.y[rows]
        better: Calibration | Offset | None
        if self.stream.classes:
            assert isinstance(known, Calibration)
            better, gain = calibrated_again(known, raw, y, rng=np.random.default_rng(self.now))
        else:
            assert not isinstance(known, Calibration)
            better, gain = moved_again(known, raw, y, SquaredError(), in_bands=True)
        return Recalibration(
            rows=len(y),
            ranking="ranking",
            before=float("nan"),
            now=float("nan"),
            ranking_intact=True,
            gain=mean_gain(gain),
            model=_NOBODY,
        ), better

    # ---------------------------------------------------------------------------------------------------------- acting

    def _trained(self, decision: Decision) -> Version:
        first = self._first_row(None if decision.since is None else self._row(decision.since))
        model = self.refitter.fit(self.now, first)
        self.trained_at, self.trained_rows = self.now, self.now - first
        return self._version(model, Calibration() if self.stream.classes else None, self.now)

    def _calibrated(self, better: Calibration | Offset | None) -> Version:
        self._count("calibrated")
        return self._version(self.champion.model, better, self.champion.learnt)

    def _version(self, model: lightgbm.Booster, moved: Calibration | Offset | None, learnt: int) -> Version:
        self.versions += 1
        return Version(number=self.versions, model=model, map=moved, learnt=learnt)

    def _first_row(self, since: int | None) -> int:
        """Where the window begins whose rows predict the latest rows best: the windows of `choose_window`."""
        log = self.stream.warm
        piece = self.now - log if since is None or self.now - since < LEAST_ROWS else self.now - since
        judged = slice(self.now - judged_rows(piece), self.now)
        before = judged.start - log
        windows = {"all": 0}
        if before >= LEAST_ROWS:
            windows["log"] = log
        if since is not None and judged.start - since >= LEAST_ROWS:
            windows["change"] = since
        if before >= 2 * RECENT:
            windows["recent"] = judged.start - RECENT
        if len(windows) == 1:
            return 0
        losses = {}
        for name, first in windows.items():
            said = self.refitter.answer(self.refitter.fit(judged.start, first, light=True), judged)
            away = said - self.stream.y[judged]
            losses[name] = np.square(away) if self.stream.classes else np.abs(away)
        best = best_window(losses)
        self._count(f"window {best}")
        return self.now - RECENT if best == "recent" else windows[best]

    # ----------------------------------------------------------------------------------------------------------- small

    def _labelled(self, rows: slice) -> LabelledRows:
        y, nothing = self.stream.y[rows], np.zeros(rows.stop - rows.start, dtype=np.int64)
        if self.stream.classes:
            codes = pa.array(y.astype(np.int32))
            truth: Any = pa.DictionaryArray.from_arrays(codes, pa.array(["no", "yes"]))
        else:
            truth = pa.array(y)
        kind: Any = "category" if self.stream.classes else "number"
        data = Dataset(
            table=pa.table({"truth": truth}),
            schema=Schema((Column(name="truth", type=kind, role="target"),)),
            task="binary" if self.stream.classes else "regression",
            classes=("no", "yes") if self.stream.classes else (),
        )
        return LabelledRows(rows=data, ids=np.arange(len(y)), times=nothing, label_times=nothing)

    def _time(self, row: int) -> datetime:
        """A chunk is a day."""
        return _START + (row - self.stream.warm) / CHUNK * _DAY

    def _row(self, moment: datetime) -> int:
        return self.stream.warm + round((moment - _START) / _DAY * CHUNK)

    def _count(self, what: str) -> None:
        self.told[what] = self.told.get(what, 0) + 1


#: Decisions do not look at the model that a calibration would lead to.
_NOBODY = Model(task="binary", classes=("no", "yes"), target="truth", schema=Schema(()), encoders={}, members=())


def spec_of_loop() -> Spec:
    """What the owner of a stream writes."""
    automatic = dict.fromkeys(("reweight", "recalibrate", "retrain"), "automatic")
    return Spec.of(
        {
            "project": {"name": "stream"},
            "data": {"source": "stream.parquet", "target": "truth"},
            "operation": {
                "window": "1d",
                "retrain": {"on": ["loss", "staleness"], "approve": "automatic", "prove": "retraining"},
                "act": automatic,
            },
        }
    )


def followed(stream: Stream, refitter: Refitter) -> tuple[Floats, dict[str, int]]:
    """The answers of the loop, and how often it did what."""
    first = Version(
        number=1,
        model=refitter.fit(stream.warm),
        map=Calibration() if stream.classes else None,
        learnt=stream.warm,
    )
    loop = Loop(
        stream=stream,
        refitter=refitter,
        spec=spec_of_loop(),
        champion=first,
        now=stream.warm,
        trained_at=stream.warm,
        trained_rows=stream.warm,
    )
    said = []
    for start in stream.starts:
        if start > stream.warm:
            loop.turn(start)
        said.append(loop.answers(loop.champion, stream.chunk(start)).prediction)
    return np.concatenate(said), loop.told
