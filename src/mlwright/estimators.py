"""scikit-learn estimators over the same search, for people who have a data frame and no spec."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from mlwright.core import Deadline
from mlwright.data import Dataset, Schema, SplitPlan, infer_schema, read_column, summarise, to_table
from mlwright.data.dataset import FloatArray, written_class
from mlwright.data.schema import Column
from mlwright.data.values import ARROW_TYPES
from mlwright.models import Model, Predictions
from mlwright.search import assemble, search
from mlwright.spec import Spec, Task

_TARGET = "__target__"


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share: a frame and a target in, a `Model` inside.

    Parameters
    ----------
    budget_s
        Seconds for finding and fitting the model.
    trials
        At most so many candidates; with it a fit gives the same model on any machine that is fast enough.
    workers
        Fits at the same time.
    memory_mb
        What may be kept in memory for the folds.
    seed
        Of everything that is drawn at random.

    Attributes
    ----------
    model_ : mlwright.models.Model
        Save it with `model_.save(folder)`; it then loads without scikit-learn.
    trials_ : mlwright.search.Trials
        What was tried, with the score of each.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
    """

    def __init__(
        self,
        budget_s: float = 60.0,
        *,
        trials: int | None = None,
        workers: int = 2,
        memory_mb: float = 4096.0,
        seed: int = 0,
    ) -> None:
        self.budget_s = budget_s
        self.trials = trials
        self.workers = workers
        self.memory_mb = memory_mb
        self.seed = seed

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.non_deterministic = False
        return tags

    def _fit_table(self, X: Any, y: FloatArray, task: Task, classes: np.ndarray) -> None:
        deadline = Deadline.after(float(self.budget_s))
        table = self._table(X, fitting=True)
        if table.num_rows != len(y):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {table.num_rows}, {len(y)}")
        # Somebody chose these columns: none of them is left out as an identifier.
        found = infer_schema(summarise(table.to_batches()), with_role=table.column_names)
        features = [column.but(role="unused" if column.type == "constant" else "feature") for column in found]
        target = Column(name=_TARGET, type="number" if task == "regression" else "category", role="target")
        columns = [
            pa.chunked_array([read_column(chunk, column).values for chunk in table.column(column.name).chunks])
            for column in features
        ]
        names = [written_class(_plain(value)) for value in classes]
        truth = pa.array(y, pa.float64()) if task == "regression" else _coded(y.astype(np.int64), names)
        dataset = Dataset(
            table=pa.table([*columns, truth], names=[*table.column_names, _TARGET])
            .unify_dictionaries()
            .combine_chunks(),
            schema=Schema((*features, target)),
            task=task,
            classes=tuple(_plain(value) for value in classes) if task != "regression" else (),
            description="a data frame",
        )
        budget = {"seconds": float(self.budget_s), "workers": self.workers, "memory_mb": float(self.memory_mb)}
        tree: dict[str, Any] = {"data": {"source": "-", "target": _TARGET}, "budget": budget, "seed": self.seed}
        if self.trials is not None:
            tree["budget"]["trials"] = self.trials
        spec = Spec.of(tree)
        plan = SplitPlan(kind="random" if task == "regression" else "stratified", test_share=0.2, reason="")
        self.trials_ = search(dataset, spec, plan, seed=self.seed, deadline=deadline)
        self.model_: Model = assemble(self.trials_, dataset, spec, seed=self.seed, deadline=deadline)

    def _table(self, X: Any, *, fitting: bool) -> pa.Table:
        """The rows as a table; arrays get the column names x0, x1 …"""
        is_frame = hasattr(X, "columns") or hasattr(X, "column_names")
        if is_frame:
            checked = validate_data(self, X, reset=fitting, skip_check_array=True)
            table = to_table(checked)
            if table.num_rows == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            return table
        checked = validate_data(self, X, reset=fitting, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=1)
        return pa.table({f"x{i}": _column(checked[:, i]) for i in range(checked.shape[1])})

    def _predicted(self, X: Any) -> Predictions:
        check_is_fitted(self, "model_")
        return self.model_.predict(self._table(X, fitting=False))


def _coded(codes: np.ndarray, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string())).cast(
        ARROW_TYPES["category"]
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _column(values: np.ndarray) -> pa.Array:
    if values.dtype.kind in "biuf":
        return pa.array(values)
    known = [None if v is None or (isinstance(v, float) and np.isnan(v)) else v for v in values.tolist()]
    try:
        return pa.array(known)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v) for v in known], pa.string())


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """Finds, fits and calibrates a classifier for a table of any kinds of columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = Classifier(budget_s=10, trials=2).fit(X, y)
    >>> classifier.predict_proba(X[:2]).shape
    (2, 3)
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Find and fit the model.

        Parameters
        ----------
        X : array or data frame of shape (n_rows, n_features)
            Numbers, texts, dates, categories, missing values.
        y : shape (n_rows,)
            Classes of any kind.
        """
        X, y = _pair(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier needs at least 2 classes in y; the data contains only one class")
        self._fit_table(
            X, codes.astype(np.float64), "binary" if len(self.classes_) == 2 else "multiclass", self.classes_
        )
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Calibrated probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return self._predicted(X).probabilities

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row, shape (n_rows,)."""
        decision = self._predicted(X).decision
        assert decision is not None
        chosen: np.ndarray = self.classes_[decision]
        return chosen


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """Finds and fits a regression for a table of any kinds of columns.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = Regressor(budget_s=10, trials=2).fit(X, y)
    >>> regressor.predict(X[:3]).shape
    (3,)
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Find and fit the model.

        Parameters
        ----------
        X : array or data frame of shape (n_rows, n_features)
            Numbers, texts, dates, categories, missing values.
        y : shape (n_rows,)
            Numbers.
        """
        X, y = _pair(X, y)
        y = np.asarray(y, dtype=np.float64)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        self._fit_table(X, y, "regression", np.zeros(0))
        return self

    def predict(self, X: Any) -> FloatArray:
        """The value of each row, shape (n_rows,)."""
        return self._predicted(X).prediction

    def predict_interval(self, X: Any) -> tuple[FloatArray, FloatArray]:
        """Two arrays of shape (n_rows,): a range that holds the truth of 90 % of new rows."""
        answer = self._predicted(X)
        if answer.low is None or answer.high is None:
            raise ValueError("too few rows were fitted for an interval")
        return answer.low, answer.high


def _pair(X: Any, y: Any) -> tuple[Any, np.ndarray]:
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    return X, column_or_1d(y, warn=True)
