"""From a business question and a table to a proven, documented model.

Start at `run` (everything at once), at the stages it is made of (`workflow`; `search` and `assemble` are in
`mlwright.search`), or at `Classifier` and `Regressor` (scikit-learn estimators over the same search). Names are loaded
when they are first used, so that importing mlwright costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlwright._version import __version__

if TYPE_CHECKING:
    from mlwright.checks import CheckReport, run_checks
    from mlwright.core import MlwrightError
    from mlwright.data import Dataset, plan_split, read, split_rows
    from mlwright.estimators import Classifier, Regressor
    from mlwright.evaluation import Evaluation, evaluate
    from mlwright.feasibility import Verdict
    from mlwright.models import Model, Scorer
    from mlwright.runs import Run, RunFolder
    from mlwright.spec import Spec, load_spec
    from mlwright.verification import verify
    from mlwright.workflow import check, evaluate_run, judge, report_run, run, train

_HOMES = {
    "CheckReport": "checks",
    "Classifier": "estimators",
    "Dataset": "data",
    "Evaluation": "evaluation",
    "MlwrightError": "core",
    "Model": "models",
    "Regressor": "estimators",
    "Run": "runs",
    "RunFolder": "runs",
    "Scorer": "models",
    "Spec": "spec",
    "Verdict": "feasibility",
    "check": "workflow",
    "evaluate": "evaluation",
    "evaluate_run": "workflow",
    "judge": "workflow",
    "load_spec": "spec",
    "plan_split": "data",
    "read": "data",
    "report_run": "workflow",
    "run": "workflow",
    "run_checks": "checks",
    "split_rows": "data",
    "train": "workflow",
    "verify": "verification",
}

__all__ = [
    "CheckReport",
    "Classifier",
    "Dataset",
    "Evaluation",
    "MlwrightError",
    "Model",
    "Regressor",
    "Run",
    "RunFolder",
    "Scorer",
    "Spec",
    "Verdict",
    "__version__",
    "check",
    "evaluate",
    "evaluate_run",
    "judge",
    "load_spec",
    "plan_split",
    "read",
    "report_run",
    "run",
    "run_checks",
    "split_rows",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
