"""Wrong labels or missing columns? What the rows can prove, and which of them to label again where they cannot.

From inputs and labels alone the two are alike in general. Three things can be said: rows with equal inputs and different
labels show mistakes that no model of these columns avoids; where the surest predictions are hardly ever contradicted,
labels that are wrong at random are rare; and where classes are told apart well, the contradicted labels among sure rows are
the wrong ones. Elsewhere only people can tell, by labelling some rows again (`relabelling.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mlwright.core import Evidence, Interval
from mlwright.data import Dataset, hash_rows
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.statistics import (
    METRICS,
    Scored,
    WrongLabels,
    disagreement_within,
    error_of_disagreement,
    mean_interval,
    noise_floor,
    variance_within,
    wrong_labels,
)

#: `labels`: many are wrong; `features`: what is missing stands in no column; else nobody can tell from the rows alone.
NoiseOutcome = Literal["labels", "features", "cannot tell"]

#: Rows that are named as likely wrong, and rows to label again.
_SHOWN, _RELABELLED = 50, 150
#: Fewer rows with equal inputs say nothing.
_LEAST_TWINS = 50
_CONFIDENCE = 0.9
#: With fewer mistakes there is little to explain.
_MUCH = 0.05
#: Wrong labels are the answer if they are at least this share of all mistakes, and not if at most that.
_MOST_OF, _LITTLE_OF = 1 / 3, 1 / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Training rows that have equal inputs with another one.

    Attributes
    ----------
    rows, share
        How many they are, and which share of the rows looked at.
    disagreement
        How often two of them have different classes, with its interval at 90 %; None for a regression.
    error
        Of the quick learners on them: share of wrong decisions, or RMSE.
    least, most
        Bounds of the best error that any model of these columns has on them, at 90 % confidence each. The lower one holds
        whatever the twins are; the upper one if none is a mere copy of another.
    """

    rows: int
    share: float
    disagreement: float | None
    disagreement_interval: Interval | None
    error: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFinding:
    """What is known of wrong labels.

    Attributes
    ----------
    sentence
        For people who know no statistics.
    n
        Training rows looked at.
    error
        Share of rows in which the quick learners contradict the label; None for a regression.
    wrong, wrong_interval
        Estimated share of wrong labels among all rows; None where classes are not told apart well enough to say.
    wrong_at_most
        Labels that are wrong at random are at most so many, at 90 % confidence; None if too few rows say so.
    floor
        Share of contradicted labels among the 2 % surest rows of the class that is surest.
    suspicious
        Numbers of training rows whose label looks least likely, worst first: 50 at most, no more than are thought wrong, and
        none where labels are not the matter. To be looked at, never to be deleted by machine.
    relabel
        Numbers of training rows at random, to be labelled again by two people.
    """

    outcome: NoiseOutcome
    sentence: str
    n: int
    error: float | None = None
    wrong: float | None = None
    wrong_interval: Interval | None = None
    wrong_at_most: float | None = None
    floor: float | None = None
    twins: Twins | None = None
    suspicious: tuple[int, ...] = ()
    relabel: tuple[int, ...] = ()

    def evidence(self) -> Iterator[Evidence]:
        """Every number, with ids `feasibility.noise.*`."""
        base, rows = "feasibility.noise", "training rows, out of fold"
        yield Evidence(id=base, value=self.outcome, method=self.sentence, rows=rows, n=self.n)
        numbers: dict[str, tuple[float | None, Interval | None, str]] = {
            "error": (self.error, None, "share of rows in which quick learners contradict the label"),
            "wrong_labels": (
                self.wrong,
                self.wrong_interval,
                "share of contradicted labels among the surer half of the rows of each predicted class",
            ),
            "wrong_labels_at_most": (
                self.wrong_at_most,
                None,
                "upper bound at 90 % confidence from the 10 % surest rows, if labels are wrong at random",
            ),
            "floor": (self.floor, None, "least share of contradicted labels among the 2 % surest rows of a class"),
        }
        for name, (value, interval, method) in numbers.items():
            if value is not None:
                yield Evidence(id=f"{base}.{name}", value=value, interval=interval, method=method, rows=rows, n=self.n)
        if self.twins is not None:
            yield from _evidence_of_twins(self.twins)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> NoiseFinding:
        """The finding that had this state."""
        twins = state["twins"]
        return cls(
            **{
                **state,
                "wrong_interval": _interval(state["wrong_interval"]),
                "twins": None
                if twins is None
                else Twins(**{**twins, "disagreement_interval": _interval(twins["disagreement_interval"])}),
                "suspicious": tuple(state["suspicious"]),
                "relabel": tuple(state["relabel"]),
            }
        )


