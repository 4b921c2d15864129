"""The quick learners of the curve, and the averages of them that stand in for a tuned ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models import FAMILIES, FitJob, Outline, Rows
from mlwright.search import EncodedFolds
from mlwright.search.folds import monotonic_signs
from mlwright.spec import Spec

#: A learner of many rounds joins from so many rows on, at all anchors: one that joined at the last would bend the curve.
LEAST_FOR_LONG = 1200
#: Drawing columns per tree would leave the trees of a narrow table with one column each and no interaction.
_NARROW = 8
#: More columns than this are put into fewer bins, and each node looks at fewer of them.
_WIDE = 100
#: Products of the linear model's matrix with itself cost rows times columns squared; it has fewer rows rather than more
#: than this.
_LINEAR_WORK, _LINEAR_ROWS = 1e9, 2000
#: No clock ends a quick fit: the verdict depends on rows, spec and seed alone.
_ENDLESS = Deadline(seconds=1e12, started=0.0, clock=lambda: 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickLearner:
    """One quick learner: a family with fixed parameters.

    Attributes
    ----------
    rounds
        Of boosting; 0 for a linear model.
    """

    name: str
    family: str
    parameters: Mapping[str, float]
    rounds: int = 0

    @property
    def view(self) -> View:
        """How it wants to see the columns."""
        return FAMILIES[self.family].view

    def fit_predict(self, fit: Rows, rows: FloatArray, data: EncodedFolds, spec: Spec, *, seed: int) -> FloatArray:
        """Fit on some rows and predict others, shape (n_rows,) or (n_rows, n_classes).

        Parameters
        ----------
        rows : shape (n_rows, n_features)
            To predict.
        data
            Where the rows for fitting are from.
        """
        train = data.train
        job = FitJob(
            task=train.task,
            n_classes=max(len(train.classes), 1),
            rows=fit.counted(),
            parameters=self._parameters(fit),
            seed=seed,
            deadline=_ENDLESS,
            settled={"rounds": float(self.rounds)},
            quantile=data.quantile,
            monotonic=monotonic_signs(fit.matrix, train, spec.constraints.monotonic) if self.rounds else (),
        )
        family = FAMILIES[self.family]
        if not self.rounds:
            job = _linear_job(job, seed)
        return family.fit(job).predict(rows)

    def _parameters(self, fit: Rows) -> dict[str, float]:
        if not self.rounds:
            return {}
        return {**self.parameters, "min_data_in_leaf": int(np.clip(len(fit.y) // 25, 3, 20))}


def _linear_job(job: FitJob, seed: int) -> FitJob:
    """With its penalty: for classes a fixed one, for values the one that is best on a fifth of the rows for fitting."""
    features = max(job.rows.matrix.values.shape[1], 1)
    rows = job.rows.sample(int(max(_LINEAR_WORK / features**2, _LINEAR_ROWS)), seed=seed)
    n = len(rows.y)
    penalty = 3.3 / n
    if job.task == "regression" and n >= 50:
        order = np.random.default_rng(seed).permutation(n)
        kept, inner = np.sort(order[n // 5 :]), np.sort(order[: n // 5])
        tried = replace(job, rows=rows.taken(kept), validation=rows.taken(inner), settled=None)
        penalty = FAMILIES["linear"].fit(tried).settled["penalty"]
    return replace(job, rows=rows, settled={"penalty": penalty})


def quick_learners(outline: Outline, spec: Spec, *, rows: float) -> list[QuickLearner]:
    """Which learners a table gets; the same at every anchor.

    Parameters
    ----------
    rows
        Training rows of the last anchor.
    """
    wide = outline.n_features > _WIDE
    common: dict[str, float] = {"max_bin": 63} if wide else {}

    def shares(per_tree: float) -> dict[str, float]:
        if outline.n_features < _NARROW:
            return {}
        return {"feature_fraction": per_tree} if not wide else {"feature_fraction": min(per_tree, 0.5)}

    def boosting(name: str, rounds: int, **parameters: float) -> QuickLearner:
        return QuickLearner(
            name=name, family="lightgbm", rounds=rounds, parameters={"learning_rate": 0.1, **common, **parameters}
        )

    linear = QuickLearner(name="linear", family="linear", parameters={})
    if spec.constraints.interpretability == "glass_box":
        return [boosting("curves", 200, num_leaves=3, lambda_l2=1.0), linear]
    listed = [
        boosting("small", 80, num_leaves=15, **shares(0.7)),
        boosting("few", 80, num_leaves=5, lambda_l2=3.0, **shares(0.5)),
    ]
    if rows >= LEAST_FOR_LONG:
        # A round of many classes is a tree for each of them.
        rounds, rate = (300, 0.06) if outline.n_classes <= 2 else (100, 0.1)
        listed.append(boosting("long", rounds, num_leaves=31, **{**shares(0.6), "learning_rate": rate}))
    return listed if spec.constraints.monotonic else [*listed, linear]


def with_averages(predictions: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Predictions of the learners and of averages of them, by name; only averages whose parts are there.

    Where there is no learner of many rounds, the one of few takes its place.
    """
    known = {**predictions}
    stand_in = {"long": "small"} if "small" in known and "long" not in known else {}
    for name, parts in _AVERAGES.items():
        named = [(stand_in.get(part, part), weight) for part, weight in parts]
        if all(part in known for part, _ in named):
            known[name] = _mean([predictions[part] for part, _ in named], [weight for _, weight in named])
    return known


_AVERAGES: Mapping[str, Sequence[tuple[str, float]]] = {
    "small, few and linear": (("small", 1 / 3), ("few", 1 / 3), ("linear", 1 / 3)),
    "small, few and long": (("small", 1 / 3), ("few", 1 / 3), ("long", 1 / 3)),
    "long and linear": (("long", 0.65), ("linear", 0.35)),
    "curves and linear": (("curves", 0.5), ("linear", 0.5)),
}


def _mean(parts: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        total += weight * part
    return total
