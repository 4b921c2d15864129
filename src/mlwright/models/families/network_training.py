"""How a small neural network is trained: Adam, waves of the learning rate, and the clock.

After RealMLP-TD-S of Holzmüller, Grinsztajn and Steinwart (2024), Better by default, arXiv 2407.04491, but for three
things: classes are not smoothed (the log loss is what counts), the output starts at the base rates, and the net is
looked at only where the learning rate has come down to zero (`CYCLES` times) and not after each epoch: there the
validation rows choose among few states that are at rest, and a refit that stops at the same place is at rest too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlwright.core import Deadline
from mlwright.models.families.network_layers import Drop, Net, Single

#: How often the learning rate comes down to zero: after 1/15, 3/15, 7/15 and all of the steps.
CYCLES = 4
_FADE = 0.9, 0.95
#: Learning rates of the diagonal, the weights and the biases, as shares of the rate.
_SHARES = 6.0, 1.0, 0.1
#: After so many steps it is known how long one takes.
_PROBE = 10


class _Adam:
    """Kingma and Ba (2015), with a rate for each group of numbers and decay of the weights beside the gradient."""

    def __init__(self, net: Net, decay: float) -> None:
        self.net = net
        self.decay = decay
        self.first, self.second, self.room = (np.zeros_like(net.flat) for _ in range(3))
        self.steps = 0

    def step(self, gradient: Single, rate: float) -> None:
        self.steps += 1
        room, (slow, slower) = self.room, _FADE
        self.first *= slow
        np.multiply(gradient, 1 - slow, out=room)
        self.first += room
        self.second *= slower
        np.multiply(gradient, gradient, out=room)
        room *= 1 - slower
        self.second += room
        np.multiply(self.second, np.float32(1 / (1 - 0.95**self.steps)), out=room)
        np.sqrt(room, out=room)
        room += np.float32(1e-8)
        np.divide(self.first, room, out=room)
        if self.decay:
            weights = self.net.groups(self.net.flat)[1]
            weights *= np.float32(1 - rate * self.decay)
        for part, share in zip(self.net.groups(room), _SHARES, strict=True):
            part *= np.float32(rate * share / (1 - 0.9**self.steps))
        self.net.flat -= room


def coslog4(t: float) -> float:
    """The learning rate after the share `t` of all steps, between 0 and 1: waves, each twice as long as the one before.

    Examples
    --------
    >>> [round(coslog4(t), 3) for t in (0, 1 / 15, (2**1.5 - 1) / 15, 3 / 15, 7 / 15, 1)]
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    return float(0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + 15 * t)))


def cycle_end(cycle: int) -> float:
    """The share of all steps at which a cycle of the learning rate ends."""
    return float((1 << cycle) - 1) / ((1 << CYCLES) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a net is trained.

    Attributes
    ----------
    epochs
        That the whole schedule takes.
    cycles
        After how many the training stops.
    haste
        The share of the time left that the training may plan for; where it needs more it takes fewer epochs.
    """

    epochs: int
    cycles: int
    rate: float
    batch: int
    dropout: float
    decay: float
    haste: float
    deadline: Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a training stands: after so many cycles, of a schedule of so many epochs; cut if time ended it there."""

    cycles: int
    epochs: int
    cut: bool = False


class NotFinite(ArithmeticError):
    """The training has run away."""


def train(
    net: Net, x: Single, target: Single, weight: Single, course: Course, rng: np.random.Generator
) -> Iterator[Stop]:
    """Train a net; where a cycle ends, and where time does, the caller may look at it, and go on or not.

    Raises
    ------
    NotFinite
        If a number of the net is not finite.
    """
    n = len(x)
    batches = max(round(n / course.batch), 1)
    gradient = Net(net.sizes, net.activation, np.zeros_like(net.flat))
    adam = _Adam(net, course.decay)
    drop = Drop(course.dropout, rng) if course.dropout else None
    total, cycle = course.epochs * batches, 1
    left = at_start = course.deadline.remaining()
    order = np.empty(0, dtype=np.int64)
    step = 0
    while left > 0:
        if step == _PROBE:
            seconds = max(at_start - left, 1e-9) / _PROBE
            planned = int(course.haste * left / seconds / cycle_end(course.cycles))
            total = min(total, max(planned, batches))
        if step % batches == 0:
            order = rng.permutation(n)
        rows = order[step % batches :: batches]
        share = weight[rows]
        net.loss_gradient(x[rows], target[rows], share / np.float32(len(rows)), gradient, drop)
        adam.step(gradient.flat, course.rate * coslog4((step + 0.5) / total))
        step += 1
        left = course.deadline.remaining()
        if step >= round(total * cycle_end(cycle)):
            if not np.isfinite(net.flat).all():
                raise NotFinite
            yield Stop(cycles=cycle, epochs=max(round(total / batches), 1))
            if cycle == course.cycles:
                return
            cycle += 1
    if not np.isfinite(net.flat).all():
        raise NotFinite
    yield Stop(cycles=cycle, epochs=max(round(total / batches), 1), cut=True)


_blas_lock = threading.Lock()
_blas_users = 0
_blas_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Matrix products in one thread each while any caller is inside; the limit is the process's, the last out lifts it.

    Folds are fitted side by side: two products of two threads each on two cores take fourteen times as long as four of
    one, and a sum in other parts is not the same to the bit. OpenBLAS (0.3.31 at least) ignores a thread that sets the
    number after another thread has: whoever starts threads that fit should be inside before, in its own thread.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    global _blas_users, _blas_limit
    with _blas_lock:
        if _blas_users == 0:
            _blas_limit = threadpool_limits(1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                _blas_limit.restore_original_limits()
                _blas_limit = None