def _interval(entry: Mapping[str, float] | None) -> Interval | None:
    return None if entry is None else Interval(**entry)


def _evidence_of_twins(twins: Twins) -> Iterator[Evidence]:
    base, rows, n = "feasibility.noise.twins", "training rows with equal inputs", twins.rows
    yield Evidence(id=f"{base}.share", value=twins.share, method="share of rows with a twin", rows=rows, n=n)
    yield Evidence(id=f"{base}.error", value=twins.error, method="error of quick learners on them", rows=rows, n=n)
    if twins.disagreement is not None:
        yield Evidence(
            id=f"{base}.disagreement",
            value=twins.disagreement,
            interval=twins.disagreement_interval,
            method="share of pairs with equal inputs and different classes",
            rows=rows,
            n=n,
        )
    yield Evidence(
        id=f"{base}.least_error",
        value=twins.least,
        method="no model of these columns errs less on them, at 90 % confidence (Cover and Hart)",
        rows=rows,
        n=n,
    )


def find_noise(train: Dataset, scored: Scored, rows: IntArray, *, rng: np.random.Generator) -> NoiseFinding:
    """Say what can be proven of wrong labels.

    Parameters
    ----------
    scored
        Out-of-fold predictions of quick learners.
    rows : shape (n_rows,)
        Their numbers among the training rows.

    References
    ----------
    Cover and Hart (1967), Nearest neighbor pattern classification, IEEE Transactions on Information Theory; Northcutt,
    Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels, JAIR.
    """
    if scored.weight is not None:
        counted = scored.weight > 0
        scored, rows = scored.take(counted), rows[counted]
    n = len(scored)
    if n == 0 or not np.isfinite(scored.prediction).all():
        reason = "no row has a weight" if n == 0 else "the quick learners did not predict every row"
        return NoiseFinding(outcome="cannot tell", sentence=f"Nothing can be said of the labels: {reason}.", n=n)
    again = _relabelled(rows, rng)
    if train.task == "regression":
        twins = _twins_of_numbers(train, scored, rows)
        return NoiseFinding(
            outcome="cannot tell", sentence=_of_numbers(twins, len(again)), n=n, twins=twins, relabel=again
        )
    y = scored.target.astype(np.int64)
    probabilities = scored.prediction
    if probabilities.ndim == 1:
        probabilities = np.column_stack([1 - probabilities, probabilities])
    twins = _twins_of_classes(train, scored, rows, probabilities)
    error = float((probabilities.argmax(axis=1) != y).mean())
    found = wrong_labels(probabilities, y)
    if found is None:
        why = f"{n:,} rows are too few" if len(np.unique(y)) > 1 else "all rows have the same class"
        sentence = f"Nothing can be said of wrong labels: {why}."
        return NoiseFinding(outcome="cannot tell", sentence=sentence, n=n, error=error, twins=twins, relabel=again)
    outcome = _outcome(found)
    given = probabilities[np.arange(n), y]
    told = found.can_tell and outcome != "features"
    shown = 0 if outcome == "features" else min(_SHOWN, round(found.share * n)) if told else _SHOWN
    return NoiseFinding(
        outcome=outcome,
        sentence=_sentence(outcome, found, twins, len(again)),
        n=n,
        error=found.error,
        wrong=found.share if told else None,
        wrong_interval=found.interval if told else None,
        wrong_at_most=found.surest.high,
        floor=noise_floor(probabilities, y),
        twins=twins,
        suspicious=tuple(int(row) for row in rows[np.argsort(given, kind="stable")[:shown]]),
        relabel=again,
    )


def _relabelled(rows: IntArray, rng: np.random.Generator) -> tuple[int, ...]:
    """At random among all rows, so that what is found holds for all rows."""
    chosen = rng.choice(rows, min(_RELABELLED, len(rows)), replace=False)
    return tuple(int(row) for row in np.sort(chosen))


