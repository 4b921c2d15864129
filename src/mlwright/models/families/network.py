"""A neural network with tuned defaults (RealMLP-TD-S), trained and scored in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from mlwright.core import read_json, read_table, write_json, write_table
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import Abilities, Compiled, FitJob, Outline, Parameters, Rows, Settled, Space, Span
from mlwright.models.families.losses import mean_loss
from mlwright.models.families.network_layers import Activation, Net, Single, activate, activate_with_slope
from mlwright.models.families.network_training import CYCLES, Course, NotFinite, one_blas_thread, train
from mlwright.models.families.single_rows import ANSWERS, layers
from mlwright.spec import Task

#: Above so many rows an epoch takes too long for what the network gains on boosted trees.
MOST_ROWS = 50_000
_MOST_EPOCHS = 256
_FEWEST_EPOCHS = 24
#: Rows seen in a training: more rows, fewer epochs.
_ROW_PASSES = 500_000
_BATCH = 256
_RATES = {"selu": 0.04, "mish": 0.07}
#: Inputs are bent smoothly so that none exceeds this many deviations.
_BEND = 3.0
#: How much of the time left a fit plans to use; a machine that gets busier takes the rest.
_HASTE = 0.7
#: Cycles of a fit that neither has validation rows nor is told.
_UNTOLD = 2
_ATTEMPTS = 3

_Layers: TypeAlias = "tuple[list[FloatArray], list[FloatArray]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Of a regression's target: the outputs are scaled by it, and the values stay within what was seen."""

    middle: float
    scale: float
    low: float
    high: float

    @classmethod
    def of(cls, y: FloatArray, weight: FloatArray) -> Reach:
        middle = float(np.average(y, weights=weight))
        scale = float(np.sqrt(np.average((y - middle) ** 2, weights=weight))) or 1.0
        return cls(middle=middle, scale=scale, low=float(y.min()), high=float(y.max()))

    def values(self, scaled: FloatArray) -> FloatArray:
        """On the scale of the target."""
        result: FloatArray = np.minimum(np.maximum(self.middle + self.scale * scaled, self.low), self.high)
        return result


@dataclass(slots=True)
class FittedNetwork:
    """Plain matrices and biases, what is bent and scaled folded into them.

    Attributes
    ----------
    reach
        Of a regression.
    earlier
        Matrices and biases after each cycle, for `predict` with other settled cycles; not written.
    """

    task: Task
    activation: Activation
    matrices: list[FloatArray]
    biases: list[FloatArray]
    reach: Reach | None = None
    shares: FloatArray = field(default_factory=lambda: np.zeros(0))
    settled: Settled = field(default_factory=dict)
    cut: bool = False
    earlier: dict[int, _Layers] = field(default_factory=dict, repr=False)

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        matrices, biases = self.matrices, self.biases
        if settled is not None and self.earlier:
            wanted = min(round(settled["cycles"]), max(self.earlier))
            matrices, biases = self.earlier.get(wanted, (matrices, biases))
        h = bent(values)
        for matrix, bias in zip(matrices[:-1], biases[:-1], strict=True):
            h = activate(self.activation, h @ matrix + bias)
        raw = h @ matrices[-1] + biases[-1]
        if self.reach is not None:
            return self.reach.values(raw[:, 0])
        from scipy.special import softmax

        probability: FloatArray = softmax(raw, axis=1)
        return probability[:, 1] if self.task == "binary" else probability

    def importances(self) -> FloatArray:
        """How much the output moves with each feature, over its deviation, on training rows."""
        return self.shares

    def compiled(self) -> Compiled | None:
        (*matrices, matrix), (*biases, bias) = self.matrices, self.biases
        low, high = -np.inf, np.inf
        if self.reach is not None:
            matrix, bias = self.reach.scale * matrix, self.reach.middle + self.reach.scale * bias
            low, high = self.reach.low, self.reach.high
        elif self.task == "binary":
            # Of two classes only the difference counts: the log odds of the second.
            matrix, bias = np.diff(matrix), np.diff(bias)
        return layers(
            [*matrices, matrix],
            [*biases, bias],
            many=self.predict,
            answer=ANSWERS[self.task],
            activation=self.activation,
            bend=_BEND,
            low=low,
            high=high,
        )

    def write(self, folder: Path) -> None:
        write_json(
            folder / "network.json",
            {
                "task": self.task,
                "activation": self.activation,
                "reach": None if self.reach is None else asdict(self.reach),
                "settled": dict(self.settled),
                "shares": self.shares.tolist(),
                "shapes": [list(matrix.shape) for matrix in self.matrices],
            },
        )
        arrays = [*self.matrices, *self.biases]
        table = pa.table({"values": pa.array([array.ravel() for array in arrays], pa.list_(pa.float32()))})
        write_table(folder / "network.arrow", table)


