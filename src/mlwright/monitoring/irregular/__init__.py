"""Irregular input: what is wrong with a batch by name, the rule that would repair it, and what becomes of its rows.

In comes a `Batch` (rows of a window) and a `Reference` (what the model's package says of its training rows); out come
`Irregularity`s (`recognise`), rows that go on or are kept back (`treat`), and a `Quarantine` that can be replayed. Start at
`catalogue.py`. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.monitoring.irregular.batch import Batch
    from mlwright.monitoring.irregular.catalogue import recognise
    from mlwright.monitoring.irregular.feed import Feed
    from mlwright.monitoring.irregular.habits import Habits, Stretch, habits_of_history, learn_habits
    from mlwright.monitoring.irregular.irregularity import KINDS, Irregularity, Kind
    from mlwright.monitoring.irregular.quarantine import Entry, EntryDamaged, Quarantine, Replayed
    from mlwright.monitoring.irregular.reference import Reference
    from mlwright.monitoring.irregular.repairs import REPAIRS, Repair, RepairUnknown, repair_of_state
    from mlwright.monitoring.irregular.repeats import RecentBatches
    from mlwright.monitoring.irregular.treatment import Choice, Held, Policy, Repaired, Treated, choice_of, treat

_HOMES = {
    "Batch": "batch",
    "Choice": "treatment",
    "Entry": "quarantine",
    "EntryDamaged": "quarantine",
    "Feed": "feed",
    "Habits": "habits",
    "Held": "treatment",
    "Irregularity": "irregularity",
    "KINDS": "irregularity",
    "Kind": "irregularity",
    "Policy": "treatment",
    "Quarantine": "quarantine",
    "REPAIRS": "repairs",
    "RecentBatches": "repeats",
    "Reference": "reference",
    "Repair": "repairs",
    "RepairUnknown": "repairs",
    "Repaired": "treatment",
    "Replayed": "quarantine",
    "Stretch": "habits",
    "Treated": "treatment",
    "choice_of": "treatment",
    "habits_of_history": "habits",
    "learn_habits": "habits",
    "recognise": "catalogue",
    "repair_of_state": "repairs",
    "treat": "treatment",
}

__all__ = [
    "KINDS",
    "REPAIRS",
    "Batch",
    "Choice",
    "Entry",
    "EntryDamaged",
    "Feed",
    "Habits",
    "Held",
    "Irregularity",
    "Kind",
    "Policy",
    "Quarantine",
    "RecentBatches",
    "Reference",
    "Repair",
    "RepairUnknown",
    "Repaired",
    "Replayed",
    "Stretch",
    "Treated",
    "choice_of",
    "habits_of_history",
    "learn_habits",
    "recognise",
    "repair_of_state",
    "treat",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.monitoring.irregular.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.monitoring.irregular' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
