"""Linear models with a quadratic penalty: ridge, logistic and multinomial regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlwright.core import Deadline, read_json, write_json
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import Abilities, Compiled, FitJob, Outline, Parameters, Settled, Space, as_shares
from mlwright.models.families.losses import mean_loss
from mlwright.models.families.odds import probabilities
from mlwright.models.families.single_rows import ANSWERS, layers
from mlwright.spec import Task

#: Penalties that a validation fold chooses from, per row, from strong to weak; each fit starts from the one before.
PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00001)
#: A linear model learns nothing more from further rows.
MOST_ROWS = 50_000
#: Up to so many features the exact second-order step is the quickest way.
_NARROW = 1500


@dataclass(slots=True)
class FittedLinear:
    """Weights, shape (n_features + 1, n_outputs), the last row for the intercept; and the scale of a regression's target."""

    weights: FloatArray
    task: Task
    middle: float = 0.0
    scale: float = 1.0
    settled: Settled = field(default_factory=dict)
    cut: bool = False

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:  # noqa: ARG002 - as fitted
        raw: FloatArray = values @ self.weights[:-1] + self.weights[-1]
        if self.task == "regression":
            return self.middle + self.scale * raw[:, 0]
        return probabilities(raw if self.task == "multiclass" else raw[:, 0], self.task)

    def importances(self) -> FloatArray:
        """The size of the weights; the features are on one scale."""
        size: FloatArray = np.abs(self.weights[:-1]).sum(axis=1)
        return as_shares(size)

    def compiled(self) -> Compiled | None:
        weights = self.weights
        if self.task == "regression":
            weights = self.scale * weights
            weights[-1] += self.middle
        return layers([weights[:-1]], [weights[-1]], many=self.predict, answer=ANSWERS[self.task])

    def write(self, folder: Path) -> None:
        write_json(
            folder / "linear.json",
            {"task": self.task, "middle": self.middle, "scale": self.scale, "weights": self.weights.tolist()},
        )


