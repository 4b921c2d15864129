"""Gradient-boosted symmetric trees by CatBoost, which turns categories into ordered statistics of the target itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mlwright.core import Deadline, read_json, write_json
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import (
    Abilities,
    Compiled,
    FitJob,
    Outline,
    Parameters,
    Rows,
    Settled,
    Space,
    Span,
    as_shares,
)
from mlwright.models.families.catboost_compiled import compile_catboost
from mlwright.models.families.catboost_file import parse_catboost
from mlwright.models.families.odds import probabilities
from mlwright.models.families.rounds import Patience, Rounds, mean_rounds
from mlwright.models.families.single_rows import ANSWERS
from mlwright.spec import Task

MAX_ROUNDS = 4000
_PATIENCE = 50
#: The validation rows are looked at every so many rounds: CatBoost hands its whole history to a callback each time.
_PERIOD = 5
_OBJECTIVES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
#: Up to so many rows a list of Python values is the quickest way in.
_FEW_ROWS = 8
_MISSING = -1
#: Of next to no weight, in shares of a row.
_PHANTOM = 1e-6


def _catboost() -> Any:
    import catboost

    return catboost


@dataclass(slots=True)
class FittedCatBoost:
    """A CatBoost model.

    Attributes
    ----------
    model
        The library's own object, or the content of its file: the library is then imported when it is first needed.
    categorical
        Positions of the features that are numbers of levels.
    """

    model: Any
    task: Task
    categorical: list[int]
    settled: Settled = field(default_factory=dict)
    cut: bool = False
    threads: int = 1

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        model = self._loaded()
        rounds = min(int((settled or self.settled).get("rounds", 0)), model.tree_count_)
        pool = _catboost().Pool(
            _columns(values, self.categorical), cat_features=self.categorical, thread_count=self.threads
        )
        return probabilities(model.predict(pool, ntree_end=rounds, thread_count=self.threads), self.task)

    def importances(self) -> FloatArray:
        """How much the prediction changes on average where a feature changes."""
        change = np.asarray(self._loaded().get_feature_importance(type="PredictionValuesChange"), dtype=np.float64)
        return as_shares(change)

    def compiled(self) -> Compiled | None:
        """The trees in compiled code, made from the model's file and without the library."""
        trees = parse_catboost(self._content())
        return (
            None if trees is None else compile_catboost(trees, int(self.settled.get("rounds", 0)), ANSWERS[self.task])
        )

    def _loaded(self) -> Any:
        if isinstance(self.model, bytes):
            model = _catboost().CatBoost()
            model.load_model(blob=self.model)
            self.model = model
        return self.model

    def _content(self) -> bytes:
        if isinstance(self.model, bytes):
            return self.model
        with TemporaryDirectory() as folder:
            path = Path(folder) / "catboost.cbm"
            self.model.save_model(str(path))
            return path.read_bytes()

    def write(self, folder: Path) -> None:
        shrunk = self._loaded().copy()
        rounds = int(self.settled.get("rounds", 0))
        if 0 < rounds < shrunk.tree_count_:
            shrunk.shrink(ntree_end=rounds)
        # The clock, a random number and the history of the fit: the same model would be other bytes, and many more.
        metadata = shrunk.get_metadata()
        for key in ("train_finish_time", "model_guid", "training", "output_options", "params"):
            if key in metadata.keys():  # noqa: SIM118 - it is no dict and knows no `in`
                del metadata[key]
        shrunk.save_model(str(folder / "catboost.cbm"))
        state = {"task": self.task, "categorical": self.categorical, "settled": dict(self.settled)}
        write_json(folder / "catboost.json", state)


class CatBoostFamily:
    """Boosted symmetric trees; the best first guess where categories have many levels."""

    name = "catboost"
    title = "CatBoost"
    view: View = "codes"
    abilities = Abilities(missing=True, categories=True, monotonic=True, importances=True)
    sentence = (
        "Many small symmetric trees: strong without tuning, above all on categories with many levels, which it describes "
        "by the target of rows seen before; slower to fit than other boosters, and does not extrapolate."
    )

    refits = 2
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        # Few rows are learned by heart at a high rate; many, or a tree for each class, would take too long at a low one.
        rate = 0.05 if outline.n_rows < 1000 else 0.07 if outline.n_rows < 20_000 else 0.1
        common = {
            "learning_rate": rate if outline.n_classes <= 2 else 0.1,
            "one_hot_max_size": 10,
            "boosting_type": "Plain",
            "max_ctr_complexity": 2,
            "rsm": 1.0 if outline.n_features < 8 else 0.7,
        }
        plain = {"name": "catboost", **common, "depth": 6, "l2_leaf_reg": 2.2}
        deep = {"name": "catboost deep", **common, "depth": 8, "l2_leaf_reg": 4.0}
        return [plain, deep] if outline.n_rows >= 2000 else [plain]

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - the same for all rows
        return {
            "learning_rate": Span(low=0.02, high=0.15, log=True),
            "depth": Span(low=3, high=9, whole=True),
            "l2_leaf_reg": Span(low=0.3, high=20.0, log=True),
            "random_strength": Span(low=0.1, high=5.0, log=True),
            "rsm": Span(low=0.4, high=1.0),
            "one_hot_max_size": Span(low=2, high=60, log=True, whole=True),
        }

    def fit(self, job: FitJob) -> FittedCatBoost:
        """Boost until the validation rows no longer gain, or for the settled number of rounds."""
        catboost = _catboost()
        validated = job.validation is not None and job.settled is None
        rounds = MAX_ROUNDS if validated else int((job.settled or {}).get("rounds", 200))
        watch = _Watch(job.deadline, patience=_PATIENCE if validated else None)
        model = catboost.CatBoost(_parameters(job, rounds, period=_PERIOD if validated else rounds))
        model.fit(
            _pool(catboost, job.rows, job),
            eval_set=_pool(catboost, job.validation, job) if job.validation is not None and validated else None,
            callbacks=[watch],
        )
        settled = {"rounds": max(watch.best_round, 1) if validated else model.tree_count_}
        cut = watch.cut and model.tree_count_ < rounds
        return FittedCatBoost(model, job.task, list(job.rows.matrix.categorical), settled, cut, job.threads)

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:
        return mean_rounds(settled, growth)

    def read(self, folder: Path) -> FittedCatBoost:
        state = read_json(folder / "catboost.json")
        content = (folder / "catboost.cbm").read_bytes()
        return FittedCatBoost(content, state["task"], state["categorical"], state["settled"])


