"""Compiled forms in which a kernel answers one row, and the estimator itself answers many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mlwright._kernels import kernel
from mlwright.data.dataset import FloatArray
from mlwright.models.families.base import Compiled
from mlwright.spec import Task

if TYPE_CHECKING:
    from mlwright._kernels import _dense

Answer: TypeAlias = Literal["values", "sigmoid", "softmax"]
#: How the sums of a model become its answer; a binary one has a single sum, the log odds of class 1.
ANSWERS: dict[Task, Answer] = {"binary": "sigmoid", "multiclass": "softmax", "regression": "values"}


@dataclass(slots=True)
class OneAndMany:
    """A compiled form of two functions."""

    n_features: int
    one: Callable[[Any], tuple[float, ...]]
    many: Callable[[FloatArray], FloatArray]


def layers(
    matrices: Sequence[FloatArray],
    biases: Sequence[FloatArray],
    *,
    many: Callable[[FloatArray], FloatArray],
    answer: Answer,
    activation: Literal["none", "selu", "mish"] = "none",
    bend: float = 0.0,
    low: float = -np.inf,
    high: float = np.inf,
) -> Compiled | None:
    """Matrices one after the other; None where the kernel was not built, or some weight is not finite.

    Parameters
    ----------
    matrices, biases : shapes (n_inputs, n_outputs) and (n_outputs,)
        Of each layer.
    activation
        Of all layers but the last.
    bend
        How far out an input can be at most, which it nears smoothly; 0: anywhere.
    low, high
        Bounds of the answer, unless it is a softmax.
    """
    module = kernel("_dense")
    if module is None or not all(np.isfinite(array).all() for array in (*matrices, *biases)):
        return None
    dense: _dense.Dense = module.Dense(
        tuple(np.ascontiguousarray(matrix, dtype=np.float64) for matrix in matrices),
        tuple(np.ascontiguousarray(bias, dtype=np.float64) for bias in biases),
        activation=activation,
        answer=answer,
        bend=bend,
        low=low,
        high=high,
    )
    return OneAndMany(dense.n_features, dense.one, many)