class LinearFamily:
    """Ridge, logistic or multinomial regression, by task."""

    name = "linear"
    title = "linear model"
    view: View = "dense"
    abilities = Abilities(importances=True, glass_box=True)
    sentence = (
        "A weighted sum of scaled columns: quick, hard to beat on few rows, easy to read; "
        "blind to thresholds and to columns that matter only together."
    )

    refits = 1
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:  # noqa: ARG002 - there is one
        return [{"name": "linear"}]

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - nothing to choose
        return {}

    def fit(self, job: FitJob) -> FittedLinear:
        """Fit the whole path of penalties and keep what predicts the validation rows best; or fit the settled penalty."""
        problem = _problem(job)
        if job.validation is None or job.settled is not None:
            penalty = (job.settled or {}).get("penalty", 0.001)
            (weights, cut), *_ = problem.path((penalty,))
            return problem.fitted(weights, penalty, cut=cut)
        best: FittedLinear | None = None
        best_loss, worse = float("inf"), 0
        for penalty, (weights, cut) in zip(PENALTIES, problem.path(PENALTIES), strict=False):
            fitted = problem.fitted(weights, penalty, cut=cut)
            loss = mean_loss(job.task, fitted.predict(job.validation.matrix.values), job.validation)
            if loss < best_loss or best is None:
                best, best_loss, worse = fitted, loss, 0
            else:
                worse += 1
            if cut or worse == 2:
                best.cut = cut
                break
        assert best is not None
        return best

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:  # noqa: ARG002 - the penalty is per row
        logs = [np.log(one["penalty"]) for one in settled]
        return {"penalty": float(np.exp(np.mean(logs)))}

    def read(self, folder: Path) -> FittedLinear:
        state = read_json(folder / "linear.json")
        weights = np.array(state["weights"], dtype=np.float64)
        return FittedLinear(weights, state["task"], state["middle"], state["scale"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """The penalised loss of one fit: `path` gives the weights for each penalty, and whether time ran out."""

    task: Task
    design: FloatArray
    y: FloatArray
    share: FloatArray
    outputs: int
    deadline: Deadline
    middle: float = 0.0
    scale: float = 1.0

    def fitted(self, weights: FloatArray, penalty: float, *, cut: bool) -> FittedLinear:
        return FittedLinear(weights, self.task, self.middle, self.scale, {"penalty": penalty}, cut)

    def path(self, penalties: Sequence[float]) -> Iterator[tuple[FloatArray, bool]]:
        narrow = self.design.shape[1] <= _NARROW
        if self.task == "regression" and narrow:
            yield from self._ridge(penalties)
            return
        step = self._newton if self.task == "binary" and narrow else self._descent
        weights = np.zeros((self.design.shape[1], self.outputs))
        for penalty in penalties:
            weights, cut = step(penalty, weights)
            yield weights, cut

    def _ridge(self, penalties: Sequence[float]) -> Iterator[tuple[FloatArray, bool]]:
        """All penalties from one decomposition; the intercept is the mean, since features and target are centred."""
        from scipy.linalg import eigh

        middle = self.share @ self.design[:, :-1]
        centred = self.design[:, :-1] - middle
        values, vectors = eigh(centred.T @ (self.share[:, None] * centred))
        of_target = vectors.T @ (centred.T @ (self.share * self.y[:, 0]))
        mean = float(self.share @ self.y[:, 0])
        for penalty in penalties:
            slopes = vectors @ (of_target / (np.maximum(values, 0.0) + penalty))
            yield np.concatenate([slopes, [mean - middle @ slopes]])[:, None], self.deadline.expired()

    def _newton(self, penalty: float, start: FloatArray) -> tuple[FloatArray, bool]:
        """Newton's method with a step that is halved until the loss falls."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve
        from scipy.special import expit

        weights = start.copy()
        ridge = np.r_[np.full(len(weights) - 1, penalty), 1e-9]
        loss, gradient = self._logistic(weights)
        loss += 0.5 * float((ridge[:, None] * weights**2).sum())
        for _ in range(30):
            gradient = gradient + ridge[:, None] * weights
            probability = expit(self.design @ weights)[:, 0]
            curvature = self.share * np.maximum(probability * (1 - probability), 1e-10)
            hessian = self.design.T @ (curvature[:, None] * self.design) + np.diag(ridge)
            try:
                step = cho_solve(cho_factor(hessian), gradient)
            except LinAlgError:
                return self._descent(penalty, weights)
            size, before = 1.0, loss
            while size > 1e-4:
                tried = weights - size * step
                loss, gradient = self._logistic(tried)
                loss += 0.5 * float((ridge[:, None] * tried**2).sum())
                if loss <= before:
                    weights = tried
                    break
                size /= 2
            if before - loss < 1e-9 * max(abs(before), 1e-9):
                return weights, False
            if self.deadline.expired():
                return weights, True
        return weights, False

    def _descent(self, penalty: float, start: FloatArray) -> tuple[FloatArray, bool]:
        """L-BFGS, for many features or classes."""
        from scipy.optimize import minimize

        gradient_of: Callable[[FloatArray], tuple[float, FloatArray]] = {
            "regression": self._squares,
            "binary": self._logistic,
            "multiclass": self._multinomial,
        }[self.task]
        best = start.copy()

        def objective(flat: FloatArray) -> tuple[float, FloatArray]:
            weights = flat.reshape(start.shape)
            loss, gradient = gradient_of(weights)
            loss += 0.5 * penalty * float((weights[:-1] ** 2).sum())
            gradient[:-1] += penalty * weights[:-1]
            return loss, gradient.ravel()

        def watch(flat: FloatArray) -> None:
            best[:] = flat.reshape(start.shape)
            if self.deadline.expired():
                raise _OutOfTime

        options = {"maxiter": 100, "ftol": 1e-7, "gtol": 1e-5}
        try:
            result: Any = minimize(
                objective, start.ravel(), jac=True, method="L-BFGS-B", callback=watch, options=options
            )
        except _OutOfTime:
            return best, True
        return result.x.reshape(start.shape), False

    def _squares(self, weights: FloatArray) -> tuple[float, FloatArray]:
        error = self.design @ weights - self.y
        return 0.5 * float(self.share @ (error[:, 0] ** 2)), self.design.T @ (self.share[:, None] * error)

    def _logistic(self, weights: FloatArray) -> tuple[float, FloatArray]:
        from scipy.special import expit

        raw = self.design @ weights
        loss = float(self.share @ (np.logaddexp(0.0, raw) - self.y * raw)[:, 0])
        return loss, self.design.T @ (self.share[:, None] * (expit(raw) - self.y))

    def _multinomial(self, weights: FloatArray) -> tuple[float, FloatArray]:
        from scipy.special import log_softmax

        logs = log_softmax(self.design @ weights, axis=1)
        loss = -float(self.share @ (self.y * logs).sum(axis=1))
        return loss, self.design.T @ (self.share[:, None] * (np.exp(logs) - self.y))


class _OutOfTime(Exception):
    pass


def _problem(job: FitJob) -> _Problem:
    rows = job.rows.sample(MOST_ROWS, seed=job.seed)
    values, y, weight = rows.matrix.values, rows.y, rows.weight
    share = np.full(len(y), 1 / len(y)) if weight is None else weight / weight.sum()
    middle, scale = 0.0, 1.0
    if job.task == "regression":
        middle, scale = float(share @ y), float(y.std()) or 1.0
        target = ((y - middle) / scale)[:, None]
    else:
        target = np.eye(job.n_classes)[y.astype(np.int64)] if job.task == "multiclass" else y[:, None]
    return _Problem(
        task=job.task,
        design=np.column_stack([values, np.ones(len(values))]),
        y=target,
        share=share,
        outputs=target.shape[1],
        deadline=job.deadline,
        middle=middle,
        scale=scale,
    )