def _parameters(job: FitJob, rounds: int, *, period: int) -> dict[str, Any]:
    n_rows = len(job.rows.y)
    parameters: dict[str, Any] = {
        "loss_function": _OBJECTIVES[job.task],
        "iterations": rounds,
        "metric_period": period,
        "use_best_model": False,
        "random_seed": job.seed,
        "thread_count": job.threads,
        "allow_const_label": True,
        "allow_writing_files": False,
        "logging_level": "Silent",
        # A round costs in proportion to these, and few rows have no use for many.
        "border_count": 64 if n_rows < 2000 else 128,
        # Of very few rows a sample may be empty, which CatBoost refuses.
        **({"bootstrap_type": "Bernoulli", "subsample": 0.8} if n_rows >= 100 else {"bootstrap_type": "No"}),
        **{key: value for key, value in job.parameters.items() if key != "name"},
    }
    if job.leaf_quantile is not None:
        parameters["loss_function"] = f"Quantile:alpha={job.leaf_quantile!r}"
    if any(job.monotonic):
        parameters["monotone_constraints"] = list(job.monotonic)
        # Statistics of two things at once join a level to the part of a number: what is asked of the number does not
        # hold for them (on a made table, 60 of 200 answers went the wrong way, by up to 0.03).
        parameters["max_ctr_complexity"] = 1
    return parameters


def _pool(catboost: Any, rows: Rows, job: FitJob) -> Any:
    values, y, weight = rows.matrix.values, rows.y, rows.weight
    if weight is not None and 0 < (weight > 0).sum() < len(weight):
        # Rows without weight would still count in the borders of numbers and in the statistics of levels.
        values, y, weight = values[weight > 0], y[weight > 0], weight[weight > 0]
    absent = [] if job.task == "regression" else [k for k in range(job.n_classes) if not (y == k).any()]
    if absent and len(y):
        # A class that these rows lack would have no column, or a complaint on the terminal: it gets a row of no weight.
        weight = np.ones(len(y)) if weight is None else weight
        values = np.vstack([values, np.repeat(values[:1], len(absent), axis=0)])
        y = np.r_[y, absent]
        weight = np.r_[weight, np.full(len(absent), _PHANTOM * weight.mean())]
    categorical = list(rows.matrix.categorical)
    return catboost.Pool(
        _columns(values, categorical), y, cat_features=categorical, weight=weight, thread_count=job.threads
    )


def _columns(values: FloatArray, categorical: Sequence[int]) -> Any:
    """Numbers with the levels as whole numbers, in the form that CatBoost reads fastest."""
    if len(values) <= _FEW_ROWS:
        listed = values.tolist()
        for row in listed:
            for j in categorical:
                row[j] = int(row[j]) if row[j] == row[j] else _MISSING
        few = np.empty(values.shape, dtype=object)
        few[:] = listed
        return few
    if not categorical:
        return np.ascontiguousarray(values)
    import polars as pl

    levels = set(categorical)
    columns = [
        np.nan_to_num(values[:, j], nan=_MISSING).astype(np.int32) if j in levels else values[:, j]
        for j in range(values.shape[1])
    ]
    return pl.DataFrame([pl.Series(str(j), column) for j, column in enumerate(columns)])


class _Watch:
    """After each round: stop when time is up, or when the validation rows have not gained for long."""

    def __init__(self, deadline: Deadline, patience: int | None = None) -> None:
        self.rounds = Rounds(deadline)
        self.patience = None if patience is None else Patience(patience)
        self.seen = 0
        self.cut = False

    @property
    def best_round(self) -> int:
        return 0 if self.patience is None else self.patience.best_round

    def after_iteration(self, info: Any) -> bool:
        """Whether to go on."""
        if self.patience is not None:
            (history,) = info.metrics["validation"].values()
            if len(history) > self.seen:
                self.seen = len(history)
                if self.patience.lost(info.iteration, history[-1]):
                    return False
        self.cut = self.rounds.over()
        return not self.cut
