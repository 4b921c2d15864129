"""Run all checks."""

from __future__ import annotations

from collections.abc import Sequence

from mlwright.checks.context import CheckContext
from mlwright.checks.registry import CHECKS
from mlwright.checks.report import CheckReport, CheckResult
from mlwright.core import Progress, silent, stage
from mlwright.data import Dataset, Split, plan_split, split_rows
from mlwright.spec import Spec


def run_checks(
    dataset: Dataset,
    spec: Spec,
    split: Split | None = None,
    *,
    only: Sequence[str] | None = None,
    progress: Progress = silent,
) -> CheckReport:
    """Judge whether the data is fit for the question.

    Parameters
    ----------
    split
        Which rows are for training; made from the spec if not given.
    only
        Names of checks; all of them by default.
    """
    split = split or split_rows(dataset, plan_split(dataset, spec), seed=spec.seed)
    context = CheckContext(dataset, split, spec, seed=spec.seed, progress=progress)
    results: list[CheckResult] = []
    with stage("check", progress) as report:
        wanted = [name for name in CHECKS if only is None or name in only]
        for number, name in enumerate(wanted):
            report.advance(name.replace("_", " "), done=number, total=len(wanted))
            results.extend(CHECKS[name](context))
    return CheckReport.of_results(results)
