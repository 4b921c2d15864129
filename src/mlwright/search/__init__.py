"""Trials within a budget: which pipelines are tried on which folds, and the ensemble made of the best.

In come training rows and a spec, out come `Trials` (`search`) and a `Model` (`assemble`). A trial that is finished is
kept at once (`TrialStore`), so a run that was killed goes on from there.
"""

from mlwright.search.alternatives import Alternative, Averaged, alternatives
from mlwright.search.assembly import assemble, baseline_models
from mlwright.search.ensemble import Ensemble, choose_members
from mlwright.search.executor import Executor, Threads
from mlwright.search.fairness import model_trade_offs, trade_off_evidence
from mlwright.search.folds import EncodedFolds, compared_rows, cross_validate, rows_of
from mlwright.search.known import Known
from mlwright.search.leaderboard import Leaderboard, Standing, leaderboard
from mlwright.search.search import search
from mlwright.search.trials import FolderStore, MemoryStore, Trial, Trials, TrialStore
from mlwright.search.value import Promise, fitted_rule, promise_of

__all__ = [
    "Alternative",
    "Averaged",
    "EncodedFolds",
    "Ensemble",
    "Executor",
    "FolderStore",
    "Known",
    "Leaderboard",
    "MemoryStore",
    "Promise",
    "Standing",
    "Threads",
    "Trial",
    "TrialStore",
    "Trials",
    "alternatives",
    "assemble",
    "baseline_models",
    "choose_members",
    "compared_rows",
    "cross_validate",
    "fitted_rule",
    "leaderboard",
    "model_trade_offs",
    "promise_of",
    "rows_of",
    "search",
    "trade_off_evidence",
]