def bent(values: FloatArray) -> FloatArray:
    """The dense view is centred and scaled already; a value far out counts less the farther it is."""
    squares = values * (1 / _BEND)
    squares *= squares
    squares += 1.0
    result: FloatArray = values / np.sqrt(squares, out=squares)
    return result


class NetworkFamily:
    """A network of three hidden layers."""

    name = "network"
    title = "neural network"
    view: View = "dense"
    abilities = Abilities(importances=True)
    sentence = (
        "A smooth function of all columns at once: finds what sums and products of columns say, strong with many "
        "classes and as a companion of trees; blind to sharp thresholds, and hard to explain."
    )

    refits = 2
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        if outline.n_rows > MOST_ROWS:
            return []
        calm = {"name": "network", "hidden": 128, "dropout": 0.15, "decay": 0.0, "rate": 1.0}
        wide = {"name": "network wide", "hidden": 256, "dropout": 0.25, "decay": 0.02, "rate": 0.5}
        if outline.task == "regression":  # where dropout and decay took away more than they gave
            calm, wide = ({**one, "dropout": 0.0, "decay": 0.0, "rate": 1.0} for one in (calm, wide))
        return [calm, wide]

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - the same for any rows
        return {
            "hidden": Span(low=48, high=256, log=True, whole=True),
            "dropout": Span(low=0.0, high=0.4),
            "decay": Span(low=0.0, high=0.1),
            "rate": Span(low=0.3, high=2.0, log=True),
        }

    def fit(self, job: FitJob) -> FittedNetwork:
        """Train, and keep the cycle that predicts the validation rows best; or train for the settled cycles."""
        with one_blas_thread(), np.errstate(all="ignore"):
            problem = _Problem.of(job)
            for attempt in range(_ATTEMPTS):
                try:
                    return problem.fitted(rate=0.1**attempt)
                except NotFinite:
                    continue
            return problem.untrained()

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:  # noqa: ARG002 - epochs are of all rows
        """The mean schedule and the mean cycle."""
        return {name: float(round(np.mean([one[name] for one in settled]))) for name in ("epochs", "cycles")}

    def read(self, folder: Path) -> FittedNetwork:
        state = read_json(folder / "network.json")
        values = [
            np.array(row.values, dtype=np.float64) for row in read_table(folder / "network.arrow").column("values")
        ]
        shapes = state.pop("shapes")
        matrices = [array.reshape(shape) for array, shape in zip(values[: len(shapes)], shapes, strict=True)]
        shares = np.array(state.pop("shares"), dtype=np.float64)
        reach = state.pop("reach")
        return FittedNetwork(
            matrices=matrices,
            biases=values[len(shapes) :],
            reach=None if reach is None else Reach(**reach),
            shares=shares,
            **state,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """The arrays and the course of one fit."""

    job: FitJob
    x: Single
    target: Single
    weight: Single
    output: FloatArray
    reach: Reach | None = None

    @classmethod
    def of(cls, job: FitJob) -> _Problem:
        rows = job.rows.counted()
        values, y = rows.matrix.values, rows.y
        weight = np.ones(len(y)) if rows.weight is None else rows.weight / rows.weight.mean()
        x, share = bent(values).astype(np.float32), weight.astype(np.float32)[:, None]
        if job.task == "regression":
            reach = Reach.of(y, weight)
            scaled = ((y - reach.middle) / reach.scale).astype(np.float32)[:, None]
            return cls(job=job, x=x, target=scaled, weight=share, output=np.zeros(1), reach=reach)
        target = np.eye(max(job.n_classes, 2), dtype=np.float32)[y.astype(np.int64)]
        rates = weight @ target + 0.5
        return cls(job=job, x=x, target=target, weight=share, output=np.log(rates / rates.sum()))

    @property
    def validation(self) -> Rows | None:
        """What a refit settles is settled already."""
        return self.job.validation if self.job.settled is None else None

    @property
    def activation(self) -> Activation:
        return "mish" if self.job.task == "regression" else "selu"

    def net(self, rng: np.random.Generator) -> Net:
        width = int(self.job.parameters.get("hidden", 128))
        sizes = (self.x.shape[1], width, width, width, self.target.shape[1])
        return Net.drawn(sizes, self.activation, self.output, rng)

    def course(self, rate: float) -> Course:
        given, settled = self.job.parameters, self.job.settled or {}
        affordable = int(np.clip(_ROW_PASSES // max(len(self.x), 1), _FEWEST_EPOCHS, _MOST_EPOCHS))
        return Course(
            epochs=int(settled.get("epochs", affordable)),
            cycles=int(np.clip(round(settled.get("cycles", CYCLES if self.validation else _UNTOLD)), 1, CYCLES)),
            rate=rate * _RATES[self.activation] * float(given.get("rate", 1.0)),
            batch=_BATCH,
            dropout=float(given.get("dropout", 0.0)),
            decay=float(given.get("decay", 0.0)),
            haste=_HASTE,
            deadline=self.job.deadline,
        )

    def fitted(self, rate: float) -> FittedNetwork:
        """Train; the state kept is the one that the validation rows like best, or the last at rest."""
        rng = np.random.default_rng(self.job.seed)
        net, course = self.net(rng), self.course(rate)
        validation = self.validation
        best = self._of(net)
        best_loss, cut = float("inf"), False
        earlier: dict[int, _Layers] = {}
        for stop in train(net, self.x, self.target, self.weight, course, rng):
            state = self._of(net)
            cut = stop.cut
            loss = float("inf") if validation is None else self.loss(state, validation)
            if loss < best_loss or (validation is None and not (stop.cut and earlier)):
                best, best_loss = state, loss
            elif not stop.cut and validation is not None:
                earlier[stop.cycles] = state.matrices, state.biases
                break  # further cycles only learn the training rows by heart
            best.settled = {"epochs": float(stop.epochs), "cycles": float(stop.cycles)}
            if not stop.cut:
                earlier[stop.cycles] = state.matrices, state.biases
        best.cut = cut
        best.earlier = earlier if validation is not None else {}
        best.shares = _sensitivity(best, self.x[:: max(len(self.x) // 512, 1)])
        return best

    def loss(self, state: FittedNetwork, rows: Rows) -> float:
        return mean_loss(self.job.task, state.predict(rows.matrix.values), rows)

    def untrained(self) -> FittedNetwork:
        """What answers the base rates or the mean."""
        best = self._of(self.net(np.random.default_rng(self.job.seed)))
        best.settled, best.cut = {"epochs": float(self.course(1.0).epochs), "cycles": 1.0}, True
        best.shares = np.zeros(self.x.shape[1])
        return best

    def _of(self, net: Net) -> FittedNetwork:
        matrices, biases = net.folded()
        return FittedNetwork(self.job.task, self.activation, matrices, biases, self.reach)


def _sensitivity(fitted: FittedNetwork, x: Single) -> FloatArray:
    """The root of the mean square of the outputs' slopes along each feature, times its deviation; as shares.

    Random signs for the outputs give the sum of their squares in one pass (Hutchinson's estimate).
    """
    h: FloatArray = x.astype(np.float64)
    slopes = []
    for matrix, bias in zip(fitted.matrices[:-1], fitted.biases[:-1], strict=True):
        h, slope = activate_with_slope(fitted.activation, h @ matrix + bias)
        slopes.append(slope)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(len(x), len(fitted.biases[-1])))
    if fitted.task != "regression":
        signs -= signs.mean(axis=1, keepdims=True)  # what moves all outputs alike moves no probability
    back = signs @ fitted.matrices[-1].T
    for matrix, slope in zip(fitted.matrices[-2::-1], slopes[::-1], strict=True):
        back = (back * slope) @ matrix.T
    size: FloatArray = np.sqrt((back**2).mean(axis=0)) * x.std(axis=0)
    total = float(size.sum())
    return size / total if np.isfinite(total) and total > 0 else np.zeros(len(size))
