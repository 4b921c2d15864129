"""Trials within a budget: which pipelines are tried on which folds, and the ensemble made of the best.

In come training rows and a spec, out come `Trials` (`search`) and a `Model` (`assemble`). A trial that is finished is
kept at once (`TrialStore`), so a run that was killed goes on from there.
"""

from mlwright.search.assembly import assemble, baseline_models
from mlwright.search.ensemble import Ensemble, choose_members
from mlwright.search.executor import Executor, Threads
from mlwright.search.folds import EncodedFolds, cross_validate, rows_of
from mlwright.search.known import Known
from mlwright.search.leaderboard import Leaderboard, Standing, leaderboard
from mlwright.search.search import search
from mlwright.search.trials import FolderStore, MemoryStore, Trial, Trials, TrialStore

__all__ = [
    "EncodedFolds",
    "Ensemble",
    "Executor",
    "FolderStore",
    "Known",
    "Leaderboard",
    "MemoryStore",
    "Standing",
    "Threads",
    "Trial",
    "TrialStore",
    "Trials",
    "assemble",
    "baseline_models",
    "choose_members",
    "cross_validate",
    "leaderboard",
    "rows_of",
    "search",
]
