"""A CatBoost model in compiled code: single rows in microseconds, many as fast as the library has them, and without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlwright._kernels import kernel
from mlwright.data.dataset import FloatArray
from mlwright.models.families.catboost_file import CatBoostTrees
from mlwright.models.families.catboost_tables import ObliviousTables, tables_of
from mlwright.models.families.single_rows import Answer

if TYPE_CHECKING:
    from mlwright._kernels import _oblivious

#: Up to these the sums are the library's own; what becomes of them may differ in the last digits of an exponential.
_TOLERANCE = 1e-12


class CompiledCatBoost:
    """Symmetric trees as a checked table in compiled code.

    Attributes
    ----------
    n_features
    tolerance
        How far its answers may lie from the library's.
    one
        The answer for one row, a buffer of `n_features` float64.
    """

    def __init__(self, table: _oblivious.Oblivious, probes: Sequence[FloatArray]) -> None:
        self.n_features = table.n_features
        self.tolerance = _TOLERANCE
        self.one = table.one
        self._table = table
        self._probes = probes

    def many(self, values: FloatArray) -> FloatArray:
        """The answers for rows, shape (n_rows,), or (n_rows, n_classes) of more than two classes."""
        values = np.ascontiguousarray(values, dtype=np.float64)
        width = self._table.n_outputs
        answers = np.empty((len(values), width) if width > 1 else len(values))
        self._table.many(values, answers)
        return answers

    def probes(self) -> Sequence[FloatArray]:
        """For each feature the values where its answers can change: borders; levels from missing to one never seen."""
        return self._probes


def compile_catboost(trees: CatBoostTrees, rounds: int, answer: Answer) -> CompiledCatBoost | None:
    """The first `rounds` trees, 0: all, in compiled code; None where the kernel is not built."""
    module = kernel("_oblivious")
    if module is None:
        return None
    tables = tables_of(trees, rounds or len(trees.depths))
    return CompiledCatBoost(module.Oblivious(tables, answer), _probes(tables))


def _probes(tables: ObliviousTables) -> Sequence[FloatArray]:
    found: list[FloatArray] = [np.empty(0)] * tables.n_features
    starts = tables.border_starts
    for feature, first, end in zip(tables.number_features, starts, starts[1:], strict=False):
        found[feature] = np.concatenate([found[feature], tables.borders[first:end].astype(np.float64)])
    for number, feature in enumerate(tables.category_features):
        # The model has only their hashes, but levels are numbered from 0.
        alone = (np.diff(tables.table_category_starts) == 1) & (np.diff(tables.table_question_starts) == 0)
        mine = alone & (tables.table_categories[tables.table_category_starts[:-1]] == number)
        known = np.diff(tables.table_key_starts)[mine].max(initial=(tables.level_categories == number).sum())
        found[feature] = np.arange(-1.0, known + 1)
    return found
