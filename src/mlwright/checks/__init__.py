"""Is this data fit for the question? Each check is a judgement with evidence and advice.

In come a `Dataset` and a `Spec`, out comes a `CheckReport`: start at `run_checks`. A check is a function in `CHECKS`;
what it needs that is costly (quick models, scores of single columns) is computed once in `CheckContext`.
"""

from mlwright.checks.context import CheckContext
from mlwright.checks.registry import CHECKS, Check
from mlwright.checks.report import CheckReport, CheckResult, ChecksFailed, Status
from mlwright.checks.run import run_checks

__all__ = ["CHECKS", "Check", "CheckContext", "CheckReport", "CheckResult", "ChecksFailed", "Status", "run_checks"]
