"""A run: one execution of the workflow, as a record in memory (`Run`) and as a folder on disk (`RunFolder`).

Every stage keeps what it made in the folder as soon as it is made, so a run that was killed goes on from there. All
numbers of a run are evidence: `Run.evidence()` lists them.
"""

from mlwright.runs.earlier import known_candidates
from mlwright.runs.folder import (
    RunBusy,
    RunFolder,
    RunNotFound,
    RunUnfit,
    all_runs,
    earlier_tests,
    name_of_test_rows,
)
from mlwright.runs.record import Run, contradictions_evidence, data_evidence, trials_evidence

__all__ = [
    "Run",
    "RunBusy",
    "RunFolder",
    "RunNotFound",
    "RunUnfit",
    "all_runs",
    "contradictions_evidence",
    "data_evidence",
    "earlier_tests",
    "known_candidates",
    "name_of_test_rows",
    "trials_evidence",
]
