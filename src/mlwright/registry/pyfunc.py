"""How MLflow loads a package: `mlflow.pyfunc.load_model("models:/churn@champion")` calls `_load_pyfunc`.

The package is data, and this module is all the code there is: nothing is unpickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlwright.models import Model

if TYPE_CHECKING:
    import pandas as pd


class PackagedModel:
    """A model as MLflow calls it: a pandas frame in, a pandas frame out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow gives it
        """What `mlwright predict` writes: `prediction` and, by task, `probability_<class>` or the interval; a row for each row."""
        answers = self.model.predict(rows).to_table().to_pandas()
        index = getattr(rows, "index", None)
        if index is not None and len(index) == len(answers):
            answers.index = index
        return answers


def _load_pyfunc(path: str) -> PackagedModel:
    """Read the package at a path, verify it and replay its golden rows."""
    return PackagedModel(Model.load(path))