def _outcome(found: WrongLabels) -> NoiseOutcome:
    if found.can_tell and found.interval.low > 0.01 and found.share >= _MOST_OF * found.error:
        return "labels"
    if found.error >= _MUCH and found.surest.high <= _LITTLE_OF * found.error:
        return "features"
    return "cannot tell"


def _sentence(outcome: NoiseOutcome, found: WrongLabels, twins: Twins | None, again: int) -> str:
    if outcome == "labels":
        low, high = found.interval.low, found.interval.high
        first = (
            f"About {found.share:.0%} of the labels look wrong (between {low:.0%} and {high:.0%}): even where the columns "
            f"leave little doubt, so many labels say otherwise. Look at the listed rows; label {again} rows again to prove it."
        )
    elif outcome == "features":
        first = (
            f"The labels are not what holds the model back: it errs on {found.error:.0%} of the rows, and at most "
            f"{found.surest.high:.1%} of the labels are wrong, if they are wrong at random. What is missing are columns that "
            "say more, or more rows."
        )
    elif found.can_tell and found.error < _MUCH:
        first = f"The labels look right: only {found.error:.1%} of them contradict what the columns say."
    else:
        first = (
            "Wrong labels and missing columns look the same here, so nobody can tell from these rows which it is. "
            f"Have two people label {again} rows again: that tells."
        )
    return f"{first} {_of_twins(twins)}".strip()


def _of_twins(twins: Twins | None) -> str:
    """Empty where they say nothing."""
    if twins is None or twins.least < 0.02:
        return ""
    return (
        f"{twins.rows:,} rows have the same inputs as another row, and often not the same class: on these rows at least "
        f"{twins.least:.0%} of all decisions are wrong whatever the model (now {twins.error:.0%}). More rows cannot change "
        "that; right labels or further columns can."
    )


def _of_numbers(twins: Twins | None, again: int) -> str:
    first = f"For numbers only a second measurement tells noise from missing columns: measure {again} rows again."
    if twins is None or twins.least <= 0:
        return first
    return (
        f"{twins.rows:,} rows have the same inputs as another row, and not the same value: on these rows no model errs by "
        f"less than {twins.least:.3g} (root mean square; now {twins.error:.3g}). {first}"
    )


def _cells(train: Dataset, rows: IntArray) -> np.ndarray | None:
    names = train.features
    return hash_rows(train.take(rows).table, names) if names else None


def _twins_of_classes(train: Dataset, scored: Scored, rows: IntArray, probabilities: FloatArray) -> Twins | None:
    cells = _cells(train, rows)
    if cells is None:
        return None
    n_classes = probabilities.shape[1]
    differ = disagreement_within(cells, scored.target, n_classes)
    twin = np.isfinite(differ)
    cell = np.unique(cells, return_inverse=True)[1][twin]
    if twin.sum() < _LEAST_TWINS or len(np.unique(cell)) < 2:
        return None
    # Two-sided at 80 %: each end is a one-sided bound at 90 %.
    interval = mean_interval(differ[twin], group=cell, confidence=2 * _CONFIDENCE - 1)
    low, high = max(interval.low, 0.0), min(interval.high, 1.0)
    return Twins(
        rows=int(twin.sum()),
        share=float(twin.mean()),
        disagreement=float(differ[twin].mean()),
        disagreement_interval=Interval(low=low, high=high, confidence=interval.confidence),
        error=float((probabilities.argmax(axis=1) != scored.target)[twin].mean()),
        least=error_of_disagreement(low, n_classes),
        most=min(high, (n_classes - 1) / n_classes),
    )


def _twins_of_numbers(train: Dataset, scored: Scored, rows: IntArray) -> Twins | None:
    cells = _cells(train, rows)
    if cells is None:
        return None
    variance = variance_within(cells, scored.target)
    twin = np.isfinite(variance)
    cell = np.unique(cells, return_inverse=True)[1][twin]
    if twin.sum() < _LEAST_TWINS or len(np.unique(cell)) < 2:
        return None
    interval = mean_interval(variance[twin], group=cell, confidence=2 * _CONFIDENCE - 1)
    return Twins(
        rows=int(twin.sum()),
        share=float(twin.mean()),
        disagreement=None,
        disagreement_interval=None,
        error=METRICS["rmse"].compute(scored.take(twin)),
        least=float(np.sqrt(max(interval.low, 0.0))),
        most=float(np.sqrt(max(interval.high, 0.0))),
    )
