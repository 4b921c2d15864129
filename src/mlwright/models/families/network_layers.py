"""The layers of a small neural network in numpy, forward and backward, as arrays and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlwright.data.dataset import FloatArray

#: The precision of training.
Single = npt.NDArray[np.float32]
Activation = Literal["selu", "mish"]
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def activate(activation: Activation, z: Any) -> Any:
    """The activation of a layer, in the precision of its input."""
    if activation == "selu":
        return _SELU_SCALE * (np.maximum(z, 0) + _SELU_ALPHA * np.expm1(np.minimum(z, 0)))
    e = np.exp(np.minimum(z, 20))
    n = e * (e + 2)
    return z * (n / (n + 2))


def activate_with_slope(activation: Activation, z: Any) -> tuple[Any, Any]:
    """The activation of a layer and its slope, in the precision of its input."""
    if activation == "selu":
        above = np.maximum(z, 0)
        slope = np.exp(z - above)
        slope *= _SELU_SCALE * _SELU_ALPHA
        above *= _SELU_SCALE
        h = slope - _SELU_SCALE * _SELU_ALPHA
        h += above
        # Where z is positive the slope so far is scale times alpha.
        slope -= (z > 0) * z.dtype.type(_SELU_SCALE * (_SELU_ALPHA - 1))
        return h, slope
    # tanh(log(1 + exp(z))) = n / (n + 2) with n = e (e + 2) and e = exp(z); its slope is 4 (n - e) / (n + 2)^2.
    e = np.exp(np.minimum(z, 20))
    n = e + 2
    n *= e
    divisor = 1 / (n + 2)
    np.subtract(n, e, out=e)
    n *= divisor
    e *= divisor
    e *= divisor
    e *= 4
    e *= z
    e += n
    n *= z
    return n, e


@dataclass(slots=True)
class Net:
    """A diagonal, weights and biases, all in one array `flat` of which they are views, in this order.

    Weights are drawn with deviation 1 and divided by the root of their number of inputs when they are used (the
    parametrisation of the neural tangent kernel), so that one learning rate suits layers of any width.
    """

    sizes: tuple[int, ...]
    activation: Activation
    flat: Single
    diagonal: Single = field(init=False)
    weights: list[Single] = field(init=False)
    biases: list[Single] = field(init=False)

    def __post_init__(self) -> None:
        pairs = list(pairwise(self.sizes))
        lengths = [self.sizes[0], *(n * m for n, m in pairs), *(m for _, m in pairs)]
        parts = np.split(self.flat, np.cumsum(lengths)[:-1])
        self.diagonal = parts[0]
        self.weights = [part.reshape(pair) for part, pair in zip(parts[1 : len(pairs) + 1], pairs, strict=True)]
        self.biases = parts[len(pairs) + 1 :]

    @staticmethod
    def length(sizes: Sequence[int]) -> int:
        """How many numbers a net of these layers has."""
        return sizes[0] + sum(n * m + m for n, m in pairwise(sizes))

    @classmethod
    def drawn(cls, sizes: tuple[int, ...], activation: Activation, output: FloatArray, rng: np.random.Generator) -> Net:
        """A net before training, which answers `output` for every row."""
        net = cls(sizes, activation, rng.standard_normal(cls.length(sizes), dtype=np.float32))
        net.diagonal[:] = 1
        net.weights[-1][:] = 0
        net.biases[-1][:] = output
        return net

    def groups(self, values: Single) -> tuple[Single, Single, Single]:
        """Those of the numbers of `values`, which is as long as `flat`, for the diagonal, the weights and the biases."""
        first = self.sizes[0]
        second = first + sum(weight.size for weight in self.weights)
        return values[:first], values[first:second], values[second:]

    def folded(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Plain matrices and biases, with the diagonal and the divisors in them.

        Rounded as training is, which is how they are kept on disk; but in double precision, so that another machine's
        order of adding up does not show in an answer.
        """
        matrices = [weight * _divisor(weight) for weight in self.weights]
        matrices[0] *= self.diagonal[:, None]
        return [matrix.astype(np.float64) for matrix in matrices], [bias.astype(np.float64) for bias in self.biases]

    def loss_gradient(self, x: Single, target: Single, share: Single, into: Net, drop: Drop | None = None) -> None:
        """The gradient of the loss of a batch, written into another net.

        The cross entropy of the softmax for SELU, half the squared error for Mish.

        Parameters
        ----------
        target : shape (n_rows, n_outputs)
            Of classes one column of 0 and 1 each.
        share : shape (n_rows, 1)
            Of each row in the loss.
        """
        inputs, slopes = [x * self.diagonal], []
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = inputs[-1] @ weight
            z *= _divisor(weight)
            z += bias
            if i < last:
                h, slope = activate_with_slope(self.activation, z)
                if drop is not None:
                    drop.apply(h, slope)
                inputs.append(h)
                slopes.append(slope)
        if self.activation == "selu":
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
        z -= target
        z *= share
        for i in range(last, -1, -1):
            into.biases[i][:] = z.sum(axis=0)
            z *= _divisor(self.weights[i])
            np.matmul(inputs[i].T, z, out=into.weights[i])
            z = z @ self.weights[i].T
            if i:
                z *= slopes[i - 1]
        into.diagonal[:] = (z * x).sum(axis=0)


def _divisor(weight: Single) -> np.float32:
    return np.float32(1 / np.sqrt(max(len(weight), 1)))


@dataclass(slots=True)
class Drop:
    """Leaves out hidden units at random, the others are made as much larger."""

    share: float
    rng: np.random.Generator

    def apply(self, h: Single, slope: Single) -> None:
        keep = (self.rng.random(h.shape, dtype=np.float32) >= self.share) * np.float32(1 / (1 - self.share))
        h *= keep
        slope *= keep
