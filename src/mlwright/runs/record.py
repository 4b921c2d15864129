"""A run in memory: what each stage has made, and the evidence in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlwright.checks import CheckReport
from mlwright.core import Evidence, EvidenceStore
from mlwright.data import Dataset, Split
from mlwright.evaluation import Evaluation
from mlwright.feasibility import Verdict
from mlwright.models import Model, TradeOff, weights_of
from mlwright.runs.folder import RunFolder
from mlwright.search import Leaderboard, Promise, Trials, leaderboard, model_trade_offs, promise_of, trade_off_evidence
from mlwright.spec import Spec
from mlwright.statistics import METRICS
from mlwright.translation import Contradiction, Translation, translate


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run has made so far.

    Attributes
    ----------
    contradictions
        What is asked and hardly can be, on these rows; a certain one would have stopped the run.
    verdict
        What was promised before the search; None if nothing was.
    evaluation
        None until the test rows were scored.
    """

    folder: RunFolder
    spec: Spec
    dataset: Dataset = field(repr=False)
    split: Split = field(repr=False)
    checks: CheckReport = field(repr=False)
    trials: Trials = field(repr=False)
    model: Model = field(repr=False)
    contradictions: tuple[Contradiction, ...] = field(default=(), repr=False)
    verdict: Verdict | None = field(default=None, repr=False)
    evaluation: Evaluation | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.folder.path.name

    def leaderboard(self) -> Leaderboard:
        """The trials, ranked on their out-of-fold predictions."""
        return leaderboard(
            self.trials, self.split.train, self.spec, seed=self.spec.seed, weights=weights_of(self.model.members)
        )

    def promise(self) -> Promise | None:
        """What the model's decisions are expected to be worth; None where the spec says nothing about decisions."""
        return promise_of(self.model, self.trials, self.split.train, self.spec)

    def trade_offs(self) -> list[TradeOff]:
        """What each fairness limit of the spec costs."""
        return model_trade_offs(self.trials, self.model, self.split.train, self.spec)

    def translation(self) -> Translation:
        """What the spec asks, and what the run does about it."""
        return translate(self.spec, self.split, checks=self.checks)

    def evidence(self) -> EvidenceStore:
        """Every number of the run, in the order of its stages."""
        store = EvidenceStore(data_evidence(self.split))
        store.extend(self.checks.evidence())
        store.extend(self.translation().evidence())
        store.extend(contradictions_evidence(self.contradictions))
        if self.verdict is not None:
            store.extend(self.verdict.evidence())
        store.extend(trials_evidence(self.leaderboard(), self.model))
        promise = self.promise()
        if promise is not None:
            store.extend(promise.evidence())
        store.extend(trade_off_evidence(self.trade_offs()))
        if self.evaluation is not None:
            store.extend(self.evaluation.evidence())
        return store


def data_evidence(split: Split) -> Iterator[Evidence]:
    """How many rows and columns there are, and how the rows are used."""
    dataset = split.dataset
    counts = {
        "rows": len(dataset),
        "unlabelled_rows": dataset.unlabelled,
        "columns": len(dataset.schema),
        "features": len(dataset.features),
        "training_rows": len(split.train_rows),
        "test_rows": len(split.test_rows),
        "rows_in_neither": len(split.left_out),
    }
    for name, value in counts.items():
        yield Evidence(id=f"data.{name}", value=value, method="count", rows="all rows", n=len(dataset))
    yield Evidence(
        id="data.fingerprint",
        value=dataset.fingerprint,
        method="SHA-256 of the source",
        rows="all rows",
        n=len(dataset),
    )
    share = np.mean([dataset.table.column(name).null_count for name in dataset.features]) / max(len(dataset), 1)
    yield Evidence(
        id="data.missing_share",
        value=float(share),
        method="share of missing values among the features",
        rows="all rows",
        n=len(dataset),
    )


def contradictions_evidence(found: Sequence[Contradiction]) -> Iterator[Evidence]:
    """What is asked and hardly can be; times in it can only be measured again."""
    for number, one in enumerate(found):
        yield Evidence(
            id=f"contradictions.{number}",
            value=one.what,
            method=one.where,
            rows="all rows",
            kind="measured" if one.measured else "computed",
        )


def trials_evidence(board: Leaderboard, model: Model) -> Iterator[Evidence]:
    """The out-of-fold score of each trial and of the ensemble, what members add, and how long the trials took."""
    n, rows = board.n, "training rows, out of fold"
    title = METRICS[board.objective].title
    for standing in sorted(board.standings, key=lambda one: one.trial.id):
        trial = standing.trial
        base = f"trials.{trial.id}"
        if trial.score is not None:
            yield Evidence(
                id=f"{base}.{board.objective}",
                value=trial.score,
                interval=standing.interval,
                method=title,
                rows=rows,
                n=n,
            )
            yield Evidence(
                id=f"{base}.behind",
                value=standing.behind,
                interval=standing.behind_interval,
                method=f"how much better the best single candidate's {title} is on the same rows",
                rows=rows,
                n=n,
            )
            if standing.adds is not None:
                yield Evidence(
                    id=f"{base}.adds",
                    value=standing.adds,
                    method=f"how much worse the {title} of the ensemble would be without it",
                    rows=rows,
                    n=n,
                )
            if standing.value is not None:
                yield Evidence(
                    id=f"{base}.value",
                    value=standing.value,
                    method=f"mean worth of a row decided out of fold, before calibration ({board.currency})",
                    rows=rows,
                    n=n,
                )
            yield Evidence(
                id=f"{base}.fold_deviation",
                value=float(np.std(trial.fold_scores, ddof=1)) if len(trial.fold_scores) > 1 else None,
                method=f"standard deviation of {title} over {len(trial.fold_scores)} folds",
                rows=rows,
                n=n,
            )
        yield Evidence(
            id=f"{base}.seconds", value=trial.seconds, method="wall time", rows=rows, n=n, unit="s", kind="measured"
        )
    yield Evidence(
        id=f"ensemble.{board.objective}",
        value=float(model.facts["out_of_fold_score"]),
        interval=board.interval,
        method=f"{title} of the weighted mean of the chosen trials",
        rows=rows,
        n=n,
    )
    if board.value is not None:
        yield Evidence(
            id="ensemble.value",
            value=board.value,
            method=f"mean worth of a row decided by the ensemble out of fold, before calibration ({board.currency})",
            rows=rows,
            n=n,
        )
    yield Evidence(
        id="ensemble.honest",
        value=board.honest_score,
        method=f"{title} on each fifth of the rows, the members chosen on the others",
        rows=rows,
        n=n,
    )
    yield Evidence(
        id="ensemble.detectable",
        value=board.detectable,
        method="difference between the two best that such rows show in four of five cases",
        rows=rows,
        n=n,
    )
