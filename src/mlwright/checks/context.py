"""What checks look at, and the costly things that several of them need, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlwright.checks.quick import OneColumn, QuickModel, one_column_scores, quick_out_of_fold
from mlwright.core import Progress, named_rng, silent
from mlwright.data import Dataset, Split, TableSummary
from mlwright.data.dataset import IntArray
from mlwright.spec import Spec

#: Checks that fit models look at so many training rows at most.
MODEL_ROWS = 10_000


@dataclass
class CheckContext:
    """A dataset with its split and spec.

    `dataset` is all rows, `split` says which of them are for training; whatever learns from the target looks at training
    rows only.
    """

    dataset: Dataset
    split: Split
    spec: Spec
    seed: int = 0
    progress: Progress = silent

    @cached_property
    def train(self) -> Dataset:
        """The training rows."""
        return self.split.train

    @cached_property
    def test(self) -> Dataset:
        """The test rows; checks look at their inputs only."""
        return self.split.test

    @cached_property
    def summary(self) -> TableSummary:
        """Of the training rows."""
        return self.train.summary()

    @cached_property
    def sampled(self) -> IntArray:
        """Numbers of training rows, at most 10,000, in order."""
        n = len(self.train)
        if n <= MODEL_ROWS:
            return np.arange(n)
        return np.sort(named_rng(self.seed, "checks", "sample").choice(n, MODEL_ROWS, replace=False))

    @cached_property
    def sample(self) -> Dataset:
        """Those training rows."""
        return self.train.take(self.sampled)

    @cached_property
    def one_column(self) -> dict[str, OneColumn]:
        """How well each feature alone predicts the target, out of fold."""
        return one_column_scores(self.sample, seed=self.seed)

    @cached_property
    def quick(self) -> QuickModel:
        """Out-of-fold predictions of a quick model on all features."""
        return quick_out_of_fold(self.sample, seed=self.seed)

    @property
    def n_train(self) -> int:
        return len(self.split.train_rows)
